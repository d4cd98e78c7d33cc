#!/usr/bin/env python3
"""A web server as a resource: the agent of README.md."""

from __future__ import annotations

import socket

from ocfkit import Daemon, main, monitor, param


class Web(Daemon):
    """Serve a folder over HTTP with Python's own web server."""

    port = param.port("TCP port to listen on.", default=8080, unique="port")
    root = param.path("Folder to serve.", default="/srv", exists="folder")

    def command(self) -> list[str]:
        return ["python3", "-m", "http.server", str(self.port), "--directory", self.root]

    def listens_on(self) -> int:
        return self.port

    @monitor.depth(10)
    def port_answers(self) -> None:
        socket.create_connection(("127.0.0.1", self.port), self.deadline.left()).close()


if __name__ == "__main__":
    main(Web)
