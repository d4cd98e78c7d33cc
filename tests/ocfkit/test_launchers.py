"""Launchers: what they do as programs, and how they are written and removed."""

from __future__ import annotations

import errno
import os
import stat
import subprocess
import sys
from ast import literal_eval
from pathlib import Path
from typing import Any

import pytest

from ocfkit import launchers
from ocfkit.launchers import LauncherError, Place
from tests.ocfkit.command import ROOT, write

TARGET = "flagship:Flag"
FOREIGN = "#!/bin/sh\nexit 0\n"


def text_of(*folders: Path | str, target: str = TARGET, name: str = "web") -> str:
    return launchers.render(sys.executable, [str(each) for each in folders], target, name=name)


class TestText:
    def test_is_this(self) -> None:
        text = launchers.render("/usr/bin/python3", ["/a", "/b"], "web:Web", name="web")
        assert text == (
            "#!/usr/bin/python3 -IS\n"
            "# Written by `ocfkit install`; remove it with `ocfkit uninstall web`.\n"
            "import gc, sys\n"
            "gc.disable()  # so short a life leaves nothing to collect\n"
            "sys.dont_write_bytecode = True\n"
            "sys.path += ['/a', '/b']\n"
            "try:\n"
            "    from ocfkit.runtime import launch\n"
            "except Exception as error:\n"
            '    sys.exit(f"ocf-exit-reason:ocfkit cannot be loaded: {error}")\n'
            "launch('web:Web', name='web', profile='1.1')\n"
        )

    def test_says_how_to_remove_it_from_another_provider(self) -> None:
        text = launchers.render("/usr/bin/python3", [], "web:Web", name="web", provider="acme")
        assert "`ocfkit uninstall --provider acme web`" in text

    @pytest.mark.parametrize("folder", ["/a 'b", '/a"b', "/a\\b", "/a\nb", "/日本", "/a\udcff"])
    def test_keeps_any_folder(self, folder: str, tmp_path: Path) -> None:
        path = tmp_path / "web"
        path.write_text(text_of(folder))
        line = path.read_text().split("sys.path += ")[1].split("\n")[0]
        found: list[str] = literal_eval(line)
        assert found == [folder]
        assert launchers.read(str(path)) is not None


class TestProgram:
    @pytest.fixture
    def web(self, tmp_path: Path) -> Path:
        """A launcher of an agent whose file lies in a folder with a blank and a quote."""
        home = tmp_path / "it's a home"
        home.mkdir()
        write(home / "flagship.py")
        return self.launcher(tmp_path, text_of(ROOT, home))

    @staticmethod
    def launcher(folder: Path, text: str) -> Path:
        path = folder / "web"
        path.write_text(text)
        path.chmod(0o755)
        return path

    def call(
        self,
        path: Path,
        *words: str,
        env: dict[str, str] | None = None,
        redirections: str = "",
    ) -> subprocess.CompletedProcess[str]:
        script = f'"$0" "$@" {redirections}'
        argv = [*(["/bin/sh", "-c", script] if redirections else []), str(path), *words]
        return subprocess.run(
            argv, env=env or {}, cwd="/", capture_output=True, text=True, check=False, timeout=60
        )

    def test_works_from_the_root_folder_with_an_empty_environment(self, web: Path) -> None:
        done = self.call(web, "meta-data")
        assert (done.returncode, done.stderr) == (0, "")
        assert '<resource-agent name="web"' in done.stdout

    def test_carries_parameters_out(self, web: Path, tmp_path: Path) -> None:
        env = {"OCF_RESKEY_file": str(tmp_path / "flag"), "HA_RSCTMP": str(tmp_path)}
        life = ["monitor", "start", "monitor", "stop", "monitor"]
        assert [self.call(web, what, env=env).returncode for what in life] == [7, 0, 0, 0, 7]

    @pytest.mark.parametrize("redirections", ["<&-", ">&-", "2>&-", "<&- >&- 2>&-"])
    def test_works_with_closed_streams(self, web: Path, tmp_path: Path, redirections: str) -> None:
        env = {"OCF_RESKEY_file": str(tmp_path / "flag"), "HA_RSCTMP": str(tmp_path)}
        codes = [
            self.call(web, what, env=env, redirections=redirections).returncode
            for what in ("start", "monitor", "stop", "nonsense")
        ]
        assert codes == [0, 0, 0, 3]

    def test_takes_nothing_from_a_hostile_environment(self, web: Path, tmp_path: Path) -> None:
        hostile = tmp_path / "hostile"
        (hostile / "ocfkit").mkdir(parents=True)
        for name in ("os.py", "flagship.py", "sitecustomize.py", "ocfkit/__init__.py"):
            write(hostile / name, "raise SystemExit('hijacked')")
        env = {"PYTHONPATH": str(hostile), "PYTHONSTARTUP": f"{hostile}/os.py", "PYTHONHOME": "/"}
        done = self.call(web, "meta-data", env=env)
        assert (done.returncode, done.stderr) == (0, "")

    def test_ignores_more_arguments(self, web: Path) -> None:
        done = self.call(web, "meta-data", "start", "--help")
        assert done.returncode == 0
        assert "<resource-agent" in done.stdout

    def test_leaves_no_bytecode(self, web: Path, tmp_path: Path) -> None:
        self.call(web, "meta-data")
        assert not (tmp_path / "it's a home/__pycache__").exists()

    @pytest.mark.parametrize(
        ("runtime", "why"),
        [
            (None, "No module named 'ocfkit'"),
            ("raise ImportError('gone')", "gone"),
            ("raise OSError(5, 'Input/output error')", "[Errno 5] Input/output error"),
            ("def f(:", "invalid syntax (runtime.py, line 1)"),
        ],
    )
    def test_without_the_framework_gives_one_reason(
        self, tmp_path: Path, runtime: str | None, why: str
    ) -> None:
        home = tmp_path / "home"
        (home / "ocfkit").mkdir(parents=True)
        if runtime is not None:
            write(home / "ocfkit/__init__.py", "")
            write(home / "ocfkit/runtime.py", runtime)
        else:
            home = tmp_path / "empty"
        done = self.call(self.launcher(tmp_path, text_of(home)), "monitor")
        reason = f"ocf-exit-reason:ocfkit cannot be loaded: {why}\n"
        assert (done.returncode, done.stdout, done.stderr) == (1, "", reason)

    def test_without_the_agent_gives_one_reason(self, tmp_path: Path) -> None:
        done = self.call(self.launcher(tmp_path, text_of(ROOT)), "monitor")
        assert done.returncode == 1
        assert done.stderr.startswith("ocf-exit-reason:error in the agent: loading it: ")
        assert done.stderr.count("\n") == 1


class TestShebang:
    @pytest.mark.parametrize("path", ["/a b/python3", "/a\tb", "/a\nb"])
    def test_with_a_blank_is_refused(self, path: str) -> None:
        assert "holds a blank" in (launchers.why_no_shebang(path) or "")

    def test_is_as_long_as_the_kernel_takes_it(self, tmp_path: Path) -> None:
        longest = launchers.LONGEST_SHEBANG - len("#! -IS\n")
        assert self.starts(tmp_path, longest) == (True, True)

    def test_that_the_kernel_does_not_take_is_refused(self, tmp_path: Path) -> None:
        assert self.starts(tmp_path, launchers.LONGEST_SHEBANG + 50) == (False, False)

    @staticmethod
    def starts(folder: Path, length: int) -> tuple[bool, bool]:
        """Whether an interpreter with a path of this length is allowed, and whether it works."""
        path = str(folder)
        while length - len(path) > 200:
            path += f"/{'x' * 99}"
        os.makedirs(path, exist_ok=True)
        path += f"/{'x' * (length - len(path) - 1)}"
        os.symlink(os.path.realpath(sys.executable), path)
        program = folder / "program"
        program.write_text(f"#!{path} -IS\nimport sys; sys.exit(not sys.flags.no_site)\n")
        program.chmod(0o755)
        try:
            works = subprocess.run([program], check=False).returncode == 0
        except OSError:
            works = False
        return launchers.why_no_shebang(path) is None, works

    def test_one_byte_more_is_refused(self) -> None:
        longest = "/" + "x" * (launchers.LONGEST_SHEBANG - len("#!/ -IS\n"))
        assert launchers.why_no_shebang(longest) is None
        assert "too long" in (launchers.why_no_shebang(f"{longest}x") or "")
        assert "too long" in (launchers.why_no_shebang(f"{longest[:-1]}日") or "")


@pytest.mark.parametrize("name", ["web", "Web-2.0", "_x", "0"])
def test_takes_names_that_a_cluster_takes(name: str) -> None:
    assert launchers.why_no_name(name) is None


@pytest.mark.parametrize("name", ["", ".web", "-web", "a/b", "..", "a b", "a\n", "日本", "a:b"])
def test_refuses_names_that_no_cluster_takes(name: str) -> None:
    assert "is no name for a cluster" in (launchers.why_no_name(name) or "")


@pytest.fixture
def place(tmp_path: Path) -> Place:
    return Place(destdir=str(tmp_path / "root"))


TEXT = launchers.render("/usr/bin/python3", ["/a"], TARGET, name="web")


def what_a_writer_changes(path: Path) -> tuple[int, int, int, int]:
    """All that the kernel notes of a file but when it was read."""
    seen = path.lstat()
    return seen.st_ino, seen.st_mode, seen.st_size, seen.st_mtime_ns


class TestWrite:
    def test_makes_a_program_for_everybody(self, place: Place) -> None:
        umask = os.umask(0o077)
        try:
            assert launchers.write(place, "web", TEXT) == "installed"
        finally:
            os.umask(umask)
        path = Path(place.path("web"))
        assert path == Path(f"{place.destdir}/usr/lib/ocf/resource.d/ocfkit/web")
        assert path.read_text() == TEXT
        assert stat.S_IMODE(path.stat().st_mode) == 0o755
        made = path.relative_to(Path(place.destdir).parent).parents
        modes = {stat.S_IMODE((Path(place.destdir).parent / each).stat().st_mode) for each in made}
        assert modes - {stat.S_IMODE(Path(place.destdir).parent.stat().st_mode)} == {0o755}

    def test_replaces_what_was_written_before(self, place: Place) -> None:
        launchers.write(place, "web", TEXT)
        assert launchers.write(place, "web", TEXT) == "unchanged"
        other = TEXT.replace("'/a'", "'/b'")
        assert launchers.write(place, "web", other) == "replaced"
        assert Path(place.path("web")).read_text() == other

    def test_repairs_the_mode(self, place: Place) -> None:
        launchers.write(place, "web", TEXT)
        Path(place.path("web")).chmod(0o644)
        assert launchers.write(place, "web", TEXT) == "replaced"
        assert os.access(place.path("web"), os.X_OK)

    @pytest.mark.parametrize(
        "what", ["file", "link", "dangling", "folder", "no mark", "mark elsewhere"]
    )
    def test_leaves_alone_what_is_not_ours(self, place: Place, tmp_path: Path, what: str) -> None:
        path = Path(place.path("web"))
        path.parent.mkdir(parents=True)
        other = tmp_path / "other"
        match what:
            case "file":
                path.write_text(FOREIGN)
            case "link":
                other.write_text(TEXT)
                path.symlink_to(other)
            case "dangling":
                path.symlink_to(other)
            case "folder":
                path.mkdir()
            case "no mark":
                path.write_text(TEXT.replace("# Written by `ocfkit install`", "# Mine"))
            case _:
                path.write_text(f"#!/bin/sh\n\n{TEXT}")
        before = what_a_writer_changes(path)
        for attempt in (
            lambda: launchers.write(place, "web", TEXT.replace("'/a'", "'/b'")),
            lambda: launchers.remove(place, "web"),
        ):
            with pytest.raises(LauncherError, match="was not written by `ocfkit install`"):
                attempt()
        assert what_a_writer_changes(path) == before
        assert launchers.installed(destdir=place.destdir) == []

    def test_leaves_nothing_half_written(
        self, place: Place, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        launchers.write(place, "web", TEXT)

        def full(_: int) -> None:
            raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

        monkeypatch.setattr(os, "fsync", full)
        with pytest.raises(LauncherError, match=r"web cannot be written: No space left on device"):
            launchers.write(place, "web", TEXT.replace("'/a'", "'/b'"))
        assert os.listdir(place.folder) == ["web"]
        assert Path(place.path("web")).read_text() == TEXT

    def test_is_never_seen_half_written(
        self, place: Place, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        seen: list[tuple[list[str], str]] = []
        rename = os.rename

        def watched(source: Any, target: Any) -> None:  # noqa: ANN401 - as os.rename
            seen.append((sorted(os.listdir(place.folder)), Path(source).read_text()))
            rename(source, target)

        monkeypatch.setattr(os, "rename", watched)
        launchers.write(place, "web", TEXT)
        ((names, text),) = seen
        assert [name[0] for name in names] == ["."]
        assert text == TEXT

    def test_tells_why_a_folder_cannot_be_made(self, place: Place) -> None:
        Path(place.destdir).write_text("in the way")
        with pytest.raises(LauncherError, match=f"cannot be written: File exists: {place.destdir}"):
            launchers.write(place, "web", TEXT)


class TestRemove:
    def test_takes_the_folder_of_the_provider_along_when_it_is_empty(self, place: Place) -> None:
        launchers.write(place, "web", TEXT)
        launchers.write(place, "db", TEXT)
        launchers.remove(place, "web")
        assert os.listdir(place.folder) == ["db"]
        launchers.remove(place, "db")
        assert not Path(place.folder).exists()
        assert Path(place.folder).parent.exists()

    def test_leaves_the_folder_with_what_is_others(self, place: Place) -> None:
        launchers.write(place, "web", TEXT)
        Path(place.path("other")).write_text(FOREIGN)
        launchers.remove(place, "web")
        assert os.listdir(place.folder) == ["other"]

    def test_tells_that_there_is_none(self, place: Place) -> None:
        with pytest.raises(LauncherError, match="cannot be removed: No such file"):
            launchers.remove(place, "web")


def test_lists_what_was_written_of_all_providers(place: Place) -> None:
    acme = Place("acme", place.ocf_root, place.destdir)
    launchers.write(place, "web", TEXT)
    launchers.write(acme, "db", launchers.render("/p", [], "acme.db:Db", name="db", profile="1.0"))
    Path(place.path("other")).write_text(FOREIGN)
    found = launchers.installed(destdir=place.destdir)
    assert [(each.provider, each.name, each.target, each.profile) for each in found] == [
        ("acme", "db", "acme.db:Db", "1.0"),
        ("ocfkit", "web", TARGET, "1.1"),
    ]
    assert [each.name for each in launchers.of_provider(acme)] == ["db"]


def test_lists_nothing_where_there_is_nothing(tmp_path: Path) -> None:
    assert launchers.installed(destdir=str(tmp_path)) == []
