"""The playbook of examples/fleet, run by Ansible on two hosts that are this machine."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

from tests.namespace.test_mutations import REPOSITORY, SAMPLES

PLAYBOOK = REPOSITORY / "examples/fleet/lsbcheck.yml"
INVENTORY = """\
[all:vars]
ansible_connection=local
ansible_become=false
ansible_python_interpreter=/usr/bin/python3
[all]
web1 lsb_options='["--rule", "stop-when-stopped"]'
web2 lsb_options='["--rule", "stop-when-stopped"]'
"""


def played(folder: Path, script: Path, inventory: str) -> subprocess.CompletedProcess[str]:
    (folder / "hosts").write_text(inventory)
    given = {
        "lsb_command": [str(REPOSITORY / "dev"), "lsbcheck"],
        "lsb_scripts": [str(script)],
        "lsb_reports": str(folder / "reports"),
    }
    return subprocess.run(
        [
            Path(sys.executable).with_name("ansible-playbook"),
            *("-i", folder / "hosts", "-e", json.dumps(given), PLAYBOOK),
        ],
        env={
            "PATH": os.environ["PATH"],
            "HOME": str(folder),
            "LANG": "C.UTF-8",
            "TMPDIR": str(folder),
            "ANSIBLE_HOME": str(folder / "ansible"),
            "ANSIBLE_NOCOLOR": "1",
        },
        cwd=folder,
        capture_output=True,
        text=True,
        check=False,
        timeout=300,
    )


@pytest.fixture
def broken(tmp_path: Path) -> Path:
    """A script that breaks one rule."""
    sample = next(
        one for one in SAMPLES if one.style == "plain-sh" and one.breaks == "stop-when-stopped"
    )
    return sample.rendered(tmp_path)


def test_the_reports_of_all_hosts_become_one(tmp_path: Path, broken: Path) -> None:
    reports = tmp_path / "reports"
    reports.mkdir()
    (reports / "gone.json").write_text("of a host that is no longer there")
    ended = played(tmp_path, broken, INVENTORY)
    told = ended.stdout + ended.stderr
    assert sorted(path.name for path in reports.iterdir()) == ["all.html", "web1.json", "web2.json"]
    assert ended.returncode == 2, told
    assert f"lsbcheck ends with 1, see {reports}/all.html" in told
    page = (reports / "all.html").read_text("utf-8")
    assert "web1: plain-sh" in page
    assert "web2: plain-sh" in page


def test_a_wrong_call_on_a_host_stops_it(tmp_path: Path) -> None:
    ended = played(tmp_path, tmp_path / "none", INVENTORY)
    assert ended.returncode == 2
    assert "no such file" in ended.stdout
    assert not (tmp_path / "reports").exists()
    assert not list(tmp_path.glob("lsbcheck.*"))
