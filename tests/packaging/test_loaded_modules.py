"""What an agent's process loads: each module more is a few files more to read on a node in need."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
EXAMPLES = ROOT / "examples"

SHOW = """
import sys
bare = set(sys.modules)
sys.path += [{root!r}, {home!r}]
import os
end = os._exit
def show_and_end(code):
    print(code, *sorted(set(sys.modules) - bare), file=sys.stderr, flush=True)
    end(code)
os._exit = show_and_end
sys.argv = ["agent", {action!r}]
from ocfkit.runtime import launch
launch({target!r}, name="agent")
"""

ALWAYS = {
    *(
        "__future__",
        "_collections_abc",
        "_stat",
        "genericpath",
        "os",
        "os.path",
        "posixpath",
        "stat",
    ),
    *("ocfkit", "ocfkit.actions", "ocfkit.agent", "ocfkit.declaration", "ocfkit.durations"),
    *("ocfkit.environment", "ocfkit.errors", "ocfkit.exitcodes", "ocfkit.kinds", "ocfkit.log"),
    *("ocfkit.params", "ocfkit.runtime"),
}
TO_ACT = {"ocfkit.deadline", "ocfkit.dispatch", "ocfkit.looking", "ocfkit.supervise"}
OF_A_DAEMON = {"ocfkit.daemon", "ocfkit.linux", "ocfkit.linux.process", "select"}


def loaded(
    target: str, action: str, run: Path, *, home: Path = EXAMPLES, **env: str
) -> tuple[int, set[str]]:
    """Exit code and modules of a process, less those of an interpreter that does nothing.

    `run` is the folder for records, `home` the one that the agent lies in.
    """
    code = SHOW.format(root=str(ROOT), home=str(home), action=action, target=target)
    done = subprocess.run(
        [sys.executable, "-ISBc", code],
        env={"HA_RSCTMP": str(run), "OCF_RESKEY_CRM_meta_interval": "10000", **env},
        cwd="/",
        capture_output=True,
        text=True,
        check=False,
    )
    code_told, *modules = done.stderr.splitlines()[-1].split()
    return int(code_told), set(modules)


def test_a_shallow_monitor_loads_this_and_nothing_else(tmp_path: Path) -> None:
    state = tmp_path / "state"
    state.touch()
    answer = loaded("dummy:Dummy", "monitor", tmp_path, OCF_RESKEY_state=str(state))
    assert answer == (0, ALWAYS | TO_ACT | {"dummy"})


def test_meta_data_loads_this_and_nothing_else(tmp_path: Path) -> None:
    answer = loaded("dummy:Dummy", "meta-data", tmp_path)
    assert answer == (0, ALWAYS | {"dummy", "ocfkit.metadata", "ocfkit.advice", "ocfkit.mistakes"})


@pytest.fixture
def running_daemon(tmp_path: Path) -> Path:
    """A folder with the record of a daemon that runs: of this very process."""
    stat = Path("/proc/self/stat").read_text().rpartition(")")[2].split()
    pid = Path("/proc/self").resolve().name
    boot = Path("/proc/sys/kernel/random/boot_id").read_text().strip()
    record = tmp_path / "ocfkit/agent/default"
    record.parent.mkdir(parents=True)
    record.write_text(f"{pid} {stat[19]} {boot}\n")
    return tmp_path


def test_the_monitor_of_a_daemon_that_runs_looks_at_its_record_alone(running_daemon: Path) -> None:
    (running_daemon / "sleeper.py").write_text(
        '''
from ocfkit import Daemon

class Sleeper(Daemon):
    """Sleep."""

    def command(self):
        return ["sleep", "infinity"]
'''
    )
    code, modules = loaded("sleeper:Sleeper", "monitor", running_daemon, home=running_daemon)
    assert code == 0
    assert modules == ALWAYS | TO_ACT | OF_A_DAEMON | {"sleeper", "ocfkit.records"}
