"""Run a command to a deadline, or start a daemon; kill its group, keep what it said."""

from __future__ import annotations

import errno
import os
import select
import time

TYPE_CHECKING = False  # as typing's, which every agent would pay for
if TYPE_CHECKING:
    import signal
    from collections.abc import Mapping, Sequence
    from typing import NoReturn
else:
    import _signal as signal  # without the enums of the front

_GRACE = 0.05  # seconds for the last output of a command that has ended


class Credentials:
    """Whose rights a command gets: a uid, a gid and the supplementary groups."""

    __slots__ = ("gid", "groups", "uid")

    def __init__(self, uid: int, gid: int, groups: Sequence[int] = ()) -> None:
        self.uid = uid
        self.gid = gid
        self.groups = tuple(groups)

    def take(self) -> None:
        """Become that user for good."""
        os.setgroups(self.groups)
        os.setgid(self.gid)
        os.setuid(self.uid)


class Ended:
    """How a command ended, with the last part of its output."""

    __slots__ = ("argv", "code", "seconds", "signal", "stderr", "stdout", "timed_out")

    def __init__(
        self, argv: Sequence[str], status: int, seconds: float, said: list[str], *, timed_out: bool
    ) -> None:
        """`status` is wait(2)'s; a command that ran out of time has neither code nor signal."""
        self.argv = tuple(argv)
        self.seconds = seconds
        self.stdout, self.stderr = said
        self.timed_out = timed_out
        ended = not timed_out
        self.code = os.WEXITSTATUS(status) if ended and os.WIFEXITED(status) else None
        self.signal = os.WTERMSIG(status) if ended and os.WIFSIGNALED(status) else None


def run(
    argv: Sequence[str],
    *,
    env: Mapping[str, str],
    deadline: float,
    credentials: Credentials | None = None,
    stdin: bytes = b"",
    tail: int = 65536,
    folder: str = "/",
) -> Ended:
    """Run to the end, or for `deadline` seconds; then the process group is killed.

    A command that cannot be executed ends with 126 or 127. Daemons that it leaves behind keep its
    pipes and are not waited for.
    """
    started = time.monotonic()
    pipes = [os.pipe2(os.O_CLOEXEC), os.pipe2(os.O_CLOEXEC)]
    pid = os.fork()
    if pid == 0:
        _become_or_exit(argv, env, credentials, stdin, [write for _, write in pipes], folder=folder)
    for _, write in pipes:
        os.close(write)
    watched = os.pidfd_open(pid)
    try:
        said = [bytearray(), bytearray()]
        timed_out = not _listen(
            watched, [read for read, _ in pipes], said, started + deadline, tail
        )
        if timed_out:
            _kill(pid)
        _, status = os.waitpid(pid, 0)
    finally:
        for descriptor in (watched, *(read for read, _ in pipes)):
            os.close(descriptor)
    texts = [bytes(each[-tail:]).decode(errors="replace") for each in said]
    return Ended(argv, status, time.monotonic() - started, texts, timed_out=timed_out)


def start(
    argv: Sequence[str],
    *,
    env: Mapping[str, str],
    credentials: Credentials | None = None,
    folder: str = "/",
    output: str = "/dev/null",
    pid_variable: str = "",
) -> int:
    """Start a daemon in a session of its own and return its pid once it is past execve(2).

    A variable of the name `pid_variable` tells it, and whoever reads its environment, its own pid:
    what it forks inherits the variable, and can be told from it.
    Its standard output and error are appended to `output`, which is opened with the rights that
    we have. Raises OSError when the program cannot be executed; its filename is what the kernel
    refused, the program or a folder or a file, and None for the credentials. It is a child of the
    caller, who may ask waitpid(2) for its end, or end itself first.
    """
    appended = _appending_to(output)
    said, says = os.pipe2(os.O_CLOEXEC)
    pid = os.fork()
    if pid == 0:
        refusal = b"%d " % errno.EINVAL  # of execve(2)'s rules, for what is no OSError: a NUL
        if pid_variable:
            env = {**env, pid_variable: str(os.getpid())}
        try:
            _become(argv, env, credentials, b"", (appended, appended), keep=says, folder=folder)
        except OSError as failure:
            refusal = b"%d %s" % (failure.errno or 0, os.fsencode(failure.filename or ""))
        finally:
            os.write(says, refusal)
            os._exit(127)
    os.close(says)
    os.close(appended)
    try:
        refusal = os.read(said, 1 << 16)  # empty when execve(2) has closed the other end
    finally:
        os.close(said)
    if refusal:
        os.waitpid(pid, 0)
        number, _, filename = refusal.partition(b" ")
        raise OSError(int(number), os.strerror(int(number)), os.fsdecode(filename) or None)
    return pid


def _appending_to(path: str) -> int:
    """Open a log whose folder may be another user's: what he puts there instead leads nowhere."""
    flags = os.O_WRONLY | os.O_APPEND | os.O_CREAT | os.O_CLOEXEC | os.O_NOFOLLOW | os.O_NOCTTY
    descriptor = os.open(path, flags | os.O_NONBLOCK, 0o640)  # a FIFO would wait for a reader
    os.set_blocking(descriptor, True)
    return descriptor


def _kill(leader: int) -> None:
    try:
        os.killpg(leader, signal.SIGKILL)
    except ProcessLookupError:  # it has not come to make its group yet
        os.kill(leader, signal.SIGKILL)


def _become_or_exit(
    argv: Sequence[str],
    env: Mapping[str, str],
    credentials: Credentials | None,
    stdin: bytes,
    outputs: Sequence[int],
    *,
    folder: str,
) -> NoReturn:
    code = 126
    try:
        _become(argv, env, credentials, stdin, outputs, folder=folder)
    except OSError as failure:
        os.write(2, f"{argv[0]}: {failure.strerror}\n".encode(errors="replace"))
        code = 127 if isinstance(failure, FileNotFoundError) else 126
    finally:  # whatever it was: there must never be two of the caller
        os._exit(code)


def _become(
    argv: Sequence[str],
    env: Mapping[str, str],
    credentials: Credentials | None,
    stdin: bytes,
    outputs: Sequence[int],
    *,
    keep: int = 2,
    folder: str = "/",
) -> NoReturn:
    os.setsid()
    os.dup2(_holding(stdin), 0)
    for number, descriptor in enumerate(outputs, start=1):
        os.dup2(descriptor, number)
    # what we have inherited ourselves is not the command's business
    os.closerange(3, keep)
    os.closerange(keep + 1, 1 << 16)
    # nor what we, or whoever called us (nohup, say), ignore and block
    for number in signal.valid_signals() - {signal.SIGKILL, signal.SIGSTOP}:
        signal.signal(number, signal.SIG_DFL)
    signal.pthread_sigmask(signal.SIG_SETMASK, ())
    if credentials is not None:
        credentials.take()
    os.chdir(folder)
    os.execvpe(argv[0], list(argv), dict(env))  # noqa: S606 - an argv list, no shell


def _holding(text: bytes) -> int:
    """A descriptor to read the text from; in memory, since it may be a secret."""
    if not text:
        return os.open("/dev/null", os.O_RDONLY)
    descriptor = os.memfd_create("stdin")
    os.write(descriptor, text)
    os.lseek(descriptor, 0, os.SEEK_SET)
    return descriptor


def _listen(
    watched: int, pipes: Sequence[int], said: Sequence[bytearray], until: float, tail: int
) -> bool:
    """Keep the tails of the pipes until the process ends; False when time is over before."""
    poll = select.poll()
    for descriptor in (watched, *pipes):
        poll.register(descriptor, select.POLLIN)
    ended = False
    open_pipes = len(pipes)
    while (left := until - time.monotonic()) > 0:
        ready = [descriptor for descriptor, _ in poll.poll(left * 1000)]
        for descriptor, text in zip(pipes, said, strict=True):
            if descriptor in ready:
                chunk = os.read(descriptor, 65536)
                text.extend(chunk)
                del text[: max(0, len(text) - 2 * tail)]
                if not chunk:
                    poll.unregister(descriptor)
                    open_pipes -= 1
        if watched in ready and not ended:
            ended = True
            poll.unregister(watched)
            until = min(until, time.monotonic() + _GRACE)
        if ended and not (ready and open_pipes):
            break
    return ended
