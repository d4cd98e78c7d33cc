"""Another machine with an engine: a real sshd that lets one key in and forwards to sockets of ours.

It runs from a Debian root file system in mounts and processes of its own, so nothing is installed
on the host for it. The client is the host's ssh, with a configuration of the test's.
"""

from __future__ import annotations

import os
import socket
import subprocess
import time
from collections.abc import Generator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from tests.services import roots

PATIENCE = 30.0

# The root is only looked at; what sshd needs besides is in memory, and goes with PID 1.
_FIRST = """
root=$1 port=$2 keys=$3
shift 3
mount --bind "$root" /mnt
mount -o remount,bind,ro /mnt
mount --rbind /dev /mnt/dev
mount -t proc proc /mnt/proc
mount -t tmpfs -o mode=755 tmpfs /mnt/run
mkdir -m 755 /mnt/run/sshd
cp "$keys/host" "$keys/authorized" /mnt/run
for each; do
    : >"/mnt/run/${each##*/}"
    mount --bind "$each" "/mnt/run/${each##*/}"
done
exec chroot /mnt /usr/sbin/sshd -D -e -f /dev/null -p "$port" -o ListenAddress=127.0.0.1 \
    -o HostKey=/run/host -o AuthorizedKeysFile=/run/authorized -o PermitRootLogin=prohibit-password
"""


@dataclass(frozen=True, slots=True)
class Far:
    """How it is reached."""

    port: int
    environ: Mapping[str, str]
    """With an ssh that knows the machine, and has a key that it lets in."""

    stranger: Mapping[str, str]
    """The same with a key that it does not know."""

    def at(self, path: str) -> str:
        """The address of a socket that has been brought there."""
        return f"ssh://root@127.0.0.1:{self.port}/run/{os.path.basename(path)}"


@contextmanager
def reached_by_ssh(folder: Path, *sockets: str) -> Generator[Far]:
    """The machine, with those sockets of the host; `folder` is empty."""
    for name in ("host", "known", "unknown"):
        _make_key(folder / name)
    (folder / "authorized").write_bytes((folder / "known.pub").read_bytes())
    port = _free_port()
    with (folder / "log").open("wb") as log:
        running = subprocess.Popen(
            ["setpriv", "--pdeathsig", "KILL",
             "unshare", "--mount", "--propagation", "private", "--pid", "--fork",
             "--kill-child=KILL",
             "sh", "-euc", _FIRST, "sh", str(roots.root("sample")), str(port), str(folder),
             *sockets],
            stdin=subprocess.DEVNULL, stdout=log, stderr=log,
        )  # fmt: skip
    try:
        _wait_for(port, running, folder / "log")
        host_key = (folder / "host.pub").read_text().split()
        (folder / "hosts").write_text(f"[127.0.0.1]:{port} {' '.join(host_key[:2])}\n")
        yield Far(port, _with_key(folder, "known"), _with_key(folder, "unknown"))
    finally:
        running.kill()
        running.wait()


def _make_key(path: Path) -> None:
    words = ["ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-f", str(path)]
    subprocess.run(words, stdin=subprocess.DEVNULL, check=True)


def _free_port() -> int:
    with socket.create_server(("127.0.0.1", 0)) as listening:
        port: int = listening.getsockname()[1]
        return port


def _wait_for(port: int, running: subprocess.Popen[bytes], log: Path) -> None:
    until = time.monotonic() + PATIENCE
    while True:
        assert running.poll() is None, log.read_text()
        assert time.monotonic() < until, log.read_text()
        with socket.socket() as trying:
            if not trying.connect_ex(("127.0.0.1", port)):
                return
        time.sleep(0.05)


def _with_key(folder: Path, key: str) -> dict[str, str]:
    """An ssh that reads our configuration, where the real one asks passwd for the caller's home."""
    bin_folder = folder / f"bin-{key}"
    bin_folder.mkdir()
    (folder / f"config-{key}").write_text(
        "User nobody\nPort 1\n"  # who is not let in: the address has to win
        f"IdentityFile {folder / key}\nIdentitiesOnly yes\nIdentityAgent none\n"
        f"UserKnownHostsFile {folder / 'hosts'}\n"
    )
    ssh = bin_folder / "ssh"
    ssh.write_text(f'#!/bin/sh\nexec /usr/bin/ssh -F {folder / f"config-{key}"} "$@"\n')
    ssh.chmod(0o755)
    return {"PATH": f"{bin_folder}:{os.environ['PATH']}"}
