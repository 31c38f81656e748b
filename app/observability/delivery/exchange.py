"""Read the answer to one request from a socket: HTTP/1.1, as far as somebody needs it who sends and only looks at
status and headers.

`http.client` makes a file, a list of lines and an e-mail message of every answer: five times the CPU of all the rest
of the exchange. Whatever is unusual here ends the connection instead of being understood: the next request opens a new
one. Knows nothing of Sentry.
"""

import contextlib
import socket
import time
from collections.abc import Mapping
from dataclasses import dataclass
from http.client import BadStatusLine, HTTPException, IncompleteRead, RemoteDisconnected

CHUNK_BYTES = 16 * 1024
MOST_BYTES = 128 * 1024
"""Of one answer, head and body. A longer head is a failure, a longer body is left unread."""

NO_BODY = (204, 304)


@dataclass(frozen=True, slots=True)
class Answer:
    """What the server answered; the names of headers are lower-case, repeated ones are joined by commas."""

    status: int
    headers: Mapping[str, str]


class Incoming:
    """The bytes of one answer, read as they are needed.

    Args:
        sock: where from; its own timeout is for each step.
        timeout_s: for the whole answer: a server that sends a byte now and then does not hold us for longer.
    """

    def __init__(self, sock: socket.socket, timeout_s: float) -> None:
        self._sock = sock
        self._deadline = time.monotonic() + timeout_s
        self._buffer = b""
        self._at = 0
        self._read = 0

    def until(self, mark: bytes) -> bytes:
        """Return what comes before a mark and go on behind it."""
        while (end := self._buffer.find(mark, self._at)) < 0:
            self._fill()
        found = self._buffer[self._at : end]
        self._at = end + len(mark)
        return found

    def skip(self, size: int) -> None:
        """Go on behind `size` bytes."""
        while len(self._buffer) - self._at < size:
            self._fill()
        self._at += size

    def is_empty(self) -> bool:
        """Say whether everything that came was read."""
        return self._at == len(self._buffer)

    def _fill(self) -> None:
        if self._read:
            _acknowledge_at_once(self._sock)
        if self._read >= MOST_BYTES:
            raise HTTPException(f"the answer is longer than {MOST_BYTES} bytes")
        if time.monotonic() > self._deadline:
            raise TimeoutError("the answer took too long")
        received = self._sock.recv(CHUNK_BYTES)
        if not received:
            raise IncompleteRead(self._buffer) if self._read else RemoteDisconnected("no answer")
        self._read += len(received)
        self._buffer = self._buffer[self._at :] + received
        self._at = 0


def read_answer(sock: socket.socket, timeout_s: float) -> tuple[Answer, bool]:
    """Return the answer, and whether the connection can be used again.

    Once the head is there the answer stands, even if the rest never comes.

    Raises:
        OSError: the connection broke, or `timeout_s` has passed.
        HTTPException: what came is no answer.
    """
    incoming = Incoming(sock, timeout_s)
    version, answer = _head(incoming)
    while answer.status < 200:  # 100 Continue and its like come before the answer
        version, answer = _head(incoming)
    connection = answer.headers.get("connection", "").lower()
    stays = "close" not in connection and (version != "HTTP/1.0" or "keep-alive" in connection)
    return answer, stays and _skip_body(incoming, answer) and incoming.is_empty()


def _head(incoming: Incoming) -> tuple[str, Answer]:
    lines = str(incoming.until(b"\r\n\r\n"), "latin-1").split("\r\n")
    version, _, rest = lines[0].partition(" ")
    status = rest[:3]
    if not version.startswith("HTTP/1.") or not status.isdecimal() or int(status) < 100:
        raise BadStatusLine(lines[0])
    headers: dict[str, str] = {}
    for line in lines[1:]:
        name, _, value = line.partition(":")
        name, value = name.lower(), value.strip()
        headers[name] = f"{headers[name]}, {value}" if name in headers else value
    return version, Answer(int(status), headers)


def _skip_body(incoming: Incoming, answer: Answer) -> bool:
    """Read the body away; False if its end is not known or not worth waiting for."""
    if answer.status in NO_BODY:
        return True
    coding = answer.headers.get("transfer-encoding")
    try:
        if coding is not None:
            return coding.lower() == "chunked" and _skip_chunks(incoming)
        size = int(answer.headers.get("content-length", "-1"))
        if not 0 <= size <= MOST_BYTES:
            return False
        incoming.skip(size)
    except (OSError, HTTPException, ValueError):
        return False
    return True


def _skip_chunks(incoming: Incoming) -> bool:
    while size := int(incoming.until(b"\r\n").partition(b";")[0], 16):
        if size < 0:
            return False
        incoming.skip(size + 2)
    while incoming.until(b"\r\n"):
        pass  # fields after the last chunk
    return True


def _acknowledge_at_once(sock: socket.socket) -> None:
    """Do not delay the acknowledgement of an answer's first part, where the system lets us choose.

    A server that writes headers and body apart waits for it before it sends the body: 40 ms for each envelope.
    """
    if hasattr(socket, "TCP_QUICKACK"):
        with contextlib.suppress(OSError):
            sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_QUICKACK, 1)
