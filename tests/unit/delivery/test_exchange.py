"""Reading answers from a socket, whole and in pieces."""

import socket
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from http.client import BadStatusLine, HTTPException, IncompleteRead, RemoteDisconnected
from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from app.observability.delivery.exchange import MOST_BYTES, Answer, read_answer

PLAIN = b'HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nContent-Length: 7\r\n\r\n{"a":1}'
CHUNKED = (
    b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n"
    b"5\r\n0\r\n\r\n\r\nA;name=value\r\n0123456789\r\n0\r\nTrailer: x\r\n\r\n"
)
EMPTY = b"HTTP/1.1 204 No Content\r\n\r\n"
LIMITED = (
    b"HTTP/1.1 429 \r\nretry-AFTER:  60 \r\nX-Sentry-Rate-Limits: 1:a:b\r\n"
    b"x-sentry-rate-limits: 2:c:d\r\ncontent-length: 0\r\n\r\n"
)
CONTINUED = b"HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 103 Early Hints\r\nLink: x\r\n\r\n" + PLAIN
USUAL = [PLAIN, CHUNKED, EMPTY, LIMITED, CONTINUED]


@contextmanager
def answering(*parts: bytes, ends: bool = False) -> Iterator[socket.socket]:
    """A socket from which the parts come, and then the end if it `ends`."""
    ours, theirs = socket.socketpair()
    ours.settimeout(5)

    def write() -> None:
        try:
            for part in parts:
                theirs.sendall(part)
            if ends:
                theirs.shutdown(socket.SHUT_WR)
        except OSError:
            return  # the reader had enough

    writer = threading.Thread(target=write)
    writer.start()
    try:
        yield ours
    finally:
        ours.close()
        writer.join()
        theirs.close()


def read(*parts: bytes, ends: bool = False, timeout_s: float = 5.0) -> tuple[Answer, bool]:
    with answering(*parts, ends=ends) as sock:
        return read_answer(sock, timeout_s)


class Pieces(socket.socket):
    """A socket that hands out given pieces, one for each `recv`, then the end."""

    def __init__(self, pieces: list[bytes]) -> None:
        super().__init__()
        self._pieces = [piece for piece in pieces if piece]

    def recv(self, size: int, flags: int = 0, /) -> bytes:
        return self._pieces.pop(0) if self._pieces else b""


def read_pieces(*pieces: bytes) -> tuple[Answer, bool]:
    with Pieces(list(pieces)) as sock:
        return read_answer(sock, 5.0)


def test_status_and_headers_are_read_and_the_connection_can_be_used_again() -> None:
    answer, is_reusable = read(PLAIN)
    assert answer == Answer(200, {"content-type": "application/json", "content-length": "7"})
    assert is_reusable


@pytest.mark.parametrize("usual", USUAL)
def test_two_answers_after_one_another_are_told_apart(usual: bytes) -> None:
    with answering(usual) as sock:
        first, is_reusable = read_answer(sock, 5.0)
        assert is_reusable
        assert first.status in (200, 204, 429)
        sock.setblocking(False)
        with pytest.raises(BlockingIOError):
            sock.recv(1)


@given(st.sampled_from(USUAL), st.data())
def test_an_answer_may_come_in_any_pieces(usual: bytes, data: st.DataObject) -> None:
    cuts = sorted(data.draw(st.lists(st.integers(0, len(usual)), max_size=6)))
    bounds = [0, *cuts, len(usual)]
    pieces = [usual[a:b] for a, b in pairwise(bounds)]
    assert read_pieces(*pieces) == read_pieces(usual)
    assert read_pieces(*pieces)[1]


def test_names_of_headers_are_lower_case_and_repeated_ones_are_joined() -> None:
    answer, _ = read(LIMITED)
    assert answer.headers["retry-after"] == "60"
    assert answer.headers["x-sentry-rate-limits"] == "1:a:b, 2:c:d"


@pytest.mark.parametrize(
    "last",
    [
        b"HTTP/1.1 200 OK\r\nConnection: close\r\nContent-Length: 0\r\n\r\n",
        b"HTTP/1.0 200 OK\r\nContent-Length: 0\r\n\r\n",
        b"HTTP/1.1 200 OK\r\n\r\nuntil the end",
        b"HTTP/1.1 200 OK\r\nContent-Length: many\r\n\r\n",
        b"HTTP/1.1 200 OK\r\nContent-Length: -5\r\n\r\n",
        b"HTTP/1.1 200 OK\r\nContent-Length: %d\r\n\r\n" % (MOST_BYTES + 1),
        b"HTTP/1.1 200 OK\r\nTransfer-Encoding: gzip, chunked\r\n\r\n",
        b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n-1\r\n",
        b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\nfive\r\n",
        PLAIN + b"HTTP/1.1 408 Request Timeout\r\n\r\n",
    ],
)
def test_a_connection_whose_next_answer_could_be_mistaken_is_not_used_again(last: bytes) -> None:
    answer, is_reusable = read(last)
    assert answer.status == 200
    assert not is_reusable


def test_an_old_server_that_keeps_the_connection_is_used_again() -> None:
    assert read(b"HTTP/1.0 200 OK\r\nConnection: Keep-Alive\r\nContent-Length: 0\r\n\r\n")[1]


@pytest.mark.parametrize("cut", [PLAIN[:-3], CHUNKED[:60], CHUNKED[:-1]])
def test_an_answer_stands_even_if_its_body_breaks_off(cut: bytes) -> None:
    answer, is_reusable = read(cut, ends=True)
    assert answer.status == 200
    assert not is_reusable


def test_an_answer_stands_even_if_its_body_never_ends() -> None:
    chunk = b"4000\r\n" + b"x" * 0x4000 + b"\r\n"
    answer, is_reusable = read(b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n", *[chunk] * 20)
    assert answer.status == 200
    assert not is_reusable


@pytest.mark.parametrize(
    ("what", "failure"),
    [
        (b"", RemoteDisconnected),
        (PLAIN[:20], IncompleteRead),
        (b"SSH-2.0-OpenSSH\r\n\r\n", BadStatusLine),
        (b"HTTP/2 200 OK\r\n\r\n", BadStatusLine),
        (b"HTTP/1.1 ok\r\n\r\n", BadStatusLine),
        (b"HTTP/1.1 007 ok\r\n\r\n", BadStatusLine),
        (b"HTTP/1.1 200 OK\r\n" + b"x: y\r\n" * MOST_BYTES, HTTPException),
    ],
)
def test_what_is_no_answer_is_a_failure(what: bytes, failure: type[Exception]) -> None:
    with pytest.raises(failure):
        read(what, ends=True)


def test_a_server_that_dribbles_does_not_hold_us_for_longer_than_the_timeout() -> None:
    with pytest.raises(TimeoutError):
        read(PLAIN[:10], timeout_s=-1.0)
    with answering(PLAIN[:10]) as sock:
        sock.settimeout(0.01)
        with pytest.raises(TimeoutError):
            read_answer(sock, 5.0)
