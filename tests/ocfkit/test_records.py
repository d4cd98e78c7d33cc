"""One file for each instance, below one folder, that nobody else can have written."""

from __future__ import annotations

import os
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ocfkit.environment import Environment
from ocfkit.records import Record

names = st.text(st.characters(exclude_characters="\0", exclude_categories=()), max_size=300)
"""Whatever the cluster may call a resource, bytes that are no text among them."""

hard_names = st.one_of(names, st.text("./%~a:", max_size=12), st.text("a.", min_size=90))


def record(folder: Path, instance: str = "web", name: str = "agent", what: str = "") -> Record:
    whole = {"HA_RSCTMP": str(folder), "OCF_RESOURCE_INSTANCE": instance}
    return Record.of(Environment(whole), name, what)


def entries(folder: Path) -> list[str]:
    found = (each for each in folder.rglob("*") if not each.is_dir())
    return sorted(str(each.relative_to(folder)) for each in found)


class TestItsText:
    def test_is_what_was_written_last(self, tmp_path: Path) -> None:
        one = record(tmp_path)
        one.write("first\n")
        one.write("日本\udcff")
        assert one.read() == "日本\udcff"
        for text in ("a longer one than that", "last"):
            one.overwrite(text)
            assert one.read() == text
        assert entries(tmp_path) == ["ocfkit/agent/web"]

    def test_is_empty_when_there_is_none(self, tmp_path: Path) -> None:
        assert record(tmp_path / "missing").read() == ""
        assert record(tmp_path / "missing").exists() is False
        (tmp_path / "file").touch()
        assert record(tmp_path / "file").read() == ""

    def test_can_be_read_by_everybody(self, tmp_path: Path) -> None:
        """Whoever may look at the processes may know which they are."""
        before = os.umask(0)
        try:
            record(tmp_path).write("x")
        finally:
            os.umask(before)
        for path, mode in (("ocfkit", 0o755), ("ocfkit/agent", 0o755), ("ocfkit/agent/web", 0o644)):
            assert (tmp_path / path).stat().st_mode & 0o777 == mode

    def test_is_gone_when_it_is_removed(self, tmp_path: Path) -> None:
        one = record(tmp_path)
        one.write("x")
        assert one.exists()
        one.remove()
        one.remove()
        assert one.exists() is False
        assert entries(tmp_path) == []

    def test_stays_the_old_one_when_there_is_no_room(self, tmp_path: Path) -> None:
        one = record(tmp_path)
        one.write("old")
        Path(f"{one.path}~{os.getpid()}").mkdir()  # where the new one would be written
        with pytest.raises(OSError, match="directory"):
            one.write("new")
        assert one.read() == "old"


class TestItsName:
    @given(name=hard_names, instance=hard_names, what=st.sampled_from(["", "fact.failures"]))
    def test_is_of_one_file_below_the_folder(self, name: str, instance: str, what: str) -> None:
        one = Record.of(
            Environment({"HA_RSCTMP": "/run", "OCF_RESOURCE_INSTANCE": instance}), name, what
        )
        above, agent, file = one.path.rsplit("/", 2)
        assert above == "/run/ocfkit"
        for each in (agent, f"{file}~{1 << 22}"):
            assert each not in ("", ".", "..")
            assert not each.startswith(".")
            assert each.isascii()
            assert each.isprintable()
            assert len(each) <= 255

    @given(
        st.lists(st.tuples(hard_names, hard_names, st.sampled_from(["", "f"])), unique=True),
        st.data(),
    )
    def test_is_another_for_each_instance(
        self, keys: list[tuple[str, str, str]], data: st.DataObject
    ) -> None:
        name, instance, what = data.draw(st.tuples(hard_names, hard_names, st.just("")))
        keys += [
            (name, f"{instance}.f", what),
            (name, f"{instance}~f", what),
            (name, instance, "f"),
        ]
        made: dict[str, set[tuple[str, str, str]]] = {}
        for key in keys:
            name, instance, what = key
            whole = {"OCF_RESOURCE_INSTANCE": instance}
            environment = Environment(whole)
            made.setdefault(Record.of(environment, name, what).path, set()).add(
                (name, environment.instance, what)
            )
        assert all(len(each) == 1 for each in made.values())

    @given(instance=hard_names.filter(bool))
    def test_can_be_written_whatever_it_is(
        self, tmp_path_factory: pytest.TempPathFactory, instance: str
    ) -> None:
        folder = tmp_path_factory.getbasetemp() / "records"
        folder.mkdir(exist_ok=True)
        one = record(folder, instance)
        one.write(f"of {instance!r}")
        assert one.read() == f"of {instance!r}"
        one.remove()
        assert entries(folder) == []


class TestWhatOthersCouldHaveWritten:
    """Such a record is none: else a user of this machine could have any process stopped."""

    @pytest.mark.parametrize("level", ["ocfkit/agent", "ocfkit"])
    @pytest.mark.parametrize("mode", [0o775, 0o757, 0o1777])
    def test_is_not_believed(self, tmp_path: Path, level: str, mode: int) -> None:
        one = record(tmp_path)
        one.write("1 2 3")
        (tmp_path / level).chmod(mode)
        assert one.read() == ""
        assert one.exists() is None

    @pytest.mark.parametrize("mode", [0o775, 0o757])
    def test_is_not_believed_where_they_may_move_the_folder(
        self, tmp_path: Path, mode: int
    ) -> None:
        one = record(tmp_path)
        one.write("1 2 3")
        tmp_path.chmod(mode)
        assert one.read() == ""
        tmp_path.chmod(0o1777)  # as /tmp: they may not
        assert one.read() == "1 2 3"

    def test_is_not_followed_as_a_link(self, tmp_path: Path) -> None:
        one = record(tmp_path)
        one.write("1 2 3")
        (tmp_path / "ocfkit/agent").rename(tmp_path / "elsewhere")
        (tmp_path / "ocfkit/agent").symlink_to(tmp_path / "elsewhere")
        assert one.read() == ""
        with pytest.raises(PermissionError, match="others may write there"):
            one.write("4 5 6")
        with pytest.raises(PermissionError, match="others may write there"):
            one.remove()
        assert (tmp_path / "elsewhere/web").read_text() == "1 2 3"

    def test_file_is_not_followed_as_a_link(self, tmp_path: Path) -> None:
        one = record(tmp_path)
        one.write("x")
        os.unlink(one.path)
        (tmp_path / "target").write_text("1 2 3")
        os.symlink(tmp_path / "target", one.path)
        with pytest.raises(OSError, match="symbolic"):
            one.read()
        one.write("4 5 6")
        assert (tmp_path / "target").read_text() == "1 2 3"
        assert one.read() == "4 5 6"


def test_the_records_of_others_are_those_of_all_other_instances(tmp_path: Path) -> None:
    ours = record(tmp_path, "web")
    for each in (ours, record(tmp_path, "web", what="fact.failures"), record(tmp_path, "mail")):
        each.write("x")
    record(tmp_path, "web", name="other").write("y")
    found = sorted(each.path for each in ours.of_others())
    assert found == [f"{tmp_path}/ocfkit/agent/mail", f"{tmp_path}/ocfkit/other/web"]
    assert list(record(tmp_path / "missing").of_others()) == []
