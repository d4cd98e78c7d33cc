#!/usr/bin/env python3
"""A real daemon with a deep check: memcached, asked for its version every half minute."""

from __future__ import annotations

from ocfkit import ActionError, Daemon, DegradedError, main, monitor, param


class Memcached(Daemon):
    """Run memcached, and ask whether it still answers.

    Its process is watched every ten seconds. At depth 10 a value is written and read back, and at
    depth 20 the cache is degraded when it throws away what has not expired.
    """

    binary = param.executable("The program.", default="memcached")
    user = param.string("Who runs it.", default="memcache")
    host = param.host("Address to listen on.", default="127.0.0.1", unique="address")
    port = param.port("TCP port to listen on.", default=11211, unique="address")
    memory = param.integer("Size of the cache in MiB.", default=64, minimum=1)
    evictions = param.integer(
        "How many values may be thrown away before their time until it counts as degraded.",
        default=0,
        minimum=0,
    )

    def command(self) -> list[str]:
        address = [f"--listen={self.host}", f"--port={self.port}"]
        return [self.binary, *address, f"--memory-limit={self.memory}"]

    def runs_as(self) -> str:
        return self.user

    def listens_on(self) -> int:
        return self.port

    @monitor.depth(10, timeout="20s", interval="30s", retries=2, pause="1s")
    def a_value_comes_back(self) -> None:
        self.expect("set ocfkit 0 60 5\r\nready\r\nget ocfkit\r\n", "ready\r\nEND")

    @monitor.depth(20, timeout="20s", interval="60s")
    def nothing_is_thrown_away(self) -> None:
        answer = self.expect("stats\r\n", "END")
        rows = dict(row.split()[1:3] for row in answer.splitlines() if row.startswith("STAT "))
        if int(rows["evictions"]) > self.evictions:
            raise DegradedError(f"{rows['evictions']} values were thrown away before their time")

    def expect(self, question: str, answer: str) -> str:
        """Ask memcached until the answer stands in what it says; raises ActionError."""
        import socket  # here, because a shallow monitor does without its 5 ms

        said = ""
        with socket.create_connection((self.host, self.port), self.deadline.left()) as connection:
            connection.sendall(question.encode())
            while answer not in said:
                connection.settimeout(self.deadline.left())
                data = connection.recv(65536)
                if not data:
                    raise ActionError(f"memcached answered {said!r} and closed the connection")
                said += data.decode("utf-8", "replace")
        return said


main(Memcached)
