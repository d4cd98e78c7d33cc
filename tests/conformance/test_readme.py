"""The report that README.md shows is the one that comes."""

from __future__ import annotations

import re
import shlex
import subprocess

from tests import readme

COMMAND = readme.first("ocfkit check")


def the_same_everywhere(line: str) -> str:
    """Return the line without what differs from one run, or one clone, to the next."""
    line = re.sub(r"\d+\.\d\d s", "N s", line.strip())
    return re.sub(r"(legacy\.pid:) \d+", r"\1 N", re.sub(r" /\S*(?=/examples/)", " ", line))


def test_every_line_that_it_shows_is_printed_in_this_order() -> None:
    done = subprocess.run(
        shlex.split(COMMAND), cwd=readme.ROOT, capture_output=True, text=True, check=False
    )
    assert (done.returncode, done.stderr) == (1, "")
    printed = map(the_same_everywhere, done.stdout.splitlines())
    missing = [
        line
        for line in readme.answer(COMMAND)
        if line.strip() not in ("", "…") and the_same_everywhere(line) not in printed
    ]
    assert not missing, done.stdout
