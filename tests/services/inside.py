"""The first program of a machine of `cluster_tools`: it installs the wheel and runs the commands.

The root's own python3 gets it as text, so it knows the standard library alone. The job comes as
JSON on standard input, the answers leave as JSON on standard output.
"""

from __future__ import annotations

import base64
import compileall
import configparser
import io
import json
import os
import signal
import subprocess
import sys
import tempfile
import time
import zipfile
from pathlib import Path
from typing import Any

PACKAGES = Path("/usr/lib/python3/dist-packages")
"""Where the packages of Debian's python3 are."""

COMMAND = """\
#!/usr/bin/python3
import sys
from {module} import {function}
sys.exit({function}())
"""


def main() -> None:
    job = json.load(sys.stdin)
    os.umask(0o022)  # the caller's may hide from others what is installed
    subprocess.run(["ip", "link", "set", "lo", "up"], check=True)
    install(base64.b64decode(job["wheel"]))
    for path, text in job["files"].items():
        put(Path(path), text)
    json.dump([run(argv, job["limit"]) for argv in job["commands"]], sys.stdout)


def install(wheel: bytes) -> None:
    """Do what pip does for a wheel of pure Python: unpack, compile, write the commands."""
    with zipfile.ZipFile(io.BytesIO(wheel)) as archive:
        archive.extractall(PACKAGES)
        names = archive.namelist()
    for top in sorted({name.partition("/")[0] for name in names}):
        compileall.compile_dir(PACKAGES / top, quiet=1)
    points = configparser.ConfigParser(delimiters=("=",))
    points.read(PACKAGES / next(name for name in names if name.endswith("/entry_points.txt")))
    for command, target in points["console_scripts"].items():
        module, function = target.split(":")
        put(Path("/usr/bin", command), COMMAND.format(module=module, function=function))


def put(path: Path, text: str) -> None:
    """Write a file; what names an interpreter is a program."""
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(text, "utf-8")
    path.chmod(0o755 if text.startswith("#!") else 0o644)


def run(argv: list[str], limit: float) -> dict[str, Any]:
    """Run one command; it is over when it ends, whatever a daemon of its still holds open."""
    started = time.monotonic()
    with tempfile.NamedTemporaryFile() as out, tempfile.NamedTemporaryFile() as err:
        code, remark = _outcome(argv, limit, out.fileno(), err.fileno())
        seconds = time.monotonic() - started
        # By name: a position shared with a daemon that goes on writing is not ours to move.
        stdout, stderr = (Path(file.name).read_text("utf-8", "replace") for file in (out, err))
    return {"code": code, "stdout": stdout, "stderr": stderr + remark, "seconds": seconds}


def _outcome(argv: list[str], limit: float, out: int, err: int) -> tuple[int, str]:
    """Exit code and a remark on it, both as timeout(1) and sh have them."""
    try:
        process = subprocess.Popen(
            argv, cwd="/", stdin=subprocess.DEVNULL, stdout=out, stderr=err, start_new_session=True
        )
    except OSError as error:
        return (127 if isinstance(error, FileNotFoundError) else 126), f"{error}\n"
    try:
        return process.wait(limit), ""
    except subprocess.TimeoutExpired:
        os.killpg(process.pid, signal.SIGKILL)
        process.wait()
        return 124, f"no answer within {limit:g} s\n"


if __name__ == "__main__":
    main()
