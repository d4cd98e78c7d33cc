"""The rule on the header block, which is read and not run."""

from __future__ import annotations

from lsbcheck.rules.judging import broken, holds
from lsbcheck.rules.registry import Judgement, rule
from lsbcheck.rules.samples import HEADER, with_header
from lsbcheck.transcript import Transcript

KEYWORDS = (
    "Provides",
    "Required-Start",
    "Required-Stop",
    "Default-Start",
    "Default-Stop",
    "Short-Description",
)
"""What insserv, update-rc.d and lintian need; the specification defines all and demands none."""

NEVER_EMPTY = ("Provides", "Short-Description")
"""The others may be empty: a service that needs nothing, or is not started at boot."""


def _header_without(keyword: str) -> dict[str, str]:
    return {name: value for name, value in HEADER.items() if name != keyword}


@rule(
    "lsb-header",
    clause="LSB Core 3.1, 20.3 Comment Conventions for Init Scripts",
    profile="strict",
    valid=(with_header(HEADER), with_header(HEADER | {"Default-Stop": ""})),
    invalid=(
        with_header(None),
        with_header(HEADER, "the block is not closed by ### END INIT INFO"),
        with_header(HEADER | {"Provides": ""}),
        *(with_header(_header_without(keyword)) for keyword in KEYWORDS),
    ),
)
def lsb_header(run: Transcript) -> Judgement:
    """The LSB header block is complete and well formed."""
    faults = _faults(run)
    if not faults:
        return holds(f"the block has {', '.join(KEYWORDS)}")
    return broken(
        "; ".join(faults),
        "Neither update-rc.d nor insserv can order the service or take it out of the boot, so a "
        "node may start it by itself, outside the cluster's control.",
    )


def _faults(run: Transcript) -> tuple[str, ...]:
    if run.header is None:
        return run.header_faults or ("there is no ### BEGIN INIT INFO block",)
    values = {keyword.lower(): value.strip() for keyword, value in run.header.items()}
    missing = tuple(f"{name} is missing" for name in KEYWORDS if name.lower() not in values)
    empty = tuple(f"{name} is empty" for name in NEVER_EMPTY if values.get(name.lower()) == "")
    return run.header_faults + missing + empty
