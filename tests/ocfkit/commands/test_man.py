"""`ocfkit man`: nothing in a description is a request, and nothing of it is lost.

tests/services/test_man_page.py lets mandoc and groff read such pages.
"""

from __future__ import annotations

import re
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ocfkit.commands.man import escaped, text
from tests.ocfkit.command import ROOT, ocfkit, write
from tests.ocfkit.commands.described import NASTY

PLAIN = {
    "\\(rs": "\\",
    "\\-": "-",
    "\\(aq": "'",
    "\\(dq": '"',
    "\\(ga": "`",
    "\\(ha": "^",
    "\\(ti": "~",
    "\\:": "",
    "\\&": "",
}
"""Escapes of groff_char(7) and groff(7), and what they stand for."""

ESCAPE = re.compile(r"\\\[u([0-9A-F]{4,6})\]|\\\(..|\\.")


def read(line: str) -> str:
    """What roff shows for a line of text; fails for an escape that we do not write."""
    return ESCAPE.sub(lambda found: chr(int(found[1], 16)) if found[1] else PLAIN[found[0]], line)


WORDS = st.text(st.characters(exclude_categories=["C", "Z"]) | st.just(" "), max_size=40)


@given(WORDS)
def test_every_text_is_ascii_and_reads_as_it_was(said: str) -> None:
    line = escaped(said)
    assert line.isascii()
    assert read(line) == said


@given(st.lists(st.text("ab .'\\-\n\"日"), max_size=6).map("\n".join))
def test_no_line_of_a_description_is_a_request(said: str) -> None:
    ours = {".PP", ".nf", ".fi"}
    lines = list(text(said))
    assert [line for line in lines if line[:1] in (".", "'") and line not in ours] == []
    assert "" not in lines
    shown = " ".join(read(line) for line in lines if line not in ours).split()
    assert shown == said.split()


def test_what_is_indented_or_a_list_stays_as_it_is() -> None:
    lines = list(text("One\ntwo.\n\n    code  here\n\n- a\n- .b\n\nEnd."))
    assert lines == [
        *("One", "two.", ".PP"),
        *(".nf", "    code  here", ".fi", ".PP"),
        *(".nf", "\\- a", "\\- .b", ".fi", ".PP"),
        "End.",
    ]


PAGE = r"""
.TH OCF_ACME_NASTY 7 2001-09-09 "ocfkit VERSION" "OCF resource agents"
.ad l
.SH NAME
ocf_acme_nasty \- .TH \(dqone\(dq \(rsfBtwo\(rsn(.x \(aqthree\(aq
.SH SYNOPSIS
.B ocf:acme:nasty
.SH DESCRIPTION
\&.SH no heading
\(aqnor a request \(rs\(dq nor a comment
JAPANESE
.SH PARAMETERS
.TP
.B a
\&.desc
.br
A text; default \(rs\(dq\(aq.x.
.TP
.B b
\(aqone
.br
One of \[u65E5]\:\[u672C]\:, \-x; default \[u65E5]\:\[u672C]\:.
.IP
Deprecated: .old Use a.
.TP
.B c
Needed.
.br
A text; required.
.SH ACTIONS
.TP
.B start
timeout 20s
.TP
.B stop
timeout 20s
.TP
.B monitor (Promoted)
timeout 20s, interval 9s
.TP
.B monitor (Unpromoted)
timeout 20s, interval 10s
.TP
.B promote
timeout 20s
.TP
.B demote
timeout 20s
.TP
.B validate\-all
timeout 20s
.TP
.B meta\-data
timeout 5s
.SH EXAMPLES
.nf
pcs resource create my\-nasty ocf:acme:nasty \(rs
    c=\[u2026] \(rs
    op monitor interval=9s timeout=20s role=Promoted \(rs
    op monitor interval=10s timeout=20s role=Unpromoted \(rs
    promotable
.fi
.SH SEE ALSO
.BR crm (8),
.BR pcs (8),
.BR crm_resource (8)
"""


def test_a_whole_page_is_this(tmp_path: Path) -> None:
    file = write(tmp_path / "nasty.py", NASTY)
    done = ocfkit("man", file, "--provider", "acme", env={"SOURCE_DATE_EPOCH": "1000000000"})
    assert (done.returncode, done.stderr) == (0, "")
    shown = re.sub(r"\\\[u65E5\]\\:\\\[u672C\]\\:\\\[u8A9E\].*", "JAPANESE", done.stdout)
    shown = re.sub(r"ocfkit \d+\.\d+\.\d+", "ocfkit VERSION", shown)
    assert shown == PAGE.lstrip("\n")


def test_the_same_file_makes_the_same_page() -> None:
    file = ROOT / "examples/memcached.py"
    pages = {ocfkit("man", file).stdout for _ in range(2)}
    assert len(pages) == 1
    assert ".B depth 20\nnothing is thrown away\n" in pages.pop()


@pytest.mark.parametrize("epoch", ["", "soon", "-1"])
def test_a_date_that_is_none_does_not_count(epoch: str) -> None:
    file = ROOT / "examples/dummy.py"
    done = ocfkit("man", file, env={"SOURCE_DATE_EPOCH": epoch})
    assert re.match(r"\.TH OCF_OCFKIT_DUMMY 7 20\d\d-\d\d-\d\d ", done.stdout)
