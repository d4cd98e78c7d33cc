"""What a word of the command line means, and each mistake in one sentence."""

from __future__ import annotations

import os
import re
from pathlib import Path

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from ocfkit.conformance.agent_file import (
    AgentFileError,
    at,
    carried,
    hidden,
    installed,
    is_name,
    named,
)


@pytest.fixture
def root(tmp_path: Path) -> Path:
    """A system with an agent `ocf:test:good`, a file that is none, and a folder."""
    folder = tmp_path / "usr/lib/ocf/resource.d/test"
    folder.mkdir(parents=True)
    agent(folder / "good")
    agent(folder / "plain").chmod(0o644)
    (folder / "folder").mkdir()
    return tmp_path


def agent(path: Path) -> Path:
    path.write_text("#!/bin/sh\n")
    path.chmod(0o755)
    return path


class TestANameOfTheCluster:
    def test_is_the_file_below_the_root(self, root: Path) -> None:
        found = named("ocf:test:good", str(root))
        assert (found.provider, found.name, found.shown_as) == ("test", "good", "ocf:test:good")
        assert found.path == "/usr/lib/ocf/resource.d/test/good"
        assert (found.content, found.visible) == (None, ())
        assert named("ocf:test:good", f"{root}/") == found

    @pytest.mark.parametrize(
        ("word", "sentence"),
        [
            ("ocf:test:gone", "ocf:test:gone: No such file or directory: {}/gone"),
            ("ocf:test:folder", "ocf:test:folder is no file: {}/folder"),
            ("ocf:test:plain", "ocf:test:plain is not executable: chmod +x {}/plain"),
            ("ocf:test", "'ocf:test' is no ocf:PROVIDER:TYPE"),
            ("ocf:..:x/y", "'ocf:..:x/y' is no ocf:PROVIDER:TYPE"),
        ],
    )
    def test_that_leads_to_no_agent_is_told_in_a_sentence(
        self, root: Path, word: str, sentence: str
    ) -> None:
        with pytest.raises(AgentFileError) as refusal:
            named(word, str(root))
        assert str(refusal.value) == sentence.format(root / "usr/lib/ocf/resource.d/test")

    @pytest.mark.parametrize("word", ["ocf:..:good", "ocf:.:good", "ocf:test:..", "ocf:test:."])
    def test_leaves_the_folder_of_agents_by_no_way(self, root: Path, word: str) -> None:
        assert not is_name(word)
        with pytest.raises(AgentFileError, match="is no ocf:PROVIDER:TYPE"):
            named(word, str(root))

    @given(st.text(max_size=12) | st.from_regex(r"ocf:[^/]{0,4}:[^/]{0,4}", fullmatch=True))
    @example("ocf:0:.\n")
    def test_any_word_is_one_or_is_refused(self, word: str) -> None:
        assert is_name(word) == (
            re.fullmatch(r"ocf:[^:/\0]+:[^:/\0]+", word) is not None
            and not {".", ".."} & set(word.split(":"))
        )
        with pytest.raises(AgentFileError):
            named(word, "/nowhere")


class TestAFile:
    def test_is_carried_into_the_sandbox_from_a_folder_that_the_sandbox_has_itself(self) -> None:
        path = agent(Path(f"/tmp/ocfkit-agent-{os.getpid()}"))  # noqa: S108 - that is the case
        try:
            found = at(str(path))
        finally:
            path.unlink()
        assert (found.provider, found.content, found.visible) == ("tmp", b"#!/bin/sh\n", ())

    def test_is_seen_at_its_place_with_what_lies_beside_it(self, tmp_path: Path) -> None:
        path = agent(tmp_path / "webd")
        found = at(str(path))
        assert (found.name, found.provider, found.path) == ("webd", tmp_path.name, str(path))
        assert found.content is None
        assert found.visible == hidden([str(tmp_path)])

    def test_is_shown_as_the_user_wrote_it(
        self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        agent(tmp_path / "webd")
        monkeypatch.chdir(tmp_path)
        found = at("./webd")
        assert (found.shown_as, found.path) == ("./webd", str(tmp_path / "webd"))

    @pytest.mark.parametrize("word", ["gone", "folder", "plain", "pipe", "a\0b"])
    def test_that_is_no_agent_is_told_in_a_sentence(self, tmp_path: Path, word: str) -> None:
        (tmp_path / "folder").mkdir()
        agent(tmp_path / "plain").chmod(0o644)
        os.mkfifo(tmp_path / "pipe", 0o755)
        told = {
            "gone": "No such file or directory",
            "folder": "is no file",
            "plain": "is not executable: chmod [+]x",
            "pipe": "is no file",
            "a\0b": "has a NUL character",
        }
        with pytest.raises(AgentFileError, match=told[word]):
            at(f"{tmp_path}/{word}")


class TestForAnotherSystem:
    def test_a_file_is_carried_from_wherever_it_lies(self, tmp_path: Path) -> None:
        path = agent(tmp_path / "webd")
        found = carried(str(path))
        assert (found.path, found.content, found.visible) == (str(path), b"#!/bin/sh\n", ())

    def test_a_name_is_not_looked_for_on_this_one(self) -> None:
        found = installed("ocf:nobody:nothing")
        assert found.path == "/usr/lib/ocf/resource.d/nobody/nothing"
        assert found.content is None

    def test_half_a_name_is_refused(self) -> None:
        with pytest.raises(AgentFileError, match="'ocf:x' is no ocf:PROVIDER:TYPE"):
            installed("ocf:x")


class TestFoldersThatASandboxHides:
    def test_are_those_below_its_own(self) -> None:
        below = Path(f"/tmp/ocfkit-folder-{os.getpid()}")  # noqa: S108 - that is the case
        below.mkdir()
        try:
            assert hidden([str(below), "/usr", "/etc/nothing"]) == (str(below),)
            assert hidden(["/tmp", f"{below}/gone"]) == ()  # noqa: S108
        finally:
            below.rmdir()
