"""Manual pages of agents, read by mandoc and by groff."""

from __future__ import annotations

import subprocess
from pathlib import Path

import pytest

from tests.ocfkit.command import ROOT, ocfkit, write
from tests.ocfkit.commands.described import NASTY, RICH
from tests.services.conftest import debian
from tests.services.roots import ENTER

READERS = {
    "mandoc": ["mandoc", "-T", "lint", "-W", "warning"],
    "groff": ["groff", "-ww", "-man", "-T", "utf8", "-z"],
}
EXAMPLES = sorted(path.stem for path in (ROOT / "examples").glob("*.py"))


@pytest.fixture(scope="module")
def manuals() -> Path:
    """The root with the readers."""
    return debian("manuals")


@pytest.fixture(params=["nasty", "rich_one", *EXAMPLES])
def page(request: pytest.FixtureRequest, tmp_path: Path) -> str:
    """A page as `ocfkit man` writes it."""
    texts = {"nasty": NASTY, "rich_one": RICH}
    name: str = request.param
    file = ROOT / f"examples/{name}.py"
    if name in texts:
        file = write(tmp_path / f"{name}.py", texts[name])
    done = ocfkit("man", file)
    assert (done.returncode, done.stderr) == (0, "")
    return done.stdout


def read(root: Path, argv: list[str], page: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [ENTER, "offline", root, *argv], input=page, capture_output=True, text=True, check=False
    )


@pytest.mark.parametrize("reader", READERS)
def test_it_has_nothing_to_complain_of(manuals: Path, reader: str, page: str) -> None:
    done = read(manuals, READERS[reader], page)
    assert (done.returncode, done.stdout, done.stderr) == (0, "", "")


@pytest.mark.parametrize("reader", READERS)
def test_it_complains_of_what_would_be_wrong(manuals: Path, reader: str) -> None:
    page = '.TH A 7 2001-09-09 "b" "c"\n.SH NAME\na \\- b\n.SH DESCRIPTION\nx\n.nonsense\n'
    done = read(manuals, READERS[reader], page)
    assert "nonsense" in done.stdout + done.stderr


@pytest.mark.parametrize("argv", [["mandoc", "-T", "utf8"], ["groff", "-man", "-T", "utf8"]])
def test_nothing_of_a_description_is_lost(manuals: Path, argv: list[str], tmp_path: Path) -> None:
    page = ocfkit("man", write(tmp_path / "nasty.py", NASTY)).stdout
    shown = "".join(read(manuals, argv, page).stdout.split())
    for said in (
        ".SH no heading 'nor a request \\\" nor a comment",
        "日本語の説明文はとても長くて",
        "default \\\"'.x.",
        "One of 日本, -x;",
    ):
        assert said.replace(" ", "") in shown
