"""`ocfkit sfex`: what the C tools sfex_init and sfex_stat do, with their options, codes and output.

Unlike theirs, `init` refuses a device that is in use, and `stat` does not make up data for a lock
that cannot be read, and writes nothing.
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

exit codes:
  0  done; of stat: this node holds the lock
  1  no block device, sectors of another size, or no lock of that index
  2  of stat: this node does not hold the lock
  3  the device or what is on it cannot be read or written, or init refuses it
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
        choices=("init", "stat"),
        metavar="ACTION",
        help="init: make an area of free locks; stat: show one",
    )
    parser.add_argument("device", metavar="DEVICE", help="a block device that all nodes share")
    init = parser.add_argument_group("of init")
    init.add_argument(
        "-n", dest="numlocks", type=_number, metavar="NUMBER", help="how many locks (default: 1)"
    )
    init.add_argument(
        "--force",
        action="store_true",
        help="write even over a held lock, another format, or a device that is in use",
    )
    stat = parser.add_argument_group("of stat")
    stat.add_argument(
        "-i", dest="index", type=_number, metavar="INDEX", help="which lock (default: 1)"
    )
    stat.add_argument("--json", action="store_true", help="print it as JSON")
    parser.epilog = _EPILOG


def run(arguments: argparse.Namespace) -> int:
    """Carry it out; raises ToolError."""
    act, others = _init, {"-i": arguments.index, "--json": arguments.json}
    if arguments.action == "stat":
        act, others = _stat, {"-n": arguments.numlocks, "--force": arguments.force}
    for option, value in others.items():
        if value:
            raise ToolError(WRONG_CALL, f"{arguments.action} takes no {option}")
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


# --- init -----------------------------------------------------------------------------------------


def _init(arguments: argparse.Namespace) -> int:
    try:
        device = BlockDevice(arguments.device, writable=True, exclusive=not arguments.force)
    except OSError as error:
        if error.errno == errno.EBUSY:
            raise _refused(f"{arguments.device} is mounted, or part of another device") from error
        raise
    with device:
        try:
            store.require_room(device, arguments.numlocks or 1)
        except MismatchError as error:
            raise ToolError(FAILED, str(error)) from error
        if not arguments.force:
            _require_unused(device)
        store.create(device, arguments.numlocks or 1)
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
