"""The document in words that several formats use."""

from __future__ import annotations

from collections.abc import Mapping

from lsbcheck import exitcodes
from lsbcheck.exitcodes import ExitCode
from lsbcheck.report.visible import command, lines_of
from ocfkit.conformance.report.document import CallShown, Document, RuleShown
from ocfkit.conformance.rules import Verdict
from ocfkit.conformance.transcript import INSTANCE

FINDINGS: tuple[Verdict, ...] = ("fail", "error", "not-provoked")
"""What a reader has to look at, the worst first."""

ENDINGS: Mapping[ExitCode, str] = {
    exitcodes.ALL_HOLD: "passes",
    exitcodes.BROKEN: "not safe to hand to Pacemaker",
    exitcodes.NOT_PROVED: "nothing broken, but not proved",
}

_COUNTED: Mapping[Verdict, str] = {
    "fail": "broken",
    "error": "without a verdict",
    "not-provoked": "not provoked",
    "pass": "hold",
    "does-not-apply": "with nothing to judge",
}

_QUIET = (
    *("OCF_RESKEY_CRM_", "OCF_RESKEY_crm_", "OCF_RA_", "OCF_EXIT_", "OCF_ROOT"),
    *("OCF_RESOURCE_TYPE", "OCF_RESOURCE_PROVIDER"),
)
"""Variables that every call has; the JSON document shows them all."""


def machine(shown: Document) -> str:
    """Where the agent was run; "" for a private machine that shows the files of this host."""
    where = shown["machine"]
    if where["image"] is not None:
        return f"{where['sandbox']}, a container of {where['image']}"
    return f"the system below {where['root']}" if where["root"] != "/" else ""


def granted(shown: Document) -> str:
    """What the agent had beyond what every machine has; "" for nothing."""
    what = shown["granted"]
    devices = (f"{each['path']} as {each['inside']}" for each in what["devices"])
    return ", ".join([*what["capabilities"], *devices])


def groups(shown: Document, verdict: Verdict) -> list[list[RuleShown]]:
    """The rules of a verdict that count; those that are open for one reason stand together.

    What one reason holds up alone comes first: it is often the cause of the others.
    """
    found: dict[object, list[RuleShown]] = {}
    for rule in shown["rules"]:
        if rule["counts"] and rule["verdict"] == verdict:
            alone = rule["id"] if verdict == "fail" else ""
            found.setdefault((alone, rule["sentence"], rule["provoked"]), []).append(rule)
    return sorted(found.values(), key=len)


def beyond(shown: Document) -> list[RuleShown]:
    """Findings that decide nothing."""
    return [rule for rule in shown["rules"] if not rule["counts"] and rule["verdict"] in FINDINGS]


def counts(shown: Document) -> str:
    """`of 53 rules (profile pacemaker) 1 broken, 52 hold`."""
    counting = [rule["verdict"] for rule in shown["rules"] if rule["counts"]]
    told = ", ".join(
        f"{counting.count(each)} {words}"
        for each, words in _COUNTED.items()
        if each in counting or each == "pass"
    )
    return f"of {len(counting)} rules ({basis(shown)}) {told}"


def basis(shown: Document) -> str:
    """What the exit code rests on."""
    chosen = shown["chosen_rules"]
    if chosen is not None:
        return "the chosen rules" if len(chosen) > 1 else "the chosen rule"
    return f"profile {shown['profile']}"


def again(shown: Document, rule: RuleShown) -> str:
    """What a user pastes to see this rule judged once more."""
    return command([*shown["again"], "--rule", rule["id"]])


def asked(call: CallShown) -> str:
    """A call as a line for a shell, with the variables that make it what it is."""
    variables = [
        f"{name}={command([value])}"
        for name, value in call["environ"].items()
        if name.startswith("OCF_") and not name.startswith(_QUIET)
        if (name, value) != ("OCF_RESOURCE_INSTANCE", INSTANCE)
    ]
    return " ".join([*variables, command(call["argv"])])


def ended(call: CallShown) -> str:
    """Behind the answer: who asked, and how long it took."""
    who = "" if call["uid"] == 0 else f"as uid {call['uid']} "
    return f"{who}after {call['seconds']:.2f} s (limit {call['limit']:.3g} s)"


def around(call: CallShown) -> list[tuple[str, list[str]]]:
    """The processes around a call, each list with its label; none where there were none."""
    before, after = call["before"], call["after"]
    if before == after:
        return [("there", before)] if before else []
    return [("before", before or ["nothing"]), ("after", after or ["nothing"])]


def proof(shown: Document, rule: RuleShown) -> list[str]:
    """All that led to a verdict, line by line, for formats without a layout."""
    lines = [rule["title"]]
    labelled = (("so", rule["consequence"]), ("provoked", rule["provoked"]))
    lines += [f"{label}: {text}" for label, text in labelled if text]
    lines += [f"remark: {remark}" for remark in rule["remarks"]]
    for call in rule["calls"]:
        lines += [f"$ {asked(call)}", f"  {call['answer']} {ended(call)}"]
        lines += [f"  | {line}" for line in lines_of(call["output"])]
        lines += [f"  {label}: {one}" for label, those in around(call) for one in those]
    return [*lines, f"source: {rule['source']}", f"again: {again(shown, rule)}"]
