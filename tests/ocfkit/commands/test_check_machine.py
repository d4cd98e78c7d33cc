"""`ocfkit check` and the machine it runs an agent in: which options go together."""

from __future__ import annotations

import os
from argparse import Namespace
from collections.abc import Generator, Sequence
from pathlib import Path
from unittest.mock import MagicMock

import pytest

from lsbcheck.sandbox.interface import SandboxLost, SandboxUnavailable
from ocfkit.commands.conformance import machine
from tests.ocfkit.commands.test_check import refused, script

LONG = "y" * 256
IMAGE = ("--sandbox", "docker", "--image", "debian:12")


@pytest.mark.parametrize(
    ("words", "sentence"),
    [
        (["--image", "x"], "--image is for containers: say --sandbox docker or podman as well"),
        (["--package", "x"], "--package is for containers: say --sandbox docker or podman as we"),
        (["--copy", "/etc/motd"], "--copy is for containers: say --sandbox docker or podman as"),
        (["--runtime", "x"], "--runtime is for containers: say --sandbox docker or podman as we"),
        (["--sandbox", "docker"], "--sandbox docker runs the agent in an --image: name one"),
        (["--sandbox", "podman", "--image", ""], "--sandbox podman runs the agent in an --image"),
        (["--sandbox", "none"], "argument --sandbox: invalid choice: 'none'"),
        ([*IMAGE, "--root", "/srv"], "--root is a folder of this host, and a container shows an"),
        ([*IMAGE, "--copy", "x:y"], "argument --copy: 'x:y' is not FILE or FILE:PATH with an abs"),
        ([*IMAGE, "--copy", ":/y"], "argument --copy: ':/y' is not FILE or FILE:PATH with an abs"),
        ([*IMAGE, "--copy", "/gone"], "--copy /gone: No such file or directory"),
        ([*IMAGE, "--copy", "/etc"], "--copy /etc is no file"),
        (
            ["--grant", "sys_admn"],
            "argument --grant: 'sys_admn' is no capability; did you mean SYS",
        ),
        (["--grant", "all"], "argument --grant: 'all' is no capability; capabilities(7) lists the"),
        (["--grant", ""], "argument --grant: '' is no capability; capabilities(7) lists them"),
        (["--device", "/etc/motd"], "argument --device: '/etc/motd' needs a place below /dev: /et"),
        (["--device", "/dev/x:/etc/x"], "argument --device: '/dev/x:/etc/x' needs a place below"),
        (["--device", "/dev/x:/dev/../etc"], "argument --device: '/dev/x:/dev/../etc' needs a pl"),
        (["--device", "/dev/x:/dev"], "argument --device: '/dev/x:/dev' needs a place below /dev"),
        (["--device", "/dev/null"], "argument --device: '/dev/null': every machine has a /dev/nul"),
        (
            ["--device", "/dev/x:/dev/shm/x"],
            "argument --device: '/dev/x:/dev/shm/x': every machine has a /dev/shm of its own",
        ),
        (
            ["--device", f"/dev/x:/dev/{LONG}"],
            f"argument --device: '/dev/x:/dev/{LONG}' has a name that is too long for a file",
        ),
        (["--device", ""], "argument --device: '' names no device"),
        (["--device", ":/dev/x"], "argument --device: ':/dev/x' names no device"),
        (["--grant", "SYS_TIME", "--grant", "cap_sys_time"], "--grant SYS_TIME is given twice"),
        (["--device", "/dev/gone:1"], "--device /dev/gone:1: No such file or directory"),
        (
            ["--device", "/etc/passwd:/dev/x"],
            "--device /etc/passwd is no device; losetup(8) makes one of a file",
        ),
        ([*IMAGE, "--device", "/etc/passwd:/dev/x"], "--device /etc/passwd is no device"),
        (
            ["--device", "/dev/null:/dev/x", "--device", "/dev/zero:/dev/x"],
            "--device: two have the same place in the sandbox: /dev/x",
        ),
        (
            ["--device", "/dev/null:/dev/x/y", "--device", "/dev/zero:/dev/x"],
            "--device: /dev/x/y cannot be below /dev/x, which is a device too",
        ),
        (
            ["--device", "/dev/null:/dev/x", "--jobs", "2"],
            "--jobs 2: with a --device one sandbox runs at a time, since they would share it",
        ),
    ],
)
def test_options_that_do_not_go_together_are_told(
    tmp_path: Path, words: Sequence[str], sentence: str
) -> None:
    assert refused(script(tmp_path), *words).startswith(sentence)


@pytest.mark.parametrize("word", ["http", "agent.py", "agent.py:Agent", "acme.agent:Agent"])
def test_an_agent_of_ocfkit_is_none_of_an_image(word: str) -> None:
    assert refused(*IMAGE, word) == (
        f"--image debian:12: {word} is an agent of this host's ocfkit; a container takes an "
        "executable file, or ocf:PROVIDER:TYPE of the image"
    )


def test_a_file_for_an_image_is_one_of_this_host(tmp_path: Path) -> None:
    gone = tmp_path / "gone"
    assert refused(*IMAGE, gone) == f"{gone}: No such file or directory"


@pytest.fixture
def devices() -> Generator[tuple[str, str]]:
    """Two of nobody else's: terminals."""
    ends = [*os.openpty(), *os.openpty()]
    yield os.ttyname(ends[1]), os.ttyname(ends[3])
    for end in ends:
        os.close(end)


def granted(*paths: str) -> Namespace:
    return Namespace(devices=[(path, f"/dev/x{place}") for place, path in enumerate(paths)])


class TestADeviceOfAnotherCheck:
    def test_is_refused_whatever_it_is_called(
        self, tmp_path: Path, devices: tuple[str, str]
    ) -> None:
        also = tmp_path / "also"
        also.symlink_to(devices[0])
        with machine.claimed(granted(devices[0])):
            assert refused(script(tmp_path), "--device", f"{also}:/dev/x") == (
                f"--device {also} is in use by another check: two would write to it"
            )

    def test_is_free_when_that_has_ended(self, devices: tuple[str, str]) -> None:
        for _ in range(2):
            with machine.claimed(granted(*devices)):
                pass

    def test_keeps_nobody_from_another_device(self, devices: tuple[str, str]) -> None:
        with machine.claimed(granted(devices[0])), machine.claimed(granted(devices[1])):
            pass

    def test_is_not_the_same_one_at_two_places(self, devices: tuple[str, str]) -> None:
        with machine.claimed(granted(devices[0], devices[0])):
            pass


def test_an_agent_whose_container_dies_while_it_is_looked_for_has_no_sandbox() -> None:
    backend = MagicMock()
    backend.create.return_value.__enter__.return_value.read_file.side_effect = SandboxLost("gone")
    backend.create.return_value.__exit__.return_value = False
    agent = MagicMock(content=None)
    with pytest.raises(SandboxUnavailable, match="the agent was looked for, and gone"):
        machine.require_agent(backend, agent, "debian:12")


class Untidy:
    """A backend that cannot remove everything."""

    left = ""

    def close(self) -> None:
        self.left = "a container is left"


def untidy(_: Namespace) -> Untidy:
    return Untidy()


class TestWhatIsLeft:
    def test_is_told_at_the_end(
        self, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
    ) -> None:
        monkeypatch.setattr(machine, "_backend", untidy)
        with machine.made(Namespace()):
            assert capsys.readouterr().err == ""
        assert capsys.readouterr().err == "ocfkit: a container is left\n"

    def test_is_told_of_a_check_that_was_interrupted(
        self, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
    ) -> None:
        monkeypatch.setattr(machine, "_backend", untidy)
        with pytest.raises(KeyboardInterrupt), machine.made(Namespace()):
            raise KeyboardInterrupt
        assert capsys.readouterr().err == "ocfkit: a container is left\n"

    def test_is_told_of_one_that_did_not_begin(
        self, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
    ) -> None:
        def fail(_: Namespace) -> None:
            failure = KeyboardInterrupt()
            failure.add_note("an image is left")
            raise failure

        monkeypatch.setattr(machine, "_backend", fail)
        with pytest.raises(KeyboardInterrupt), machine.made(Namespace()):
            pass
        assert capsys.readouterr().err == "ocfkit: an image is left\n"
