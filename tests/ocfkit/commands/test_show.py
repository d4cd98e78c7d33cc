"""`ocfkit show`, `list` and `meta-data`: an agent for people, and for tools."""

from __future__ import annotations

from pathlib import Path

import pytest

from ocfkit import catalogue
from ocfkit.agents import SHIPPED
from ocfkit.commands import show
from ocfkit.metadata import metadata
from tests.ocfkit.command import ROOT, ocfkit, write
from tests.ocfkit.commands.described import RICH

PAGE = """\
rich_one: Have everything.

The rest at length.

Parameters
  name: a text; required; unique together (name, port)
      A name.
      And more of it.
  port: an integer from 1 to 65535; default 80; unique together (name, port); reloadable
      A port.
  alone: a duration such as 20s, 500ms, 5min or 1h of at least 1s; default 90s; unique
      A time.
  key: a text; secret
      A key.
  old: a boolean (true or false); default false
      Old.
      Deprecated: It does nothing. Use key.

Actions
  start                           timeout 20s
  stop                            timeout 20s
  monitor (Promoted)              timeout 20s, interval 9s
  monitor (Unpromoted)            timeout 20s, interval 10s
  monitor at depth 10 (Promoted)  timeout 20s, interval 31s
  monitor at depth 20             timeout 60s, interval 60s
  promote                         timeout 20s
  demote                          timeout 20s
  reload-agent                    timeout 20s
  validate-all                    timeout 20s
  meta-data                       timeout 5s

Checks
  depth 10: page comes back (in the role Promoted alone; asked again once, 1s apart; degraded, \
not failed, the first 2 times in a row)
  depth 20: select works (asked again 3 times, 500ms apart)

Version 2.3, rich_one:Rich in {file}
"""


def test_shows_everything_that_is_declared(tmp_path: Path) -> None:
    file = write(tmp_path / "rich_one.py", RICH)
    done = ocfkit("show", file)
    assert (done.returncode, done.stderr) == (0, "")
    assert done.stdout == PAGE.format(file=file)


def test_shows_an_agent_without_anything(tmp_path: Path) -> None:
    text = "from ocfkit import *\nclass Bare(Daemon):\n    'Do nothing.'\n"
    text += "    def command(self): return ['true']\n"
    done = ocfkit("show", write(tmp_path / "bare.py", text))
    assert done.stdout.startswith("bare: Do nothing.\n\nNo parameters\n\nActions\n")
    assert "Checks" not in done.stdout


def test_fits_into_the_terminal(tmp_path: Path) -> None:
    found = catalogue.find(str(write(tmp_path / "rich_one.py", RICH)))
    lines = list(show.page(found, 40))
    start = lines.index("Parameters")
    parameters = lines[start : lines.index("Actions")]
    assert all(len(line) <= 40 for line in parameters)
    assert "  port: an integer from 1 to 65535;" in parameters
    assert "      default 80; unique together (name," in parameters


@pytest.mark.parametrize("profile", ["1.1", "1.0"])
def test_prints_the_meta_data_of_a_profile(profile: str) -> None:
    file = ROOT / "examples/promotable.py"
    done = ocfkit("meta-data", file, "--profile", profile)
    cls = catalogue.find(str(file)).cls
    assert done.stdout == metadata(cls, "promotable", "1.0" if profile == "1.0" else "1.1")


def test_lists_those_that_ship_also_in_a_checkout(tmp_path: Path) -> None:
    done = ocfkit("list", "--ocf-root", tmp_path)
    assert (done.returncode, done.stderr) == (0, "")
    first, *agents, empty, last = done.stdout.splitlines()
    assert (first, empty, last) == ("Agents:", "", "No launcher is installed.")
    assert [line.split()[0] for line in agents] == sorted(SHIPPED)
