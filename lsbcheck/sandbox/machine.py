"""What PID 1 of a private machine does: runs what it is told to, reaps, looks, and makes faults."""

from __future__ import annotations

import array
import base64
import contextlib
import fcntl
import json
import os
import select
import shutil
import signal
import socket
import stat
import time
from typing import TYPE_CHECKING, Any, Protocol

from lsbcheck.sandbox import watch
from ocfkit.linux import process

if TYPE_CHECKING:
    from collections.abc import Callable

_TAIL = 65536
_FLOOD = 4 << 20  # bytes of output after which a command is read slowly, so that it waits for us
_FLOOD_PAUSE = 0.05
_TICK = 0.025
_BEAT = 0.25  # while a command runs we look at the clock so often, to see how late we come
_STARVED = 4  # a settle ends after this many times its limit by the clock, whatever the load
_MOST_CHANGES = 20_000
_LONGEST_COMMAND = 32768
_CAPABILITY = "security.capability"
_LISTENING = {"tcp": "0A", "tcp6": "0A", "udp": "07", "udp6": "07"}

Json = Any  # what json.loads returns: checked where it is used


class Link(Protocol):
    """The line to the front, of which a socket is one kind."""

    def fileno(self) -> int:
        """What can be polled for reading."""
        ...

    def recv(self, most: int, /) -> bytes:
        """What has come; b"" when the front has gone."""
        ...

    def sendall(self, message: bytes, /) -> None:
        """Hand over all of it."""
        ...


def _wake(_number: int, _frame: object) -> None:
    """Let a signal interrupt the wait; the byte in the pipe says the rest."""


class _Output:
    """One pipe of a command: the tail of what came, at a bounded pace."""

    def __init__(self) -> None:
        self.read_end, self.write_end = os.pipe2(os.O_CLOEXEC)
        os.set_blocking(self.read_end, False)
        self.tail = bytearray()
        self.total = 0
        self.resume = 0.0

    def read(self) -> bool:
        """Take what is there; False at the end of the pipe."""
        try:
            chunk = os.read(self.read_end, 65536)
        except BlockingIOError:
            return True
        self.total += len(chunk)
        self.tail += chunk
        if len(self.tail) > 2 * _TAIL:
            del self.tail[:-_TAIL]
        if self.total > _FLOOD:
            self.resume = time.monotonic() + _FLOOD_PAUSE
        return bool(chunk)

    def text(self) -> str:
        return bytes(self.tail[-_TAIL:]).decode(errors="replace")


class Machine:
    """The event loop, and one method for each request of the front."""

    def __init__(
        self,
        link: Link,
        watcher: watch.Watcher,
        written: int,
        layers: list[str],
        notes: list[str],
    ) -> None:
        """Take over what set-up has made; `written` holds a folder for each of the layers."""
        self.link = link
        self.watcher = watcher
        self.written = written
        self.layers = layers
        self.outputs: dict[int, _Output] = {}
        self.ended: dict[int, tuple[int, float]] = {}
        """Wait status and seconds of processor time of the command that is awaited."""
        self.awaited = 0
        self.poll = select.poll()
        wake_read, wake_write = os.pipe2(os.O_NONBLOCK | os.O_CLOEXEC)
        self.wake = wake_read
        signal.set_wakeup_fd(wake_write, warn_on_full_buffer=False)
        signal.signal(signal.SIGCHLD, _wake)
        self.poll.register(wake_read, select.POLLIN)
        self.poll.register(link, 0)  # only to hear that the front has gone
        if watcher.listener is not None:
            self.poll.register(watcher.listener, select.POLLIN)
        send(link, {"ready": notes})

    def serve(self) -> None:
        """Answer requests until the front closes its end."""
        waiting = b""
        while True:
            self.poll.modify(self.link, select.POLLIN)
            while b"\n" not in waiting:
                if self.pump(None):
                    chunk = self.link.recv(1 << 20)
                    if not chunk:
                        return
                    waiting += chunk
            self.poll.modify(self.link, 0)
            line, _, waiting = waiting.partition(b"\n")
            send(self.link, self.answer(json.loads(line)))

    def answer(self, request: dict[str, Json]) -> Json:
        """Do what is asked; an OSError becomes part of the answer."""
        method: Callable[..., Json] = getattr(self, "do_" + request.pop("do"))
        try:
            return {"answer": method(**request)}
        except OSError as failure:
            return {"errno": failure.errno, "path": str(failure.filename or "")}

    def pump(self, timeout: float | None) -> bool:
        """Handle what happens within the time; True when the front has said something."""
        now = time.monotonic()
        paused = [each for each in self.outputs.values() if each.resume]
        for output in paused:
            if output.resume <= now:
                output.resume = 0.0
                self.poll.register(output.read_end, select.POLLIN)
        if any(each.resume for each in paused):
            timeout = min(timeout or _FLOOD_PAUSE, _FLOOD_PAUSE)
        said = False
        for descriptor, event in self.poll.poll(None if timeout is None else timeout * 1000):
            if descriptor == self.wake:
                self.reap()
            elif descriptor == self.link.fileno():
                if event & select.POLLHUP and not event & select.POLLIN:
                    os._exit(0)
                said = True
            elif descriptor == self.watcher.listener:
                self.watcher.handle()
            else:
                self.drain(self.outputs[descriptor])
        return said

    def reap(self) -> None:
        """Collect every child that has ended; orphans become ours."""
        with contextlib.suppress(BlockingIOError):
            os.read(self.wake, 4096)
        with contextlib.suppress(ChildProcessError):
            while True:
                pid, status, used = os.wait4(-1, os.WNOHANG)
                if pid == 0:
                    return
                if pid == self.awaited:
                    self.ended[pid] = status, used.ru_utime + used.ru_stime

    def drain(self, output: _Output) -> None:
        """Read one pipe; close it at its end, leave it for a while when it floods."""
        if not output.read():
            self.poll.unregister(output.read_end)
            os.close(output.read_end)
            del self.outputs[output.read_end]
        elif output.resume:
            self.poll.unregister(output.read_end)

    # one method a request, with the arguments of the interface

    def do_run(self, argv: list[str], env: dict[str, str], deadline: float, uid: int) -> Json:
        """Run a command to its end or to its deadline."""
        started = time.monotonic()
        pipes = (_Output(), _Output())
        pid = self._start(argv, env, uid, pipes[0].write_end, pipes[1].write_end)
        self.awaited = pid
        for output in pipes:
            os.close(output.write_end)
            self.outputs[output.read_end] = output
            self.poll.register(output.read_end, select.POLLIN)
        until = started + deadline
        late = 0.0
        while pid not in self.ended and (left := until - (now := time.monotonic())) > 0:
            beat = min(left, _BEAT)
            self.pump(beat)
            late += max(0.0, time.monotonic() - now - beat)
        timed_out = pid not in self.ended
        seconds = time.monotonic() - started
        while pid not in self.ended:
            self.kill_group(pid)
            self.pump(_TICK)
        self.pump(0)
        self._read_rest(pipes)
        status, processor = self.ended.pop(pid)
        self.awaited = 0
        return {
            "code": os.WEXITSTATUS(status) if os.WIFEXITED(status) else None,
            "signal": os.WTERMSIG(status) if os.WIFSIGNALED(status) else None,
            "timed_out": timed_out,
            "seconds": seconds,
            "processor": processor,
            "late": late,
            "stdout": pipes[0].text(),
            "stderr": pipes[1].text(),
            "full": self._disk_is_full(),
        }

    def _disk_is_full(self) -> bool:
        left = os.fstatvfs(self.written)
        return left.f_bavail == 0 or left.f_favail == 0

    def _read_rest(self, pipes: tuple[_Output, _Output]) -> None:
        for output in pipes:
            if output.resume and output.read_end in self.outputs:
                output.resume = 0.0
                self.poll.register(output.read_end, select.POLLIN)
            before = -1
            while output.read_end in self.outputs and not output.resume and before < output.total:
                before = output.total
                self.drain(output)

    def do_spawn(self, argv: list[str], uid: int) -> int:
        """Start a program that stays."""
        sink = os.open("/dev/null", os.O_WRONLY | os.O_CLOEXEC)
        try:
            return self._start(argv, {}, uid, sink, sink)
        finally:
            os.close(sink)

    def _start(self, argv: list[str], env: dict[str, str], uid: int, out: int, err: int) -> int:
        pid = os.fork()
        if pid:
            return pid
        try:
            signal.set_wakeup_fd(-1)
            for number in (signal.SIGPIPE, signal.SIGINT, signal.SIGXFSZ, signal.SIGCHLD):
                signal.signal(number, signal.SIG_DFL)
            os.setsid()
            source = os.open("/dev/null", os.O_RDONLY)
            for descriptor, standard in ((source, 0), (out, 1), (err, 2)):
                os.dup2(descriptor, standard)
            if uid:
                os.setgroups([])
                os.setgid(uid)
                os.setuid(uid)
            os.chdir("/")
            os.execvpe(argv[0], argv, env)  # noqa: S606 - an argv list is what we are here for
        except OSError as failure:
            os.write(2, f"{argv[0]}: {failure.strerror}\n".encode(errors="replace"))
            os._exit(127 if isinstance(failure, FileNotFoundError) else 126)

    def kill_group(self, leader: int) -> None:
        """Kill a command that has run out of time, with its process group."""
        with contextlib.suppress(ProcessLookupError):  # it may not have come to make its group yet
            self.watcher.send(-leader, signal.SIGKILL)

    def do_processes(self) -> Json:
        """Every process but ourselves."""
        return [each for pid in self._pids() if (each := _describe(pid))]

    def do_settle(
        self, quiet: float, at_most: float, base: list[list[int]], gone: list[list[int]]
    ) -> Json:
        """Wait until what runs has not changed for a while, counted in ticks of our own.

        Under load our ticks come late like everything else in here, and a process that is
        runnable, or in the kernel's hands, is not done: so load makes the wait longer and the
        answer no different.
        """
        ignored = {(pid, start) for pid, start in base}
        leaving = {(pid, start) for pid, start in gone}
        end = time.monotonic() + at_most * _STARVED
        programs: set[str] | None = None
        since: set[tuple[int, int]] = set()
        still = counted = 0.0
        while still < quiet and counted < at_most and time.monotonic() < end:
            seen = {
                (each.pid, each.start): (process.executable(each.pid) or each.comm, each.state)
                for each in self._stats()
                if (each.pid, each.start) not in ignored
            }
            running = {program for program, _ in seen.values()}
            stays = not seen or bool(since & seen.keys())
            busy = any(state in "RD" for _, state in seen.values())
            if running == programs and stays and not busy and not leaving & seen.keys():
                still += _TICK
            else:
                still, programs, since = 0.0, running, set(seen)
            counted += _TICK
            self._wait(_TICK)
        return [each for each in self.do_processes() if (each["pid"], each["start"]) not in ignored]

    def _wait(self, seconds: float) -> None:
        until = time.monotonic() + seconds
        while (left := until - time.monotonic()) > 0:
            self.pump(left)

    def do_listeners(self) -> list[str]:
        """Listening sockets of this network namespace."""
        return sorted({*_inet_listeners(), *_unix_listeners()})

    def do_execs(self) -> Json:
        """What the watcher saw of execve(2)."""
        return self.watcher.execs

    def do_signals(self) -> Json:
        """What the watcher did to signals."""
        return self.watcher.signals

    def do_inject(self, fault: str, pids: list[int]) -> None:
        """From now on, signals to these processes are swallowed or refused."""
        self.watcher.inject(fault, set(pids))

    def do_send_signal(self, pids: list[int], number: int) -> None:
        """Send a signal past the watcher."""
        for pid in pids:
            with contextlib.suppress(ProcessLookupError):
                self.watcher.send(pid, number)

    def do_changed_files(self) -> list[str]:
        """Walk what was written in every layer, and the private folders."""
        changed: set[str] = set()
        for number, path in enumerate(self.layers):
            folder = os.open(str(number), os.O_RDONLY | os.O_DIRECTORY, dir_fd=self.written)
            try:
                _walk(folder, path.rstrip("/"), changed)
            finally:
                os.close(folder)
        for path in ("/run", "/tmp"):  # noqa: S108 - the sandbox's own
            try:
                folder = os.open(path, os.O_RDONLY | os.O_DIRECTORY)
            except FileNotFoundError:
                continue  # where it is no mount, a script may have removed it
            try:
                _walk(folder, path, changed)
            finally:
                os.close(folder)
        return sorted(changed)

    def do_read_file(self, path: str, limit: int) -> str:
        """The beginning of a regular file, in base 64."""
        descriptor = os.open(path, os.O_RDONLY | os.O_NONBLOCK | os.O_CLOEXEC)
        try:
            if not stat.S_ISREG(os.fstat(descriptor).st_mode):
                raise OSError(22, "not a regular file", path)
            with open(descriptor, "rb", closefd=False) as file:  # the kernel's files come in pages
                return base64.b64encode(file.read(limit)).decode()
        finally:
            os.close(descriptor)

    def do_put_file(self, path: str, content: str, mode: int) -> None:
        """Write beside and rename, so that no running program is written into."""
        os.makedirs(os.path.dirname(path), exist_ok=True)
        beside = f"{path}.{os.urandom(4).hex()}"
        flags = os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC
        descriptor = os.open(beside, flags, 0o600)
        try:
            with open(descriptor, "wb") as file:
                file.write(base64.b64decode(content))
                os.fchmod(file.fileno(), mode)
            os.rename(beside, path)
        except OSError:
            with contextlib.suppress(OSError):
                os.unlink(beside)
            raise

    def do_move_file(self, path: str, to: str) -> None:
        """Rename, or copy where two file systems meet."""
        os.makedirs(os.path.dirname(to), exist_ok=True)
        was = os.stat(path)
        try:
            os.rename(path, to)
        except OSError as failure:
            if failure.errno != 18:  # EXDEV
                raise
            shutil.copyfile(path, to)
            os.chown(to, was.st_uid, was.st_gid)
            os.chmod(to, stat.S_IMODE(was.st_mode))
            with contextlib.suppress(OSError):  # it has no file capabilities
                os.setxattr(to, _CAPABILITY, os.getxattr(path, _CAPABILITY))
            os.unlink(path)

    def do_remove_file(self, path: str) -> None:
        """unlink(2)."""
        os.unlink(path)

    def _pids(self) -> list[int]:
        return [pid for pid in process.pids() if pid != 1]

    def _stats(self) -> list[process.Stat]:
        found: list[process.Stat] = []
        for pid in self._pids():
            with contextlib.suppress(OSError):
                one = process.stat(pid)
                if one.state not in "ZX":
                    found.append(one)
        return found


def _describe(pid: int) -> dict[str, Json] | None:
    try:
        one = process.stat(pid)
        if one.state in "ZX":
            return None
        return {
            "pid": pid,
            "start": one.start,
            "ppid": one.ppid,
            "state": one.state,
            "uid": process.owner(pid),
            "comm": one.comm,
            "exe": process.executable(pid),
            "argv": _shortened(process.command_line(pid)),
        }
    except OSError:
        return None  # gone while we looked


def _shortened(argv: list[str]) -> list[str]:
    """A process may put as much as it likes there; 512 of them must fit into an answer."""
    left = _LONGEST_COMMAND
    for number, argument in enumerate(argv):
        left -= len(argument) + 1
        if left < 0:
            return argv[:number]
    return argv


def _inet_listeners() -> list[str]:
    found: list[str] = []
    for name, listening in _LISTENING.items():
        with contextlib.suppress(OSError), open(f"/proc/net/{name}", encoding="ascii") as table:
            for line in list(table)[1:]:
                fields = line.split()
                if fields[3] == listening and int(fields[2].rpartition(":")[2], 16) == 0:
                    found.append(f"{name[:3]} {_address(fields[1])}")
    return found


def _address(text: str) -> str:
    """`0100007F:0050` → `127.0.0.1:80`; the words are in the machine's byte order (proc(5))."""
    host, _, port = text.partition(":")
    words = array.array("I", [int(host[i : i + 8], 16) for i in range(0, len(host), 8)])
    if len(words) == 1:
        return f"{socket.inet_ntop(socket.AF_INET, words.tobytes())}:{int(port, 16)}"
    return f"[{socket.inet_ntop(socket.AF_INET6, words.tobytes())}]:{int(port, 16)}"


def _unix_listeners() -> list[str]:
    accepts = 0x10000  # __SO_ACCEPTCON, <linux/net.h>
    found: list[str] = []
    with contextlib.suppress(OSError), open("/proc/net/unix", errors="replace") as table:
        for line in list(table)[1:]:
            fields = line.split(maxsplit=7)
            if len(fields) == 8 and int(fields[3], 16) & accepts:
                found.append(f"unix {fields[7].strip()}")
    return found


def _walk(folder: int, prefix: str, changed: set[str]) -> None:
    device = os.fstat(folder).st_dev
    for path, folders, files, here in os.fwalk(".", dir_fd=folder, follow_symlinks=False):
        place = prefix + path.removeprefix(".")
        links: list[str] = []
        for name in tuple(folders):
            try:
                one = os.stat(name, dir_fd=here, follow_symlinks=False)
            except FileNotFoundError:
                continue  # gone while we looked
            if stat.S_ISLNK(one.st_mode):
                links.append(name)
            elif one.st_dev != device:  # another mount: a layer of its own
                folders.remove(name)
        changed.update(f"{place}/{name}" for name in (*files, *links))
        if len(changed) > _MOST_CHANGES:
            return


def send(link: Link, message: Json) -> None:
    """One line to the front, waiting until it has taken all of it."""
    fcntl.fcntl(link, fcntl.F_SETFL, fcntl.fcntl(link, fcntl.F_GETFL) & ~os.O_NONBLOCK)
    link.sendall(json.dumps(message).encode() + b"\n")
