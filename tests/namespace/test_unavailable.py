"""Where no sandbox can be made there is a cause, a cure and exit code 4, and never a verdict."""

from __future__ import annotations

import subprocess
import sys
import textwrap
from pathlib import Path

import pytest

REPOSITORY = Path(__file__).parents[2]
SCRIPT = REPOSITORY / "tests" / "lsbcheck" / "scripts" / "plain-sh" / "init"


def check(*through: str) -> subprocess.CompletedProcess[str]:
    """Run lsbcheck behind another command."""
    return subprocess.run(
        [*through, sys.executable, "-m", "lsbcheck", "--rule", "7", str(SCRIPT)],
        cwd=REPOSITORY,
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )


@pytest.mark.parametrize("name", ["SYS_ADMIN", "NET_ADMIN", "SYS_PTRACE"])
def test_a_container_without_a_capability_is_told_which_option_adds_it(name: str) -> None:
    done = check("setpriv", f"--bounding-set=-{name.lower()}")
    assert done.returncode == 4, done.stdout + done.stderr
    assert f"--cap-add {name}" in done.stderr
    assert done.stdout == ""


DENY = """
    import errno, os, sys
    sys.path.insert(0, {repository!r})
    from ocfkit.linux import seccomp
    number, flags = {number!r}, {flags!r}
    seccomp.NUMBERS["denied"] = number
    block = seccomp.refuse_flags("denied", 0, flags) if flags else seccomp.refuse("denied")
    seccomp.install(seccomp.program([block]), listen=False)
    os.execv(sys.argv[1], sys.argv[1:])
"""


def denying(number: tuple[int, int], flags: int = 0) -> tuple[str, ...]:
    """A command that takes a system call away, as a container's profile does."""
    program = DENY.format(repository=str(REPOSITORY), number=number, flags=flags)
    return (sys.executable, "-c", textwrap.dedent(program))


@pytest.mark.parametrize(
    ("call", "number", "flags"),
    [
        ("mount", (165, 40), 0),
        ("open_tree", (428, 428), 0),
        ("mount_setattr", (442, 442), 0),
        ("pivot_root", (155, 41), 0),
        ("unshare", (272, 97), 0),
        ("clone with a new pid namespace", (56, 220), 0x20000000),
        ("seccomp", (317, 277), 0),
    ],
)
def test_a_profile_that_denies_a_call_is_no_verdict(
    call: str, number: tuple[int, int], flags: int
) -> None:
    done = check(*denying(number, flags))
    assert done.returncode == 4, f"{call}: {done.stdout}{done.stderr}"
    assert "Operation not permitted" in done.stderr
    assert "Traceback" not in done.stderr
    assert done.stdout == ""


def test_without_anything_taken_away_there_is_a_verdict() -> None:
    assert check().returncode == 0
