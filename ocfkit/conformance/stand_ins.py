"""The cluster's own commands, as far as agents call them: stand-ins inside a sandbox.

There is no cluster in there. They keep attributes in a file, know one node, and change nothing
else, so that an agent that sets a promotion score or asks for its node's name goes on.
"""

from __future__ import annotations

from collections.abc import Iterator

HIDDEN = "/.ocfkit-check"
"""Folder inside the sandbox for what the check puts there."""

LOG = f"{HIDDEN}/log"
"""The cluster's log file (HA_LOGFILE)."""

NODE = "check-node"

NAMES = (
    "attrd_updater",
    "crm_attribute",
    "crm_failcount",
    "crm_master",
    "crm_mon",
    "crm_node",
    "crm_resource",
    "crm_standby",
)

_TEXT = f"""\
#!/bin/sh
# A stand-in of `ocfkit check` for {{name}}: no cluster runs here.
name={{name}} attribute= value= does=query quiet=
while [ $# -gt 0 ]; do
	case $1 in
	--name=* | --attribute=*) attribute=${{{{1#*=}}}} ;;
	--update=* | --attr-value=*) value=${{{{1#*=}}}} does=update ;;
	-n | --name | -A | --attr | --attribute)
		[ "$name" = crm_node ] || {{{{ attribute=$2; shift; }}}} ;;
	-v | --update | --attr-value | -U | -B) value=$2 does=update; shift ;;
	-D | --delete) does=delete ;;
	-Q | --query | -G | -q | --quiet) quiet=yes ;;
	-p | --promotion) case ${{{{2-}}}} in -* | '') ;; *) shift ;; esac; attribute=promotion-score ;;
	-N | --node | -l | --lifetime | -t | --type | -r | --resource | -s | --set-name) shift ;;
	esac
	shift
done
[ "$name" = crm_master ] && attribute=promotion-score
case $name in
crm_node) echo {NODE}; exit 0 ;;
crm_mon | crm_resource | crm_standby | crm_failcount) exit 0 ;;
esac
attribute=$(printf %s "$attribute" | tr -c 'A-Za-z0-9_.#-' _)
kept={HIDDEN}/attributes/$attribute
case $does in
update) printf '%s\\n' "$value" >"$kept" ;;
delete) rm -f "$kept" ;;
query)
	[ -e "$kept" ] || {{{{ echo "$name: $attribute is not set" >&2; exit 6; }}}}
	[ "$quiet" ] && cat "$kept" || printf 'scope=status  name=%s value=%s\\n' "$attribute" \\
		"$(cat "$kept")" ;;
esac
exit 0
"""


def files() -> Iterator[tuple[str, bytes, int]]:
    """Path, content and mode of all of them, and of what they need."""
    yield f"{HIDDEN}/attributes/.keep", b"", 0o644
    yield LOG, b"", 0o666
    for name in NAMES:
        yield f"/usr/sbin/{name}", _TEXT.format(name=name).encode(), 0o755
