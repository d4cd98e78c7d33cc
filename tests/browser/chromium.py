"""Debian's Chromium without a window: started once, and gone when its tests are."""

from __future__ import annotations

import contextlib
import os
import signal
import subprocess
import time
from collections.abc import Generator
from pathlib import Path

WITH_ITS_PARENT = "setpriv --pdeathsig KILL".split()
"""Whatever happens to the tests, kill -9 too, no browser is left."""
DEADLINE = "timeout --signal=KILL 600".split()

# As root, in a container, without a network and without a screen.
FLAGS = (
    "--headless --no-sandbox --disable-gpu --disable-quic --disable-dev-shm-usage --no-first-run "
    "--disable-background-networking --disable-component-update --disable-sync "
    "--disable-breakpad --remote-debugging-port=0"
).split()


@contextlib.contextmanager
def chromium(folder: Path) -> Generator[str]:
    """Run it with `folder`, new and empty, as its profile; gives the address of its debugger."""
    argv = [*WITH_ITS_PARENT, *DEADLINE, *WITH_ITS_PARENT, "chromium", *FLAGS]
    log = folder.with_suffix(".log")
    with log.open("wb") as output:
        process = subprocess.Popen(
            [*argv, f"--user-data-dir={folder}", "about:blank"],
            stdin=subprocess.DEVNULL,
            stdout=output,
            stderr=output,
            start_new_session=True,
        )
    try:
        yield f"http://127.0.0.1:{_port(process, folder, log)}"
    finally:
        with contextlib.suppress(subprocess.TimeoutExpired):
            process.terminate()  # it then ends its children itself, and none is left to be reaped
            process.wait(5)
        with contextlib.suppress(ProcessLookupError):
            os.killpg(process.pid, signal.SIGKILL)
        process.wait()
        _wait_until_gone(folder)


def _port(process: subprocess.Popen[bytes], folder: Path, log: Path) -> int:
    announced = folder / "DevToolsActivePort"
    end = time.monotonic() + 60
    while time.monotonic() < end:
        if process.poll() is not None:
            raise RuntimeError(f"chromium ended: {log.read_text(errors='replace')[-2000:]}")
        with contextlib.suppress(OSError, ValueError):
            return int(announced.read_text().split()[0])
        time.sleep(0.05)
    raise TimeoutError(f"chromium has no debugger: {log.read_text(errors='replace')[-2000:]}")


def processes_of(folder: Path) -> list[int]:
    """Every process that was started for this profile."""
    word = f"--user-data-dir={folder}".encode()
    found: list[int] = []
    for entry in Path("/proc").iterdir():
        with contextlib.suppress(OSError):
            if entry.name.isdigit() and word in (entry / "cmdline").read_bytes():
                found.append(int(entry.name))
    return found


def _wait_until_gone(folder: Path) -> None:
    end = time.monotonic() + 10
    while left := processes_of(folder):
        if time.monotonic() > end:
            raise TimeoutError(f"of chromium, processes are left: {left}")
        time.sleep(0.05)
