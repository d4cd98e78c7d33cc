"""Installing packages into an image with whatever package manager it has."""

from __future__ import annotations

import shlex
from collections.abc import Iterable, Sequence

from lsbcheck.sandbox.container import guest

_SCRIPT = r"""
set -eu
export LC_ALL=C
if command -v apt-get >/dev/null; then
	# what is installed must not start here (invoke-rc.d asks this file; Debian policy, 9.3.3)
	policy=/usr/sbin/policy-rc.d
	[ -e $policy ] || { printf '#!/bin/sh\nexit 101\n' >$policy; chmod 755 $policy; made=yes; }
	export DEBIAN_FRONTEND=noninteractive
	apt-get -q update
	apt-get -qy install --no-install-recommends -- "$@"
	[ -z "${made-}" ] || rm -f $policy
elif command -v dnf >/dev/null; then dnf -qy install -- "$@"
elif command -v microdnf >/dev/null; then microdnf -y install -- "$@"
elif command -v yum >/dev/null; then yum -qy install -- "$@"
elif command -v zypper >/dev/null; then zypper -nq install -- "$@"
elif command -v apk >/dev/null; then apk add --no-cache -- "$@"
elif command -v pacman >/dev/null; then pacman -Sy --noconfirm -- "$@"
else
	echo 'the image has none of apt-get, dnf, microdnf, yum, zypper, apk and pacman' >&2
	exit 1
fi
"""


def command(packages: Sequence[str], volumes: Iterable[str]) -> list[str]:
    """The command that installs them, to be run by the image's own shell.

    No engine commits a volume, so what then lies in each is put aside for PID 1 (`guest`).
    """
    aside = "".join(_put_aside(volume) for volume in volumes)
    return ["/bin/sh", "-c", f"{_SCRIPT}{aside}", "lsbcheck", *packages]


def _put_aside(volume: str) -> str:
    there = shlex.quote(f"{guest.VOLUMES}{volume}")
    return f"mkdir -p {there}\ncp -a {shlex.quote(volume)}/. {there}\n"
