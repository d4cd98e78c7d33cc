"""Debian root file systems for the tests: built once, kept in the project's cache folder.

Debian starts what it installs, so nothing that a test looks at is ever installed on the host. It
goes into a root file system, by way of ``enter``: without network, and with every process ended
before the root is used. ``roots.toml`` says what is in each of them.

    python tests/services/roots.py [NAME…]      build what is missing, print the paths
"""

from __future__ import annotations

import argparse
import contextlib
import fcntl
import hashlib
import json
import os
import shutil
import subprocess
import sys
import tomllib
from pathlib import Path
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Generator

SUITE = "bookworm"
HERE = Path(__file__).resolve().parent
ENTER = HERE / "enter"

MARK = ".ocfkit-root"
"""The file in a finished root that holds the digest of the recipe it was built from."""

APT = [
    "apt-get",
    "--yes",
    "--quiet",
    "--no-install-recommends",
    "--option=Dpkg::Options::=--force-unsafe-io",  # half the time; a torn root is never used
    "install",
    "systemd-",  # the minus: whatever would pull systemd in takes its alternative, or fails
]

TIDY = """
apt-get clean
rm -rf /var/lib/apt/lists/*
# What a package's own scripts left behind would look like a running service.
find /run -xdev '(' -type s -o -type p -o -name '*.pid' ')' -delete
systemd-tmpfiles --create 2>&1 || true
"""

BASE_FILES = {
    "etc/hosts": "127.0.0.1 localhost\n::1 localhost ip6-localhost ip6-loopback\n",
    "etc/hostname": "root\n",
    "etc/resolv.conf": "",
    # Not needed by any daemon, and a third of the writing.
    "etc/dpkg/dpkg.cfg.d/ocfkit": "path-exclude=/usr/share/doc/*\npath-exclude=/usr/share/man/*\n"
    "path-exclude=/usr/share/locale/*\n",
}


class RootError(Exception):
    """A root could not be built; the sentence says why."""


def folder() -> Path:
    """Where the roots are kept."""
    cache = os.environ.get("OCFKIT_CACHE")
    if cache:
        return Path(cache) / "roots"
    return Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache") / "ocfkit" / "roots"


def recipes() -> dict[str, Any]:
    """What roots.toml says."""
    return tomllib.loads((HERE / "roots.toml").read_text("utf-8"))


def root(name: str) -> Path:
    """Return the root of that name, built now if it is missing or out of date."""
    place, recipe = folder() / name, _recipe(name)
    digest = hashlib.sha256(json.dumps(recipe, sort_keys=True).encode()).hexdigest()
    with _locked(place):
        if not _is(place, digest):
            work = place.with_name(f".{name}.new")
            _remove(work)  # what a killed run left
            _build(name, recipe, work)
            (work / MARK).write_text(digest)
            old = place.with_name(f".{name}.old")
            _remove(old)
            if place.exists():
                place.rename(old)
            work.rename(place)  # there whole or not at all
            _remove(old)
    return place


def _recipe(name: str) -> dict[str, Any]:
    """Everything that decides what is in a root."""
    if name == "base":
        return {"suite": SUITE, "files": BASE_FILES}
    known = recipes()
    if name not in known["roots"]:
        raise RootError(f"no root is called {name}; there are {', '.join(known['roots'])}")
    wanted = known["roots"][name]
    below = wanted.get("on", "base")
    return {
        "below": below,
        "recipe below": _recipe(below),
        "apt": APT,
        "packages": wanted["packages"],
        "tidy": TIDY,
    }


def _build(name: str, recipe: dict[str, Any], work: Path) -> None:
    log = folder() / f"{name}.log"
    log.unlink(missing_ok=True)
    print(f"building the Debian root {name} (log: {log})", file=sys.stderr, flush=True)
    if name == "base":
        _bootstrap(work, log)
    else:
        _run(["cp", "-a", "--reflink=auto", str(root(recipe["below"])), str(work)], log)
        _install(work, recipe, log)


def _bootstrap(work: Path, log: Path) -> None:
    """Make a minimal Debian, from the mirror that this machine's apt uses."""
    sources = _sources()
    mirror = [uri for uri, release in sources if release == SUITE][:1]
    # debootstrap mounts /proc and leaves it there when it is killed.
    alone = ["setpriv", "--pdeathsig", "KILL", "unshare", "--mount", "--propagation", "private"]
    alone += ["--pid", "--fork", "--kill-child=KILL"]
    _run([*alone, "debootstrap", "--variant=minbase", SUITE, str(work), *mirror], log)
    for path, text in BASE_FILES.items():
        (work / path).write_text(text)
    if sources:
        lines = [f"deb {uri} {release} main\n" for uri, release in sources]
        (work / "etc/apt/sources.list").write_text("".join(lines))


def _sources() -> list[tuple[str, str]]:
    """Return address and release of each Debian archive that this machine uses for the suite."""
    if not shutil.which("apt-get"):
        return []
    ask = ["apt-get", "indextargets", "--format=$(REPO_URI) $(RELEASE)"]
    ask += ["Created-By: Packages", "Origin: Debian"]
    answer = subprocess.run(ask, stdout=subprocess.PIPE, text=True, check=True).stdout
    rows = {(uri, release) for uri, release in map(str.split, answer.splitlines())}
    return sorted(row for row in rows if row[1].startswith(SUITE))


def _install(work: Path, recipe: dict[str, Any], log: Path) -> None:
    """Fetch the packages with a network, install them without."""
    policy = work / "usr/sbin/policy-rc.d"
    policy.write_text("#!/bin/sh\n# No package starts a service here.\nexit 101\n")
    policy.chmod(0o755)
    enter = str(ENTER)
    _run([enter, "online", str(work), "apt-get", "--quiet", "update"], log)
    _run([enter, "online", str(work), *APT, "--download-only", *recipe["packages"]], log)
    _run([enter, "offline", str(work), *APT, "--no-download", *recipe["packages"]], log)
    _run([enter, "offline", str(work), "sh", "-eux", "-c", TIDY], log)
    policy.unlink()


def _run(argv: list[str], log: Path) -> None:
    with log.open("ab") as out:
        done = subprocess.run(argv, stdin=subprocess.DEVNULL, stdout=out, stderr=out, check=False)
    if done.returncode:
        tail = log.read_text("utf-8", "replace").splitlines()[-15:]
        raise RootError("\n".join([f"{' '.join(argv[:6])} … failed ({done.returncode}):", *tail]))


@contextlib.contextmanager
def _locked(place: Path) -> Generator[None]:
    """Hold off every other run that wants the same root."""
    place.parent.mkdir(parents=True, exist_ok=True)
    with place.with_name(f"{place.name}.lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        yield


def _is(place: Path, digest: str) -> bool:
    try:
        return (place / MARK).read_text() == digest
    except FileNotFoundError:
        return False


def _remove(tree: Path) -> None:
    if tree.exists():
        shutil.rmtree(tree)


def main() -> int:
    """Build the named roots, or all, and print where they are."""
    parser = argparse.ArgumentParser(prog="roots", description=(__doc__ or "").splitlines()[0])
    parser.add_argument("names", metavar="NAME", nargs="*", help="default: all in roots.toml")
    try:
        for name in parser.parse_args().names or recipes()["roots"]:
            print(root(name), flush=True)
    except RootError as error:
        print(f"roots: {error}", file=sys.stderr)
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
