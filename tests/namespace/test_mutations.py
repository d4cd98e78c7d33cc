"""Scripts named by their fault: each breaks the one rule it was made for, and no other.

Every folder of tests/lsbcheck/scripts is a style: a correct init script (`init`), its daemon, and
`samples.toml`, which lists the faults as changes of a line or two, each beside what it breaks. A
sample without `breaks` is another correct script. One run of the command judges them all.
"""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
import tomllib
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest

REPOSITORY = Path(__file__).parents[2]
STYLES = REPOSITORY / "tests" / "lsbcheck" / "scripts"

EIGHT = (
    "actions-implemented",
    "start-succeeds",
    "start-failure-reported",
    "stop-succeeds",
    "stop-failure-reported",
    "status-when-running",
    "status-when-stopped",
    "stop-when-stopped",
)
ELEVEN = (
    "start-when-running",
    "status-when-stopped-is-3",
    "status-after-crash",
    "status-when-suspended",
    "missing-program",
    "late-start-failure-reported",
    "refused-stop-reported",
    "bystander-survives",
    "restart-actions",
    "unknown-action",
    "lsb-header",
)


@dataclass(frozen=True, slots=True)
class Change:
    """One piece of a file and what stands there instead."""

    old: str
    new: str
    file: str = "init"

    def applied_to(self, text: str) -> str:
        """The text with the change made; a change that fits nowhere or twice is a mistake."""
        times = text.count(self.old)
        if times != 1:
            raise ValueError(f"{self.file} contains {times} times instead of once: {self.old!r}")
        return text.replace(self.old, self.new)


@dataclass(frozen=True, slots=True)
class Sample:
    """An init script and what must be found in it."""

    style: str
    """Its folder: `plain-sh`."""
    name: str = "correct"
    """Its fault: `start-never-looks`."""
    about: str = ""
    """What the style is made of, for the reader of samples.toml."""
    why: str = ""
    """What a reader should know of the fault besides its name."""
    breaks: str | None = None
    """The rule that it was made to break; None for a correct script."""
    entails: tuple[str, ...] = ()
    """What is broken by the same fault, never one of the eight."""
    not_provoked: Mapping[str, str] = field(default_factory=dict[str, str])
    """Rules that have no verdict here, with the reason."""
    changes: tuple[Change, ...] = ()
    copies: Mapping[str, str] = field(default_factory=dict[str, str])
    """Programs of the host that are copied beside the script: `{ticketd = "/bin/sleep"}`."""
    needs: tuple[str, ...] = ()
    """Files of the host without which the script cannot work."""

    def __str__(self) -> str:
        return f"{self.style}.{self.name}"

    @property
    def expected(self) -> dict[str, str]:
        """The verdict of every rule."""
        verdicts = dict.fromkeys((*EIGHT, *ELEVEN), "pass")
        verdicts |= dict.fromkeys(self.not_provoked, "not-provoked")
        verdicts |= dict.fromkeys(self.entails, "fail")
        return verdicts | ({self.breaks: "fail"} if self.breaks else {})

    def rendered(self, folder: Path) -> Path:
        """Write the script and what belongs to it into a folder of its own; return its path.

        The script is called as the sample is, not `init`: that is the name in lsbcheck's report.
        """
        own = folder / str(self)
        own.mkdir()
        files = [file for file in (STYLES / self.style).iterdir() if file.name != "samples.toml"]
        assert {change.file for change in self.changes} <= {file.name for file in files}
        for program, original in self.copies.items():
            shutil.copy(original, own / program)
        for source in files:
            text = source.read_text(encoding="utf-8")
            for change in self.changes:
                if change.file == source.name:
                    text = change.applied_to(text)
            target = own / (str(self) if source.name == "init" else source.name)
            target.write_text(text.replace("@DIR@", str(own)), encoding="utf-8")
            target.chmod(0o755)
        return own / str(self)


def _sample(style: str, common: dict[str, Any], own: dict[str, Any]) -> Sample:
    """A sample from its table and its style's; a key that no sample has is a TypeError."""
    table: dict[str, Any] = {**common, **own, "style": style}
    for key in ("copies", "not_provoked"):
        table[key] = {**common.get(key, {}), **own.get(key, {})}
    table["needs"] = (*common.get("needs", ()), *own.get("needs", ()))
    table["entails"] = tuple(own.get("entails", ()))
    table["changes"] = tuple(Change(**change) for change in own.get("changes", ()))
    return Sample(**table)


def _samples(file: Path) -> list[Sample]:
    """The correct script of a style, then its variations."""
    common = tomllib.loads(file.read_text(encoding="utf-8"))
    tables: list[dict[str, Any]] = [{}, *common.pop("sample", ())]
    return [_sample(file.parent.name, common, table) for table in tables]


SAMPLES = [sample for file in sorted(STYLES.glob("*/samples.toml")) for sample in _samples(file)]


def _one_of_each_rule() -> list[Sample]:
    """Every correct script, and of those that break a rule one, in another style for each rule."""
    broken = [[each for each in SAMPLES if each.breaks == rule] for rule in (*EIGHT, *ELEVEN)]
    correct = [each for each in SAMPLES if each.breaks is None]
    return correct + [styles[number % len(styles)] for number, styles in enumerate(broken)]


RUN = _one_of_each_rule() if os.environ.get("CI") == "true" else SAMPLES
"""The whole run has an hour; `./dev test namespace` runs them all."""


def _missing_here(sample: Sample) -> list[str]:
    return [path for path in sample.needs if not Path(path).exists()]


@pytest.fixture(scope="module")
def reports(tmp_path_factory: pytest.TempPathFactory) -> Mapping[str, list[dict[str, Any]]]:
    """What one run of lsbcheck over all samples said of each: its rules, by the sample's name."""
    folder = tmp_path_factory.mktemp("scripts")
    scripts = [sample.rendered(folder) for sample in RUN if not _missing_here(sample)]
    options = ["--format", "json", "--sandbox", "namespace", "--jobs", "4", "--timeout", "20"]
    run = subprocess.run(
        [sys.executable, "-m", "lsbcheck", *options, *map(str, scripts)],
        cwd=REPOSITORY,
        capture_output=True,
        text=True,
        check=False,
        timeout=1500,
    )
    assert run.returncode == 1, f"not a run with findings: {run.returncode}\n{run.stderr}"
    report = json.loads(run.stdout)
    return {Path(script["script"]).name: script["rules"] for script in report["scripts"]}


@pytest.mark.parametrize("sample", RUN, ids=str)
def test_breaks_the_rule_it_was_made_for_and_no_other(
    sample: Sample, reports: Mapping[str, list[dict[str, Any]]]
) -> None:
    if missing := _missing_here(sample):
        pytest.skip(f"needs {', '.join(missing)}")
    rules = {rule["id"]: rule for rule in reports[str(sample)]}
    verdicts = {rule_id: rule["verdict"] for rule_id, rule in rules.items()}
    unexpected = {
        rule_id: json.dumps(rule, indent=1)
        for rule_id, rule in rules.items()
        if rule["verdict"] != sample.expected.get(rule_id)
    }
    assert verdicts == sample.expected, "\n".join(unexpected.values())


@pytest.mark.parametrize("sample", SAMPLES, ids=str)
def test_blames_one_of_the_eight_at_most(sample: Sample) -> None:
    assert set(sample.expected) == {*EIGHT, *ELEVEN}, "an id that no rule has"
    assert not set(sample.entails) & set(EIGHT)


@pytest.mark.parametrize("rule", [*EIGHT, *ELEVEN])
def test_every_rule_is_broken_in_three_styles(rule: str) -> None:
    styles = {sample.style for sample in SAMPLES if sample.breaks == rule}
    assert len(styles) >= 3


def test_a_dozen_scripts_hold_every_rule() -> None:
    correct = [sample for sample in SAMPLES if set(sample.expected.values()) == {"pass"}]
    assert len(correct) >= 12
