"""The lesson's own test passes, on the lesson's own agent."""

from __future__ import annotations

import re
import subprocess
import sys
from pathlib import Path

from tests.examples.test_web import free_port

ROOT = Path(__file__).resolve().parents[2]
LESSON = (ROOT / "docs/tutorial/first-agent.md").read_text("utf-8")


def test_the_agent_and_its_test_are_as_the_lesson_shows_them(tmp_path: Path) -> None:
    agent, test = re.findall(r"^```python\n(.*?)^```$", LESSON, re.MULTILINE | re.DOTALL)
    assert agent == (ROOT / "examples/web.py").read_text("utf-8")
    (tmp_path / "web.py").write_text(agent)
    (tmp_path / "test_web.py").write_text(test.replace("8081", str(free_port())))
    argv = [sys.executable, "-m", "pytest", "-q", "-p", "no:cacheprovider", "test_web.py"]
    env = {"PYTHONPATH": f"{tmp_path}:{ROOT}", "PATH": "/usr/bin:/bin"}
    done = subprocess.run(argv, cwd=tmp_path, env=env, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout
    assert "2 passed" in done.stdout
