"""The line that makes the same check once more."""

from __future__ import annotations

from argparse import Namespace

from hypothesis import given
from hypothesis import strategies as st

from ocfkit.commands import check
from ocfkit.commands.arguments import Parser
from ocfkit.commands.conformance.again import again


def understood(words: list[str]) -> Namespace:
    parser = Parser(prog="ocfkit check")
    check.configure(parser)
    return parser.parse_args(words)


KEPT = (
    *("agent", "parameters", "second", "sandbox", "root", "prepare", "timeout", "agent_timeout"),
    *("image", "packages", "copies", "runtime", "capabilities", "devices"),
)

values = st.text(max_size=8).filter(lambda word: word != "--")  # which argparse takes away
pairs = st.builds("{}={}".format, st.sampled_from(["name", "port", "password_file"]), values)


options = (
    st.builds("-p{}".format, pairs)
    | st.builds("--second={}".format, pairs)
    | st.builds("--prepare={}".format, values)
    | st.sampled_from(["--grant=SYS_ADMIN", "--grant=cap_ipc_lock", "--device=/dev/sda1"])
    | st.sampled_from(["--device=/dev/disk/by-path/pci-0:1f.2-ata-1:/dev/x", "--device=x:/dev/y"])
    | st.sampled_from(["--root=/srv/a root", "--timeout=0.25s", "--timeout=1h", "--timeout=60s"])
    | st.sampled_from(["--agent-timeout=9999999s", "--agent-timeout=1.5s"])
)


contained = st.sampled_from(
    [
        [],
        ["--sandbox=docker", "--image=debian:12"],
        ["--sandbox=podman", "--image=x/y@sha256:0", "--package=nginx", "--package=libc6:i386"],
        ["--sandbox=docker", "--image=x", "--copy=/etc/a b:/etc/c:d", "--runtime=runc"],
    ]
)


@given(
    st.sampled_from(["ocf:heartbeat:Dummy", "./an agent", "x.py:X"]), st.lists(options), contained
)
def test_is_understood_as_the_first_was(agent: str, words: list[str], machine: list[str]) -> None:
    first = understood([agent, *words, *machine])
    program, command, *others = again(first)
    assert (program, command) == ("ocfkit", "check")
    second_time = understood(others)
    assert {name: getattr(second_time, name) for name in KEPT} == {
        name: getattr(first, name) for name in KEPT
    }


def test_has_no_word_that_does_nothing() -> None:
    assert again(understood(["ocf:heartbeat:Dummy"])) == ["ocfkit", "check", "ocf:heartbeat:Dummy"]


def test_has_a_place_for_a_secret_and_not_the_secret() -> None:
    words = again(understood(["x", "-p", "password=hunter22", "--second", "api_key=hunter23"]))
    assert words[3:] == ["-p", "password=@FILE", "--second", "api_key=@FILE"]


def test_names_the_file_that_a_secret_came_from() -> None:
    assert again(understood(["x", "-p", "password=@/root/pw"]))[3:] == ["-p", "password=@/root/pw"]


def test_says_nothing_of_format_file_and_rules() -> None:
    words = ["x", "--format", "json", "-o", "x.json", "--rule", "stop-succeeds", "--jobs", "2"]
    assert again(understood(words)) == ["ocfkit", "check", "x"]
