"""`pytest --lsb-script` on a real script with one fault."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

from tests.namespace.test_mutations import REPOSITORY, SAMPLES


def test_a_fault_fails_its_rule_and_no_other(tmp_path: Path) -> None:
    sample = next(
        one for one in SAMPLES if one.style == "plain-sh" and one.breaks == "stop-when-stopped"
    )
    script = sample.rendered(tmp_path)
    ended = subprocess.run(
        [
            *(sys.executable, "-m", "pytest", "-p", "lsbcheck.pytest_plugin", "-v"),
            *("--rootdir", tmp_path, "-c", "/dev/null", "-m", "lsbcheck"),
            *("--lsb-script", script, tmp_path),
        ],
        cwd=REPOSITORY,
        capture_output=True,
        text=True,
        check=False,
        timeout=300,
    )
    assert "1 failed, 7 passed" in ended.stdout, ended.stdout + ended.stderr
    assert "::stop-when-stopped FAILED" in ended.stdout
    assert "FAIL 8 stop-when-stopped" in ended.stdout
    assert f"$ {script} stop" in ended.stdout
