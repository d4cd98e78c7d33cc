#!/usr/bin/python3 -IS
"""A service so small that an agent of it can be whole: says pong to whoever says ping."""

import os
import socket
import sys


def serve(port: int, pid_file: str) -> None:
    """Listen, then write the pid file, then answer for ever."""
    here = socket.socket(socket.AF_INET, socket.SOCK_STREAM)
    here.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    here.bind(("127.0.0.1", port))
    here.listen(16)
    with open(f"{pid_file}.new", "w") as file:
        file.write(f"{os.getpid()}\n")
    os.rename(f"{pid_file}.new", pid_file)
    while True:
        taken, _ = here.accept()
        with taken:
            taken.settimeout(1.0)
            try:
                if taken.recv(5) == b"ping\n":
                    taken.sendall(b"pong\n")
            except OSError:
                pass


def ask(port: int) -> None:
    """Say ping; exit with 0 if pong is the answer within two seconds."""
    with socket.create_connection(("127.0.0.1", port), 2.0) as there:
        there.settimeout(2.0)
        there.sendall(b"ping\n")
        sys.exit(there.recv(5) != b"pong\n")


if __name__ == "__main__":
    if sys.argv[1] == "serve":
        serve(int(sys.argv[2]), sys.argv[3])
    try:
        ask(int(sys.argv[2]))
    except OSError:
        sys.exit(1)
