"""What a page costs: the modules that are loaded for it, by the process that fetches it."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

from tests.monitors.servers import page, saying, serving
from tests.packaging.test_loaded_modules import ALWAYS, ROOT, SHOW, TO_ACT

AGENT = '''
from ocfkit import RUNNING, Agent, monitor, param

class Fetcher(Agent):
    """Fetch a page."""

    url = param.string("Its address.")

    @monitor.depth(10)
    def page_comes_back(self):
        from ocfkit.monitors import http

        http.check(self.url, deadline=self.deadline, match="ready")

    def start(self):
        pass

    def stop(self):
        pass

    def monitor(self):
        return RUNNING
'''

TO_FETCH = {
    *("_socket", "errno", "ocfkit.checking", "ocfkit.monitors", "ocfkit.monitors.http"),
    *("ocfkit.monitors.http_address", "ocfkit.monitors.http_answer", "ocfkit.monitors.names"),
    *("ocfkit.monitors.patterns", "ocfkit.monitors.question", "ocfkit.monitors.tcp", "select"),
}


@pytest.fixture
def home(tmp_path: Path) -> Path:
    (tmp_path / "fetcher.py").write_text(AGENT)
    return tmp_path


def test_a_page_loads_this_and_nothing_else(home: Path) -> None:
    code = SHOW.format(root=str(ROOT), home=str(home), action="monitor", target="fetcher:Fetcher")
    with serving(saying(page())) as port:
        done = subprocess.run(
            [sys.executable, "-ISBc", code],
            env={
                "HA_RSCTMP": str(home),
                "OCF_CHECK_LEVEL": "10",
                "OCF_RESKEY_CRM_meta_interval": "10000",
                "OCF_RESKEY_url": f"http://127.0.0.1:{port}/",
            },
            capture_output=True,
            text=True,
            check=False,
        )
    worker, process = (line.split() for line in done.stderr.splitlines())
    assert (worker[0], process[0]) == ("0", "0")
    assert set(worker[1:]) == ALWAYS | TO_ACT | TO_FETCH | {"fetcher"}
    assert set(process[1:]) < set(worker[1:])
