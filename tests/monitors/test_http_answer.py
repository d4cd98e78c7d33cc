"""Answers of HTTP in whatever pieces they come, and what is none."""

from __future__ import annotations

from contextlib import suppress
from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ocfkit.errors import ActionError
from ocfkit.monitors.http_answer import Page, Reader
from ocfkit.monitors.question import Question

LIMIT = 150


class Pieces:
    """A stream that gives what it has in pieces."""

    def __init__(self, said: bytes, cuts: list[int]) -> None:
        places = sorted({0, len(said), *(cut % (len(said) + 1) for cut in cuts)})
        self._pieces = [said[a:b] for a, b in pairwise(places)]

    def send(self, data: bytes) -> bool:
        raise NotImplementedError

    def receive(self, so_far: str) -> bytes:
        assert so_far.isprintable()
        return self._pieces.pop(0) if self._pieces else b""

    def close(self) -> None:
        raise NotImplementedError


def read(said: bytes, cuts: list[int]) -> Page:
    reader = Reader(Pieces(said, cuts), Question("GET x"), LIMIT)
    page = reader.head()
    reader.read_body(page)
    return page


def pieces(body: bytes, size: int) -> list[bytes]:
    return [body[place : place + size] for place in range(0, len(body), size)]


ENDS = st.sampled_from([b"\r\n", b"\n"])
CUTS = st.lists(st.integers(0, 1000))


@given(
    body=st.binary(max_size=2 * LIMIT),
    cuts=CUTS,
    ends=ENDS,
    size=st.integers(1, 20),
    way=st.sampled_from(["chunks", "length", "close"]),
    before=st.booleans(),
)
def test_a_page_is_the_same_in_whatever_pieces_it_comes(
    *, body: bytes, cuts: list[int], ends: bytes, size: int, way: str, before: bool
) -> None:
    rows = [b"HTTP/1.1 100 Continue", b""] if before else []
    rows += [b"HTTP/1.1 200 OK", b"X-A: one", b"x-a:two", b"\tand more"]
    said = body
    if way == "length":
        rows.append(b"Content-Length: %d" % len(body))
        said += b"rest"
    if way == "chunks":
        rows.append(b"Transfer-Encoding: Chunked")
        parts = [b"%X;a=b%s%s%s" % (len(part), ends, part, ends) for part in pieces(body, size)]
        said = b"".join(parts) + b"0" + ends + b"Trailer: x" + ends + ends
    page = read(ends.join([*rows, b"", b""]) + said, cuts)
    assert page.status == 200
    assert page.headers["x-a"] == "one, two and more"
    assert page.body == body[:LIMIT]
    assert page.is_cut == (len(body) > LIMIT)


HEADS = st.sampled_from(
    [
        b"",
        b"HTTP/1.1 ",
        b"HTTP/1.1 200 OK\r\n",
        b"HTTP/1.1 200 OK\r\nContent-Length: ",
        b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n",
        b"HTTP/1.1 200 OK\r\nTransfer-Encoding: ",
    ]
)


@given(head=HEADS, said=st.binary(max_size=300), cuts=CUTS)
def test_garbage_is_a_failure_and_never_a_crash(head: bytes, said: bytes, cuts: list[int]) -> None:
    with suppress(ActionError):
        page = read(head + said, cuts)
        assert 100 <= page.status <= 999
        assert len(page.body) <= LIMIT


@pytest.mark.parametrize("status", [101, 204, 304])
def test_some_answers_have_no_page_whatever_they_say(status: int) -> None:
    said = b"HTTP/1.1 %d X\r\nContent-Length: 5\r\n\r\n" % status
    assert read(said, []).body == b""


@pytest.mark.parametrize(
    "row", [b"Content-Length: 5, 5", b"Content-Length: 5\r\nContent-Length: 5", b"no colon at all"]
)
def test_what_browsers_take_is_taken(row: bytes) -> None:
    assert read(b"HTTP/1.1 200\r\n%s\r\n\r\nready" % row, []).body == b"ready"


def test_nothing_is_waited_for_when_it_cannot_become_an_answer() -> None:
    class Silent(Pieces):
        def receive(self, so_far: str) -> bytes:
            return super().receive(so_far) or pytest.fail("it waited")

    with pytest.raises(ActionError, match="it said '220 mail', which is not HTTP"):
        Reader(Silent(b"220 mail\r\n", []), Question("GET x"), LIMIT).head()
