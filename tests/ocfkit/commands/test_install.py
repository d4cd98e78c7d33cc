"""`ocfkit install` and `ocfkit uninstall`: real launchers, below a root of the test's own."""

from __future__ import annotations

import os
import subprocess
from ast import literal_eval
from collections.abc import Generator
from dataclasses import dataclass, replace
from pathlib import Path

import pytest

from ocfkit.agents import SHIPPED
from ocfkit.commands.nobody import obstacle
from tests.ocfkit.command import FLAG, copy_of_ocfkit, ocfkit, public_folder, public_python, write

FOREIGN = "#!/bin/sh\nexit 0\n"
DEAF = "import sys\nif sys.flags.no_site:\n    raise SystemExit('no site, no agent')\n"


@dataclass(frozen=True)
class Lab:
    """A machine's software, and a place for launchers, all of it for everybody to read."""

    top: Path
    home: Path
    python: str

    def ocfkit(
        self, *words: str | Path, place: bool = True, umask: int = -1, cwd: Path | str = "/"
    ) -> subprocess.CompletedProcess[str]:
        where = ["--ocf-root", str(self.top / "ocf")] if place else []
        return ocfkit(*words, *where, python=self.python, home=self.home, umask=umask, cwd=cwd)

    def path(self, name: str = "flagship", provider: str = "ocfkit") -> Path:
        return self.top / "ocf/resource.d" / provider / name

    def agent(self, name: str = "flagship", text: str = "") -> Path:
        path = self.top / f"{name}.py"
        return write(path, text) if text else write(path)

    def meta_data(self, path: Path | None = None) -> str:
        program = path or self.path()
        return subprocess.run(
            [program, "meta-data"], env={}, cwd="/", capture_output=True, text=True, check=True
        ).stdout


@pytest.fixture(scope="module")
def software() -> Generator[tuple[Path, str]]:
    with public_folder() as folder:
        yield copy_of_ocfkit(folder), public_python()


@pytest.fixture
def lab(software: tuple[Path, str]) -> Generator[Lab]:
    with public_folder() as top:
        yield Lab(top, *software)


class TestRoundTrip:
    def test_of_a_file(self, lab: Lab) -> None:
        done = lab.ocfkit("install", lab.agent())
        assert (done.returncode, done.stderr) == (0, "")
        assert done.stdout == f"installed {lab.path()}\n"
        assert '<resource-agent name="flagship"' in lab.meta_data()
        done = lab.ocfkit("uninstall", "flagship")
        assert (done.returncode, done.stdout) == (0, f"removed {lab.path()}\n")
        assert not lab.path().parent.exists()

    def test_of_a_relative_file_below_a_destdir(self, lab: Lab) -> None:
        lab.agent()
        root = lab.top / "root"
        words = ["--destdir", "root", "--provider", "acme"]
        done = lab.ocfkit("install", "flagship.py", *words, place=False, cwd=lab.top)
        path = root / "usr/lib/ocf/resource.d/acme/flagship"
        assert (done.returncode, done.stdout) == (0, f"installed {path}\n")
        assert '<resource-agent name="flagship"' in lab.meta_data(path)
        done = lab.ocfkit("uninstall", "flagship.py", *words, place=False, cwd=lab.top)
        assert (done.returncode, done.stdout) == (0, f"removed {path}\n")

    def test_again_changes_nothing(self, lab: Lab) -> None:
        lab.ocfkit("install", lab.agent())
        before = lab.path().stat().st_ino
        done = lab.ocfkit("install", lab.agent())
        assert (done.returncode, done.stdout) == (0, f"unchanged {lab.path()}\n")
        assert lab.path().stat().st_ino == before
        done = lab.ocfkit("install", lab.agent(), "--profile", "1.0")
        assert (done.returncode, done.stdout) == (0, f"replaced {lab.path()}\n")

    def test_names_the_provider_and_the_profile(self, lab: Lab) -> None:
        done = lab.ocfkit("install", lab.agent(), "--provider", "acme", "--profile", "1.0")
        assert done.returncode == 0
        assert "<version>1.0</version>" in lab.meta_data(lab.path(provider="acme"))
        assert lab.ocfkit("uninstall", "flagship").returncode == 1
        assert lab.ocfkit("uninstall", "flagship", "--provider", "acme").returncode == 0

    def test_of_an_agent_whose_file_is_gone_meanwhile(self, lab: Lab) -> None:
        agent = lab.agent()
        lab.ocfkit("install", agent)
        agent.unlink()
        assert lab.ocfkit("uninstall", agent).returncode == 0
        assert not lab.path().exists()

    def test_of_everything_that_is_registered(self, lab: Lab) -> None:
        lab = replace(lab, home=copy_of_ocfkit(lab.top))
        info = lab.home / "acme-1.0.dist-info"
        info.mkdir()
        write(info / "METADATA", "Metadata-Version: 2.1\nName: acme\nVersion: 1.0\n")
        write(
            info / "entry_points.txt",
            "[ocfkit.agents]\nflag=acme_flags:Flag\nbroken=acme_none:Web\n",
        )
        write(lab.home / "acme_flags.py")
        done = lab.ocfkit("install")
        assert done.returncode == 1
        names = ["flag", *SHIPPED]
        assert done.stdout.splitlines() == [f"installed {lab.path(name)}" for name in names]
        assert done.stderr == (
            "ocfkit: broken cannot be loaded: ModuleNotFoundError: No module named 'acme_none'\n"
        )
        assert '<resource-agent name="flag"' in lab.meta_data(lab.path("flag"))
        lab.path("foreign").write_text(FOREIGN)
        lab.ocfkit("install", lab.agent())
        shown = lab.ocfkit("list").stdout
        assert "  flag     Be a file.\n" in shown
        assert "  broken   broken cannot be loaded: ModuleNotFoundError" in shown
        assert f"  ocf:ocfkit:flag      acme_flags:Flag  {lab.path('flag')}\n" in shown
        done = lab.ocfkit("uninstall")
        assert done.returncode == 0
        removed = ["flag", lab.path().name, *SHIPPED]
        assert sorted(done.stdout.splitlines()) == [
            f"removed {lab.path(name)}" for name in sorted(removed)
        ]
        assert os.listdir(lab.path().parent) == ["foreign"]
        assert "nothing to remove" in lab.ocfkit("uninstall").stdout


class TestInstall:
    def test_finds_drivers_that_the_interpreter_has(self, lab: Lab) -> None:
        lab.ocfkit("install", lab.agent())
        line = next(
            line for line in lab.path().read_text().splitlines() if line.startswith("sys.path")
        )
        path: list[str] = literal_eval(line.removeprefix("sys.path += "))
        assert path[:2] == [str(lab.home), str(lab.top)]
        code = "import sys; print(*sys.path, sep='\\n')"
        said = subprocess.run(
            [lab.python, "-Ic", code], capture_output=True, text=True, check=True
        ).stdout
        packages = [each for each in said.splitlines() if each.endswith("-packages")]
        assert path[2:] == packages

    def test_precompiles(self, lab: Lab) -> None:
        agent = lab.agent()
        assert lab.ocfkit("install", agent).returncode == 0
        compiled = [*(agent.parent / "__pycache__").iterdir()]
        assert [each.name.split(".")[0] for each in compiled] == ["flagship"]
        names = {each.name.split(".")[0] for each in (lab.home / "ocfkit/__pycache__").iterdir()}
        assert {"runtime", "dispatch", "agent"} <= names

    def test_is_for_everybody_whatever_the_umask_is(self, lab: Lab) -> None:
        assert lab.ocfkit("install", lab.agent(), umask=0o077).returncode == 0
        assert obstacle(str(lab.path()), []) is None

    def test_of_several_does_what_it_can(self, lab: Lab) -> None:
        lab.path().parent.mkdir(parents=True)
        lab.path("taken").write_text(FOREIGN)
        done = lab.ocfkit("install", lab.agent("taken"), lab.agent())
        assert done.returncode == 1
        assert done.stdout == f"installed {lab.path()}\n"
        assert done.stderr == (
            f"ocfkit: {lab.path('taken')} was not written by `ocfkit install`: it is left alone\n"
        )
        assert lab.path("taken").read_text() == FOREIGN

    def test_below_a_destdir_names_paths_as_they_will_be(self, lab: Lab) -> None:
        root = lab.top / "root"
        lib = root / "usr/share/agents"
        lib.mkdir(parents=True)
        write(lib / "flagship.py")
        done = lab.ocfkit("install", lib / "flagship.py", "--destdir", root, place=False)
        assert (done.returncode, done.stderr) == (0, "")
        text = (root / "usr/lib/ocf/resource.d/ocfkit/flagship").read_text()
        assert "'/usr/share/agents'" in text
        assert str(root) not in text
        assert not (lib / "__pycache__").exists()


class TestRefused:
    def refused(self, lab: Lab, *words: str | Path) -> tuple[int, str]:
        done = lab.ocfkit("install", *words)
        assert done.stdout == ""
        assert not lab.path().parent.exists()
        assert "Traceback" not in done.stderr
        return done.returncode, done.stderr

    def test_a_file_that_nobody_can_read(self, lab: Lab) -> None:
        agent = lab.agent()
        agent.chmod(0o600)
        code, said = self.refused(lab, agent)
        assert code == 1
        assert said == f"ocfkit: flagship would answer root alone: {agent} has mode 600\n"

    def test_a_file_in_a_folder_that_nobody_can_enter(self, lab: Lab) -> None:
        closed = lab.top / "closed/open"
        closed.mkdir(parents=True)
        closed.parent.chmod(0o700)
        code, said = self.refused(lab, write(closed / "flagship.py"))
        assert code == 1
        assert f"{closed.parent} has mode 700" in said

    def test_a_framework_that_nobody_can_read(self, lab: Lab) -> None:
        home = copy_of_ocfkit(lab.top)
        home.chmod(0o700)
        done = ocfkit(
            *("install", lab.agent(), "--ocf-root", lab.top / "ocf"), python=lab.python, home=home
        )
        assert done.returncode == 1
        assert f"{home} has mode 700" in done.stderr

    def test_an_interpreter_that_nobody_can_start(self, lab: Lab) -> None:
        link = lab.top / "closed/python3"
        link.parent.mkdir(mode=0o700)
        link.symlink_to(lab.python)
        code, said = self.refused(lab, lab.agent(), "--interpreter", link)
        assert code == 1
        assert f"{link.parent} has mode 700" in said

    def test_below_a_destdir_permissions_are_looked_at_there(self, lab: Lab) -> None:
        root = lab.top / "root"
        root.mkdir(mode=0o700)  # that of a build, and nobody's business
        agent = write(root / "flagship.py")
        words: list[str | Path] = ["install", agent, "--destdir", root]
        assert lab.ocfkit(*words, place=False).returncode == 0
        agent.chmod(0o600)
        done = lab.ocfkit(*words, place=False)
        assert (done.returncode, done.stdout) == (1, "")
        assert f"{agent} has mode 600" in done.stderr

    def test_an_agent_that_does_not_work_in_a_launcher(self, lab: Lab) -> None:
        code, said = self.refused(lab, lab.agent(text=DEAF + FLAG))
        assert code == 1
        assert said == (
            "ocfkit: flagship does not answer meta-data: error in the agent: loading it: "
            "SystemExit: no site, no agent (flagship.py, line 3)\n"
        )

    @pytest.mark.parametrize(
        ("text", "why"),
        [
            (None, "there is no program python-of-nowhere"),
            ("#!/bin/sh\necho '[[3, 9], []]'\n", "is Python 3.9; agents need 3.11 or newer"),
            ("#!/bin/sh\necho hello\n", "is no Python: it answered 'hello"),
            ("#!/bin/sh\n", "is no Python: it answered ''"),
            ("#!/bin/sh\necho no >&2; exit 3\n", "is no Python that works: no"),
            ("#!/bin/sh\nkill -9 $$\n", "is no Python that works: signal 9"),
        ],
    )
    def test_an_interpreter_that_is_none(self, lab: Lab, text: str | None, why: str) -> None:
        path: str | Path = "python-of-nowhere"
        if text:
            path = write(lab.top / "python9", text)
            path.chmod(0o755)
        code, said = self.refused(lab, lab.agent(), "--interpreter", path)
        assert code == 2
        assert why in said
        assert said.count("\n") == 1

    def test_an_interpreter_that_is_not_executable(self, lab: Lab) -> None:
        code, said = self.refused(lab, lab.agent(), "--interpreter", lab.agent())
        assert (code, "is no Python that works" in said) == (2, True)

    @pytest.mark.parametrize("name", ["py thon3", "x" * 250])
    def test_an_interpreter_that_no_first_line_can_name(self, lab: Lab, name: str) -> None:
        link = lab.top / name
        link.symlink_to(lab.python)
        code, said = self.refused(lab, lab.agent(), "--interpreter", link)
        assert code == 2
        assert "first line of a program" in said

    def test_two_agents_of_one_name(self, lab: Lab) -> None:
        other = lab.top / "other"
        other.mkdir()
        code, said = self.refused(lab, lab.agent(), write(other / "flagship.py"))
        assert (code, said) == (2, "ocfkit: 2 agents would be called flagship\n")

    @pytest.mark.parametrize(
        ("words", "why"),
        [
            (["--provider", ".hidden"], "'.hidden' is no name for a cluster"),
            (["--provider", "../etc"], "'../etc' is no name for a cluster"),
            (["--ocf-root", "ocf"], "'ocf' is no absolute path"),
            (["--profile", "2.0"], "invalid choice: '2.0'"),
        ],
    )
    def test_options_that_make_no_sense(self, lab: Lab, words: list[str], why: str) -> None:
        code, said = self.refused(lab, lab.agent(), *words)
        assert code == 2
        assert why in said

    def test_an_agent_that_is_not_found_before_anything_is_done(self, lab: Lab) -> None:
        code, said = self.refused(lab, lab.agent(), lab.top / "nowhere.py")
        assert (code, said) == (2, f"ocfkit: there is no file {lab.top}/nowhere.py\n")


class TestUninstall:
    def test_leaves_alone_what_is_not_ours(self, lab: Lab) -> None:
        lab.ocfkit("install", lab.agent())
        lab.path("foreign").write_text(FOREIGN)
        done = lab.ocfkit("uninstall", "foreign", "flagship")
        assert done.returncode == 1
        assert done.stdout == f"removed {lab.path()}\n"
        assert "was not written by `ocfkit install`" in done.stderr
        assert lab.path("foreign").read_text() == FOREIGN

    def test_tells_what_is_not_there(self, lab: Lab) -> None:
        lab.ocfkit("install", lab.agent())
        done = lab.ocfkit("uninstall", "flagshp")
        assert done.returncode == 1
        assert done.stderr == (
            f"ocfkit: there is no {lab.path('flagshp')}; did you mean flagship?\n"
        )

    def test_takes_no_path_out_of_the_folder(self, lab: Lab) -> None:
        done = lab.ocfkit("uninstall", "../ocfkit/flagship")
        assert done.returncode == 2
        assert "is no name for a cluster" in done.stderr


def test_an_obstacle_is_seen_through_a_link(tmp_path: Path) -> None:
    closed = tmp_path / "closed"
    closed.mkdir(mode=0o700)
    file = write(closed / "file")
    with public_folder() as folder:
        (folder / "link").symlink_to(file)
        assert obstacle(str(folder), []) is None
        found = obstacle(str(folder), [str(folder / "link")])
    assert found is not None
    assert found.endswith("has mode 700")
