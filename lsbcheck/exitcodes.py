"""The exit codes of the command `lsbcheck`, and how verdicts become one of them."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import Final, Literal

from lsbcheck.rules import Judgement, Profile, rules_of

ExitCode = Literal[0, 1, 2, 3, 4, 130, 141]

ALL_HOLD: Final = 0
"""Every rule that counts holds."""
BROKEN: Final = 1
"""At least one rule that counts is broken."""
WRONG_CALL: Final = 2
"""The command line or a script named on it cannot be used; nothing was run."""
NOT_PROVED: Final = 3
"""Nothing broken, but a rule that counts was not provoked or met an error of the checker."""
NO_SANDBOX: Final = 4
"""No sandbox could be made, so nothing was checked."""
INTERRUPTED: Final = 130
"""Ctrl-C, as a shell reports it (128 + SIGINT)."""
READER_GONE: Final = 141
"""Standard output was closed before the end (`| head`), as a shell reports it (128 + SIGPIPE)."""

MEANINGS: Mapping[ExitCode, str] = {
    ALL_HOLD: "all rules that count hold",
    BROKEN: "a rule that counts is broken",
    WRONG_CALL: "wrong call: an option or a script cannot be used, nothing was run",
    NOT_PROVED: "nothing broken, but a rule that counts was not provoked or met an error",
    NO_SANDBOX: "the sandbox could not be made",
    INTERRUPTED: "interrupted",
    READER_GONE: "the reader of the output went away",
}


def counted(profile: Profile, chosen: Sequence[str] | None = None) -> frozenset[str]:
    """Ids of the rules that decide the exit code.

    Rules that the user chose one by one all count, whatever the profile: who asks for a rule
    wants its verdict.
    """
    if chosen is not None:
        return frozenset(chosen)
    return frozenset(rule.id for rule in rules_of(profile))


def of_script(judgements: Mapping[str, Judgement], counting: Iterable[str]) -> ExitCode:
    """Of one script. A rule that counts and has no judgement is not proved."""
    verdicts = {judgements[rule].verdict if rule in judgements else "error" for rule in counting}
    if "fail" in verdicts:
        return BROKEN
    return ALL_HOLD if verdicts == {"pass"} else NOT_PROVED


def of_all(codes: Sequence[ExitCode]) -> ExitCode:
    """Of several scripts: no sandbox if none could run, else broken, not proved, all hold.

    A wrong call is found before anything runs and is not among them.
    """
    if all(code == NO_SANDBOX for code in codes):
        return NO_SANDBOX
    if BROKEN in codes:
        return BROKEN
    return ALL_HOLD if set(codes) == {ALL_HOLD} else NOT_PROVED
