"""JUnit's XML, as Jenkins and GitLab read it: a suite for the agent, a case for each rule."""

from __future__ import annotations

from xml.etree import ElementTree as ET

from lsbcheck.report.visible import visible
from ocfkit.conformance.report.document import Document, RuleShown


def junit(shown: Document) -> str:
    """The document as XML, all ASCII. What decides no exit code is skipped, with its proof."""
    cases = [_case(shown, rule) for rule in shown["rules"]]
    counts = {
        kind: str(sum(case.find(tag) is not None for case in cases))
        for kind, tag in (("failures", "failure"), ("errors", "error"), ("skipped", "skipped"))
    }
    seconds = sum(float(case.get("time", "0")) for case in cases)
    suite = ET.Element(
        "testsuite",
        {
            "name": visible(shown["agent"]),
            "tests": str(len(cases)),
            "time": f"{seconds:.3f}",
            **counts,
        },
    )
    suite.extend(cases)
    root = ET.Element(
        "testsuites",
        name="ocfkit check",
        tests=str(len(cases)),
        failures=counts["failures"],
        errors=counts["errors"],
    )
    root.append(suite)
    ET.indent(root)
    written: bytes = ET.tostring(root, "us-ascii", xml_declaration=True)
    return written.decode("ascii") + "\n"


def _case(shown: Document, rule: RuleShown) -> ET.Element:
    seconds = sum(call["seconds"] for call in rule["calls"])
    case = ET.Element(
        "testcase", classname=visible(shown["name"]), name=rule["id"], time=f"{seconds:.3f}"
    )
    if rule["verdict"] == "pass":
        return case
    tag = "skipped"
    if rule["counts"] and rule["verdict"] in ("fail", "error"):
        tag = "failure" if rule["verdict"] == "fail" else "error"
    message = rule["sentence"] if tag == "failure" else f"{rule['verdict']}: {rule['sentence']}"
    answer = ET.SubElement(case, tag, type=rule["id"], message=visible(message))
    lines = [rule["title"], rule["consequence"], rule["source"]]
    for call in rule["calls"]:
        lines += [f"$ {' '.join(call['argv'])}", f"  {call['answer']}"]
    answer.text = "\n" + "\n".join(visible(line) for line in lines if line) + "\n"
    return case
