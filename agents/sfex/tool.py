"""`ocfkit sfex`: what the C tools do, sfex_init, sfex_stat and sfex_daemon, with their codes.

Unlike them, `init` refuses a device that is in use, `stat` does not make up data for a lock that
cannot be read, and writes nothing, and `hold` holds nothing that could not be ended in time.
"""

from __future__ import annotations

import argparse
import errno
import json
import os
import sys

from ocfkit.agents.sfex import store
from ocfkit.agents.sfex.layout import MAGIC, MOST_LOCKS, VERSION, Control, FormatError, shown
from ocfkit.agents.sfex.record import Record
from ocfkit.agents.sfex.store import MismatchError, Store
from ocfkit.errors import told
from ocfkit.linux import proc
from ocfkit.linux.blockdev import BlockDevice
from ocfkit.programs import ENVIRONMENT

SUMMARY = "prepare a shared disk for locks (sfex), or show one"

DONE, UNFIT, NOT_OURS, FAILED, WRONG_CALL = 0, 1, 2, 3, 4
"""Exit codes. UNFIT: no block device, sectors of another size, an area without that lock."""

_EPILOG = """\
examples:
  ocfkit sfex init -n 4 /dev/disk/by-id/shared-part1
  ocfkit sfex stat -i 2 /dev/disk/by-id/shared-part1
  ocfkit sfex hold -i 2 -t 60 -m 5 /dev/disk/by-id/shared-part1

exit codes:
  0  done; of stat: this node holds the lock; of hold: it is taken, or was released
  1  no block device, sectors of another size, or no lock of that index; of hold: anything but
     what follows, such as a lock that was lost
  2  of stat: this node does not hold the lock; of hold: another node holds it
  3  the device or what is on it cannot be read or written, or init refuses it; of hold: the
     device cannot be opened
  4  wrong call
"""

_BLKID_TIME = 30.0  # seconds


class ToolError(Exception):
    """The command ends with `exit_code`; the argument is the sentence that says why."""

    def __init__(self, exit_code: int, sentence: str) -> None:
        super().__init__(sentence)
        self.exit_code = exit_code


def configure(parser: argparse.ArgumentParser) -> None:
    """Add its arguments."""
    parser.add_argument(
        "action",
        choices=("init", "stat", "hold"),
        metavar="ACTION",
        help="init: make an area of free locks; stat: show one; hold: take one and keep it",
    )
    parser.add_argument("device", metavar="DEVICE", help="a block device that all nodes share")
    init = parser.add_argument_group("of init")
    init.add_argument(
        "-n",
        metavar="NUMBER",
        help="how many locks (default: 1); of hold: the name of this node (default: uname's)",
    )
    init.add_argument(
        "--force",
        action="store_true",
        help="write even over a held lock, another format, or a device that is in use",
    )
    stat = parser.add_argument_group("of stat")
    stat.add_argument(
        "-i", dest="index", type=_number, metavar="INDEX", help="which lock (default: 1); hold too"
    )
    stat.add_argument("--json", action="store_true", help="print it as JSON")
    hold = parser.add_argument_group("of hold, with times in seconds, the same on all nodes")
    for letter, name, usual in (
        ("-c", "collision_timeout", 1),
        ("-t", "lock_timeout", 60),
        ("-m", "monitor_interval", 10),
    ):
        hold.add_argument(
            letter, dest=name, type=_seconds, metavar="TIME", help=f"{name} (default: {usual})"
        )
    hold.add_argument("-r", dest="resource", metavar="NAME", help="the resource that it is for")
    hold.add_argument(
        "--guard",
        choices=("enforce", "advise"),
        help="enforce (default): nothing is held that nobody could end in time on this node; "
        "advise: it is, and what is missing is told",
    )
    hold.add_argument(
        "--watchdog", metavar="PATH", help="a watchdog device to end this node with as well"
    )
    hold.add_argument(
        "--title", metavar="TITLE", help="what a list of processes shows before the arguments"
    )
    hold.add_argument(
        "--foreground",
        action="store_true",
        help="end when the lock is released or lost, not when it is taken",
    )
    parser.epilog = _EPILOG


_OPTIONS = {
    "init": ("-n", "--force"),
    "stat": ("-i", "--json"),
    "hold": (
        *("-i", "-n", "-c", "-t", "-m", "-r"),
        *("--guard", "--watchdog", "--title", "--foreground"),
    ),
}
"""Which action takes what."""


def run(arguments: argparse.Namespace) -> int:
    """Carry it out; raises ToolError, or HoldError, which is its like."""
    given = {
        "-n": arguments.n,
        "--force": arguments.force or None,
        "-i": arguments.index,
        "--json": arguments.json or None,
        "-c": arguments.collision_timeout,
        "-t": arguments.lock_timeout,
        "-m": arguments.monitor_interval,
        "-r": arguments.resource,
        "--guard": arguments.guard,
        "--watchdog": arguments.watchdog,
        "--title": arguments.title,
        "--foreground": arguments.foreground or None,
    }
    for option, value in given.items():
        if value is not None and option not in _OPTIONS[arguments.action]:
            raise ToolError(WRONG_CALL, f"{arguments.action} takes no {option}")
    act = {"init": _init, "stat": _stat, "hold": _hold}[arguments.action]
    try:
        return act(arguments)
    except FormatError as error:
        raise ToolError(FAILED, str(error)) from error
    except MismatchError as error:
        raise ToolError(UNFIT, str(error)) from error
    except OSError as error:
        code = UNFIT if error.errno == errno.ENOTBLK else FAILED
        raise ToolError(code, told(error)) from error


def _number(word: str) -> int:
    if not (word.isascii() and word.isdecimal() and len(word) < 9 and 1 <= int(word) <= MOST_LOCKS):
        raise argparse.ArgumentTypeError(f"{word!r} is no number from 1 to {MOST_LOCKS}")
    return int(word)


def _seconds(word: str) -> int:
    if not (word.isascii() and word.isdecimal() and len(word) < 9 and int(word) > 0):
        raise argparse.ArgumentTypeError(f"{word!r} is no number of seconds")
    return int(word)


# --- init -----------------------------------------------------------------------------------------


def _init(arguments: argparse.Namespace) -> int:
    try:
        numlocks = 1 if arguments.n is None else _number(arguments.n)
    except argparse.ArgumentTypeError as error:
        raise ToolError(WRONG_CALL, f"argument -n: {error}") from error
    try:
        device = BlockDevice(arguments.device, writable=True, exclusive=not arguments.force)
    except OSError as error:
        if error.errno == errno.EBUSY:
            raise _refused(f"{arguments.device} is mounted, or part of another device") from error
        raise
    with device:
        try:
            store.require_room(device, numlocks)
        except MismatchError as error:
            raise ToolError(FAILED, str(error)) from error
        if not arguments.force:
            _require_unused(device)
        store.create(device, numlocks)
    return DONE


def _require_unused(device: BlockDevice) -> None:
    try:
        for index, record in store.held(device):
            holder = f"{shown(record.name)!r} (count {record.count})"
            raise _refused(f"lock {index} of {device.path} is held by {holder}")
    except MismatchError as error:
        raise _refused(str(error)) from error
    found = _signature(device.path)
    if found:
        raise _refused(f"{device.path} holds {found}")


def _refused(why: str) -> ToolError:
    return ToolError(FAILED, f"{why}; nothing was written, and --force would write all the same")


def _signature(path: str) -> str:
    """What else is on a device, such as "ext4" or "dos"; "" for nothing.

    blkid(8) knows some hundred formats, wherever on a device they leave their mark, and it is part
    of every system that has mkfs; a list of our own would miss the one that matters.
    """
    asked = ["blkid", "-p", "-o", "value", "-s", "TYPE", "-s", "PTTYPE", os.path.abspath(path)]
    ended = proc.run(asked, env=ENVIRONMENT, deadline=_BLKID_TIME)
    found = ended.stdout.split()
    if found:
        return " and ".join(found)
    if ended.code in (0, 2):  # 0 of a partition: blkid knows that it is one
        return ""
    said = ended.stderr.strip() or ("time is over" if ended.timed_out else f"code {ended.code}")
    return f"what blkid cannot tell ({said})"


# --- stat -----------------------------------------------------------------------------------------


def _stat(arguments: argparse.Namespace) -> int:
    index = arguments.index or 1
    with BlockDevice(arguments.device) as device:
        one = Store(device, index)
        record = one.read()
    is_ours = record.locked and record.name == os.fsencode(os.uname().nodename)
    if arguments.json:
        print(json.dumps(_facts(arguments.device, index, one.control, record, is_ours=is_ours)))
    else:
        _print_bytes_as_they_are()
        print(_text(index, one.control, record, is_ours=is_ours))
    return DONE if is_ours else NOT_OURS


def _text(index: int, control: Control, record: Record, *, is_ours: bool) -> str:
    """To the letter what sfex_stat prints: its LOCKED is "by this node", not "by anybody"."""
    return "\n".join(
        [
            "control data:",
            f"  magic: {', '.join(f'0x{byte:x}' for byte in MAGIC)}",
            f"  version: {VERSION}",
            f"  revision: {control.revision}",
            f"  blocksize: {control.blocksize}",
            f"  numlocks: {control.numlocks}",
            f"lock data #{index}:",
            f"  status: {'lock' if record.locked else 'unlock'}",
            f"  count: {record.count}",
            f"  nodename: {os.fsdecode(record.name)}",
            f"status is {'LOCKED' if is_ours else 'UNLOCKED'}.",
        ]
    )


def _facts(
    device: str, index: int, control: Control, record: Record, *, is_ours: bool
) -> dict[str, str | int | bool]:
    return {
        "device": device,
        "version": VERSION,
        "revision": control.revision,
        "blocksize": control.blocksize,
        "numlocks": control.numlocks,
        "index": index,
        "locked": record.locked,
        "count": record.count,
        "nodename": shown(record.name),
        "held_by_this_node": is_ours,
    }


def _print_bytes_as_they_are() -> None:
    """A name need not be text, and comes out as it is on the disk."""
    reconfigure = getattr(sys.stdout, "reconfigure", None)
    if reconfigure is not None:
        reconfigure(errors="surrogateescape")


# --- hold -----------------------------------------------------------------------------------------


def _hold(arguments: argparse.Namespace) -> int:
    from ocfkit.agents.sfex import hold  # who looks at a lock does not load what keeps it
    from ocfkit.environment import Environment

    index = arguments.index or 1
    whose = arguments.resource or f"{arguments.device}#{index}"
    try:
        holding = hold.Holding(
            arguments.device,
            index,
            name=os.uname().nodename if arguments.n is None else arguments.n,
            resource=whose,
            collision=arguments.collision_timeout or 1,
            lock=arguments.lock_timeout or 60,
            interval=arguments.monitor_interval or 10,
            mode=arguments.guard or "enforce",
            watchdog=arguments.watchdog or "",
        )
    except ValueError as error:
        raise ToolError(WRONG_CALL, str(error)) from error
    environment = Environment({**arguments.environ, "OCF_RESOURCE_INSTANCE": whose})
    start = hold.in_foreground if arguments.foreground else hold.in_background
    start(holding, environment, arguments.title or "ocfkit sfex hold")
    return DONE
