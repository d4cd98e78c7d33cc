"""Run a command to a deadline, kill its group, keep what it said."""

from __future__ import annotations

import os
import select
import signal
import time
from collections.abc import Mapping, Sequence

_GRACE = 0.05  # seconds for the last output of a command that has ended


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
    uid: int = 0,
    tail: int = 65536,
) -> Ended:
    """Run to the end, or for `deadline` seconds; then the process group is killed.

    Standard input is empty, the working directory `/`. A command that cannot be executed ends
    with 126 or 127. Daemons that it leaves behind keep its pipes and are not waited for.
    """
    started = time.monotonic()
    pipes = [os.pipe2(os.O_CLOEXEC), os.pipe2(os.O_CLOEXEC)]
    pid = os.fork()
    if pid == 0:
        _become(argv, env, uid, [write for _, write in pipes])
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


def _kill(leader: int) -> None:
    try:
        os.killpg(leader, signal.SIGKILL)
    except ProcessLookupError:  # it has not come to make its group yet
        os.kill(leader, signal.SIGKILL)


def _become(argv: Sequence[str], env: Mapping[str, str], uid: int, outputs: Sequence[int]) -> None:
    code = 126
    try:
        os.setsid()
        os.dup2(os.open("/dev/null", os.O_RDONLY), 0)
        for number, descriptor in enumerate(outputs, start=1):
            os.dup2(descriptor, number)
        os.closerange(3, 1 << 16)  # what we have inherited ourselves is not the command's business
        for number in (signal.SIGPIPE, signal.SIGINT, signal.SIGXFSZ):
            signal.signal(number, signal.SIG_DFL)
        if uid:
            os.setgroups([])
            os.setgid(uid)
            os.setuid(uid)
        os.chdir("/")
        os.execvpe(argv[0], list(argv), dict(env))  # noqa: S606 - an argv list, no shell
    except OSError as failure:
        os.write(2, f"{argv[0]}: {failure.strerror}\n".encode(errors="replace"))
        code = 127 if isinstance(failure, FileNotFoundError) else 126
    finally:  # whatever it was: there must never be two of the caller
        os._exit(code)


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
