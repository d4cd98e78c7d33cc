"""A fresh Debian 12 with git and python3: the README's two commands, as a newcomer types them."""

from __future__ import annotations

import os
import shutil
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from tests import readme
from tests.services.roots import ENTER

COMPUTED = ["test_model.py", "test_model_itself.py", "test_simulation.py"]
"""Tests of plain arithmetic, below tests/agents/sfex: it is the same on every machine."""

EVERY = 8
"""What a machine lacks, all tests of a file lack: here each file has an eighth of its tests."""

CLONE = "cat >/tmp/bundle && git clone --quiet /tmp/bundle /root/ocfkit && cd /root/ocfkit"


@pytest.fixture(scope="session")
def bundle(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """This checkout as git would hand it out, with what is not committed yet."""
    place = tmp_path_factory.mktemp("checkout")
    ask = ["git", "ls-files", "--cached", "--others", "--exclude-standard", "-z"]
    listed = subprocess.run(ask, cwd=readme.ROOT, capture_output=True, text=True, check=True).stdout
    for path in filter(None, listed.split("\0")):
        if (readme.ROOT / path).is_symlink() or (readme.ROOT / path).exists():
            (place / path).parent.mkdir(parents=True, exist_ok=True)
            shutil.copy2(readme.ROOT / path, place / path, follow_symlinks=False)
    git = ["git", "-c", "user.name=test", "-c", "user.email=test", "-C", str(place)]
    subprocess.run([*git, "init", "--quiet", "--initial-branch=main"], check=True)
    subprocess.run([*git, "add", "--all"], check=True)
    subprocess.run([*git, "commit", "--quiet", "--message=checkout"], check=True)
    subprocess.run([*git, "bundle", "create", "--quiet", "bundle", "HEAD", "main"], check=True)
    return place / "bundle"


def on_a_fresh_machine(
    fresh: Path, bundle: Path, command: str, timeout: float
) -> subprocess.CompletedProcess[str]:
    """Clone the checkout on a throw-away copy of the machine and run one command in it."""
    with bundle.open() as stdin:
        done = subprocess.run(
            [ENTER, "machine", fresh, "sh", "-c", f"{CLONE} && {command} </dev/null"],
            stdin=stdin,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            timeout=timeout,
            check=False,
        )
    sys.stdout.write(done.stdout[-8000:])  # pytest shows it if the test fails
    return done


def test_the_first_command_gives_a_report(fresh: Path, bundle: Path) -> None:
    done = on_a_fresh_machine(fresh, bundle, readme.first("lsbcheck"), timeout=300)
    assert done.returncode == 1  # the example has faults
    assert "start-failure-reported" in done.stdout


def test_a_real_init_script_gets_a_report(fresh: Path, bundle: Path) -> None:
    done = on_a_fresh_machine(fresh, bundle, "./dev lsbcheck cron", timeout=300)
    assert done.returncode == 1  # cron breaks rules 3 and 5
    assert "start-failure-reported" in done.stdout


def test_an_agent_gets_a_report(fresh: Path, bundle: Path) -> None:
    done = on_a_fresh_machine(fresh, bundle, readme.first("ocfkit check"), timeout=300)
    assert done.returncode == 1  # the sample has faults
    assert "\nFAIL foreign-process-is-not-the-service\n" in done.stdout


def test_the_second_command_passes_the_tests(fresh: Path, bundle: Path) -> None:
    command = readme.first("test").removesuffix(" plain")
    words = [f"--ignore=tests/agents/sfex/{name}" for name in COMPUTED]
    sample = f"CI=true {command} plain -- --every={EVERY} {' '.join(words)}"
    done = on_a_fresh_machine(fresh, bundle, sample, timeout=1200)
    assert done.returncode == 0
    assert " passed" in done.stdout.splitlines()[-1]


def test_killed_at_work_it_leaves_nothing_behind(fresh: Path) -> None:
    before = _mounts_below(fresh)
    argv = [str(ENTER), "machine", str(fresh), "sh", "-c", "echo ready; exec sleep 3517"]
    with subprocess.Popen(argv, stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None
        assert process.stdout.readline() == "ready\n"
        os.kill(process.pid, signal.SIGKILL)
    deadline = time.monotonic() + 5
    while _runs("3517") and time.monotonic() < deadline:
        time.sleep(0.05)
    assert not _runs("3517")
    assert _mounts_below(fresh) == before


def _mounts_below(root: Path) -> list[str]:
    rows = Path("/proc/self/mountinfo").read_text().splitlines()
    return [row for row in rows if row.split()[4].startswith(str(root))]


def _runs(argument: str) -> bool:
    lines = (entry.read_bytes() for entry in Path("/proc").glob("[0-9]*/cmdline"))
    return any(argument.encode() in line.split(b"\0") for line in lines)
