"""JUnit's XML, as Jenkins and GitLab read it: a suite for each script, a case for each rule."""

from __future__ import annotations

from collections.abc import Mapping
from xml.etree import ElementTree as ET

from lsbcheck.report.baseline import Standing, standing
from lsbcheck.report.shape import Document, RuleShown, ScriptShown
from lsbcheck.report.text import proof
from lsbcheck.report.visible import visible
from lsbcheck.report.words import aside, basis, lacking, name_of

_TAGS: Mapping[Standing, str] = {
    "fail": "failure",
    "known": "skipped",
    "not-provoked": "skipped",
    "error": "error",
}


def junit(document: Document) -> str:
    """The document as XML, all ASCII.

    What decides no exit code is skipped, with its proof: a report is as red as the command.
    """
    root = ET.Element("testsuites", name="lsbcheck")
    for script in document["scripts"]:
        root.append(_suite(document, script))
    for run, cause in lacking(document):
        root.append(_no_sandbox(run, cause))
    for kind, tag in (("tests", "testcase"), ("failures", "failure"), ("errors", "error")):
        root.set(kind, str(len(root.findall(f".//{tag}"))))
    ET.indent(root)
    written: bytes = ET.tostring(root, "us-ascii", xml_declaration=True)
    return written.decode("ascii") + "\n"


def _suite(document: Document, script: ScriptShown) -> ET.Element:
    cases = [_case(document, script, rule) for rule in script["rules"]]
    suite = _counted(visible(name_of(script)), cases)
    properties = ET.Element("properties")
    for name, value in (
        ("script", script["script"]),
        ("rules that count", basis(document)),
        ("exit code", str(script["exit_code"])),
    ):
        ET.SubElement(properties, "property", name=name, value=visible(value))
    suite.insert(0, properties)
    return suite


def _counted(name: str, cases: list[ET.Element]) -> ET.Element:
    def count(tag: str) -> str:
        return str(sum(case.find(tag) is not None for case in cases))

    suite = ET.Element(
        "testsuite",
        name=name,
        tests=str(len(cases)),
        failures=count("failure"),
        errors=count("error"),
        skipped=count("skipped"),
        time=f"{sum(float(case.get('time', '0')) for case in cases):.3f}",
    )
    suite.extend(cases)
    return suite


def _case(document: Document, script: ScriptShown, rule: RuleShown) -> ET.Element:
    seconds = sum(call["seconds"] for call in rule["evidence"]["calls"])
    case = ET.Element(
        "testcase",
        classname=visible(name_of(script)),
        name=rule["id"],
        time=f"{seconds:.3f}",
    )
    found = standing(rule)
    if found != "pass":
        why = aside(document, rule)
        answer = ET.SubElement(
            case,
            "skipped" if why else _TAGS[found],
            type=rule["id"],
            message=visible(_message(rule, why)),
        )
        answer.text = f"\n{rule['title']}\n{proof(document, script, rule)}\n"
    return case


def _message(rule: RuleShown, why: str) -> str:
    """The sentence, and why it is no failure."""
    found = standing(rule)
    if found == "fail" and not why:
        return rule["sentence"]
    labels = [why] if found == "known" else [each for each in (found, why) if each]
    return f"{', '.join(labels)}: {rule['sentence']}"


def _no_sandbox(run: str, cause: str) -> ET.Element:
    name = visible(run) or "lsbcheck"
    case = ET.Element("testcase", classname=name, name="sandbox", time="0.000")
    ET.SubElement(case, "error", type="no-sandbox", message=visible(f"no sandbox: {cause}"))
    return _counted(name, [case])
