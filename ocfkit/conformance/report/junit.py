"""JUnit's XML, as Jenkins and GitLab read it: a suite for the agent, a case for each rule."""

from __future__ import annotations

from xml.etree import ElementTree as ET

from lsbcheck.report.visible import visible
from ocfkit.conformance.report.document import Document, RuleShown
from ocfkit.conformance.report.words import basis, granted, machine, proof


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
    known = (("machine", machine(shown)), ("granted", granted(shown)))
    told = {name: visible(words) for name, words in known if words}
    if told:
        properties = ET.SubElement(suite, "properties")
        for name, words in told.items():
            ET.SubElement(properties, "property", name=name, value=words)
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
    answer = ET.SubElement(
        case, _tag(rule), type=rule["id"], message=visible(_message(shown, rule))
    )
    answer.text = "\n" + "\n".join(map(visible, proof(shown, rule))) + "\n"
    return case


def _tag(rule: RuleShown) -> str:
    if rule["counts"] and rule["verdict"] == "fail":
        return "failure"
    return "error" if rule["counts"] and rule["verdict"] == "error" else "skipped"


def _message(shown: Document, rule: RuleShown) -> str:
    """The sentence, and why it is no failure."""
    if rule["verdict"] == "fail" and rule["counts"]:
        return rule["sentence"]
    why = "" if rule["counts"] else f", does not count ({basis(shown)})"
    return f"{rule['verdict']}{why}: {rule['sentence']}"
