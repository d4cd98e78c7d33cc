"""Who listens, by real sockets; and by tables of the kernel that somebody has made to confuse."""

from __future__ import annotations

import os
import socket
import subprocess
import sys
from collections.abc import Generator, Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ocfkit.linux import sockets

NOBODY = "999999999"
"""An inode that no socket has."""

HEADINGS = "  sl  local_address ...\n"

Place = tuple[socket.AddressFamily, str]


def _has_ipv6() -> bool:
    try:
        with socket.socket(socket.AF_INET6) as one:
            one.bind(("::1", 0))
    except OSError:
        return False
    return True


LOOPBACK: list[Place] = [(socket.AF_INET, "127.0.0.1")]
if _has_ipv6():
    LOOPBACK.append((socket.AF_INET6, "::1"))


@pytest.fixture
def stack() -> Iterator[ExitStack]:
    with ExitStack() as opened:
        yield opened


def listener(stack: ExitStack, address: str, family: int = socket.AF_INET) -> socket.socket:
    made = stack.enter_context(socket.socket(family))
    made.bind((address, 0))
    made.listen()
    return made


def port_of(listening: socket.socket) -> int:
    port: int = listening.getsockname()[1]
    return port


def inode_of(one: socket.socket) -> str:
    return str(os.fstat(one.fileno()).st_ino)


class TestListening:
    @pytest.mark.parametrize(("family", "address"), LOOPBACK)
    def test_is_told_by_the_port(
        self, stack: ExitStack, family: socket.AddressFamily, address: str
    ) -> None:
        ours = listener(stack, address, family)
        assert sockets.listening(port_of(ours)) == {inode_of(ours)}

    def test_is_not_having_a_connection_on_the_port(self, stack: ExitStack) -> None:
        ours = listener(stack, "127.0.0.1")
        port = port_of(ours)
        client = stack.enter_context(socket.create_connection(("127.0.0.1", port)))
        server = stack.enter_context(ours.accept()[0])
        assert sockets.listening(port) == {inode_of(ours)}
        ours.close()
        assert sockets.listening(port) == set()
        assert client.fileno() != server.fileno()

    def test_is_not_being_bound_to_the_port(self, stack: ExitStack) -> None:
        bound = stack.enter_context(socket.socket())
        bound.bind(("127.0.0.1", 0))
        assert sockets.listening(port_of(bound)) == set()

    def test_two_may_share_a_port_on_two_addresses(self, stack: ExitStack) -> None:
        one = listener(stack, "127.0.0.2")
        port = port_of(one)
        other = stack.enter_context(socket.socket())
        other.bind(("127.0.0.3", port))
        other.listen()
        assert sockets.listening(port) == {inode_of(one), inode_of(other)}
        assert sockets.listening(port, "127.0.0.2") == {inode_of(one)}
        assert sockets.listening(port, "127.0.0.3") == {inode_of(other)}
        assert sockets.listening(port, "127.0.0.4") == set()

    def test_on_all_addresses_is_listening_on_each(self, stack: ExitStack) -> None:
        ours = listener(stack, "0.0.0.0")  # noqa: S104
        assert sockets.listening(port_of(ours), "127.0.0.4") == {inode_of(ours)}

    @pytest.mark.parametrize(
        ("printed", "address", "takes"),
        [
            ("00000000000000000000000001000000", "::1", True),
            ("00000000000000000000000000000000", "::1", True),
            ("00000000000000000000000000000000", "127.0.0.1", True),
            ("0000000000000000FFFF00000100007F", "127.0.0.1", True),
            ("0000000000000000FFFF00000100007F", "127.0.0.2", False),
            ("B80D0120000000000000000001000000", "2001:db8::1", True),
            ("B80D0120000000000000000001000000", "::1", False),
            ("00000000000000000000000001000000", "127.0.0.1", False),
        ],
    )
    def test_ipv6_addresses_are_read_as_the_kernel_prints_them(
        self, tmp_path: Path, *, printed: str, address: str, takes: bool
    ) -> None:
        (tmp_path / "net").mkdir()
        if sys.byteorder == "big":
            words = (bytes.fromhex(printed[at : at + 8]) for at in range(0, 32, 8))
            printed = "".join(word[::-1].hex().upper() for word in words)
        row = f"   0: {printed}:1F90 {'0' * 32}:0000 0A 0:0 00:0 0 0 0 4711 1 0 100 0 0 10 0\n"
        (tmp_path / "net/tcp6").write_text(HEADINGS + row)
        (tmp_path / "net/tcp").write_text(HEADINGS)
        assert sockets.listening(8080, None, str(tmp_path)) == {"4711"}
        assert sockets.listening(8080, address, str(tmp_path)) == ({"4711"} if takes else set())
        assert sockets.listening(8081, address, str(tmp_path)) == set()

    def test_a_kernel_without_ipv6_has_one_table(self, tmp_path: Path) -> None:
        (tmp_path / "net").mkdir()
        row = "   0: 0100007F:1F90 00000000:0000 0A 0:0 00:0 0 0 0 4711 1 0 100 0 0 10 0\n"
        (tmp_path / "net/tcp").write_text(HEADINGS + row)
        assert sockets.listening(8080, None, str(tmp_path)) == {"4711"}

    @pytest.mark.parametrize("address", ["localhost", "1.2.3", "::1%lo", ""])
    def test_what_is_no_address_is_an_error(self, address: str) -> None:
        with pytest.raises(OSError, match="illegal IP address"):
            sockets.listening(1, address)


def unix(stack: ExitStack, path: Path | str, kind: int = socket.SOCK_STREAM) -> socket.socket:
    made = stack.enter_context(socket.socket(socket.AF_UNIX, kind))
    made.bind(str(path))
    if kind != socket.SOCK_DGRAM:
        made.listen()
    return made


class TestBound:
    @pytest.mark.parametrize("kind", [socket.SOCK_STREAM, socket.SOCK_SEQPACKET, socket.SOCK_DGRAM])
    @pytest.mark.parametrize("name", ["s", "a name", "two  blanks ", "日本", "x 0001 01 7 y"])
    def test_is_told_by_the_path(
        self, stack: ExitStack, tmp_path: Path, kind: int, name: str
    ) -> None:
        path = tmp_path / name
        ours = unix(stack, path, kind)
        unix(stack, tmp_path / "another")
        assert sockets.bound(str(path)) == {inode_of(ours)}

    def test_may_be_told_by_another_path_to_the_same_folder(
        self, stack: ExitStack, tmp_path: Path
    ) -> None:
        (tmp_path / "real").mkdir()
        (tmp_path / "link").symlink_to("real")
        ours = unix(stack, tmp_path / "link/s")
        assert sockets.bound(str(tmp_path / "real/s")) == {inode_of(ours)}
        assert sockets.bound(str(tmp_path / "real/t")) == set()

    def test_is_not_having_a_connection_to_it(self, stack: ExitStack, tmp_path: Path) -> None:
        """Who was handed one connection, a CGI program say, may outlive him who listens."""
        ours = unix(stack, tmp_path / "s")
        client = stack.enter_context(socket.socket(socket.AF_UNIX))
        client.connect(str(tmp_path / "s"))
        server = stack.enter_context(ours.accept()[0])
        assert sockets.bound(str(tmp_path / "s")) == {inode_of(ours)}
        ours.close()
        assert sockets.bound(str(tmp_path / "s")) == set()
        assert client.fileno() != server.fileno()

    @pytest.mark.parametrize("tail", ["\nb", "\n", "\nx y z", "\na b c 00010000 0001 01 x\n/p"])
    def test_is_not_lost_behind_a_path_with_a_line_feed(
        self, stack: ExitStack, tmp_path: Path, tail: str
    ) -> None:
        """Every user can make such a socket, and the kernel prints its path as it is."""
        unix(stack, f"{tmp_path}/a{tail.replace('/p', '')}")
        ours = unix(stack, tmp_path / "s")
        assert sockets.bound(str(tmp_path / "s")) == {inode_of(ours)}

    @given(st.text(st.characters(exclude_categories=()), max_size=200))
    def test_whatever_the_table_says_is_read(
        self, tmp_path_factory: pytest.TempPathFactory, text: str
    ) -> None:
        folder = tmp_path_factory.getbasetemp() / "proc"
        (folder / "net").mkdir(parents=True, exist_ok=True)
        (folder / "net/unix").write_bytes(f"Num\n{text}".encode("utf-8", "surrogatepass"))
        assert sockets.bound("/no/such", str(folder)) == set()


@contextmanager
def holding(inherited: socket.socket) -> Generator[int]:
    """Another process that has the socket too."""
    os.set_inheritable(inherited.fileno(), True)  # noqa: FBT003
    with subprocess.Popen(["sleep", "600"], close_fds=False) as child:
        try:
            yield child.pid
        finally:
            child.kill()


class TestHolders:
    def test_are_all_that_have_it_open(self, stack: ExitStack) -> None:
        ours = listener(stack, "127.0.0.1")
        inodes = sockets.listening(port_of(ours))
        assert sockets.holders(inodes) == {os.getpid()}
        with holding(ours) as other:
            assert sockets.holders(inodes) == {os.getpid(), other}
            ours.close()
            assert sockets.holders(inodes) == {other}

    def test_of_nothing_are_none_at_all(self) -> None:
        assert sockets.holders(set()) == set()

    def test_of_a_socket_that_nobody_is_seen_to_have_cannot_be_told(self) -> None:
        """The kernel's own (NFS), another namespace's, or of a process that we may not look at."""
        assert sockets.holders({NOBODY}) is None

    def test_a_process_that_ends_meanwhile_is_passed_over(self, tmp_path: Path) -> None:
        (tmp_path / "7").mkdir()
        (tmp_path / "8/fd").mkdir(parents=True)
        (tmp_path / "8/fd/3").symlink_to("socket:[4711]")
        (tmp_path / "8/fd/4").write_text("")  # no link any more
        assert sockets.holders({"4711"}, str(tmp_path)) == {8}
