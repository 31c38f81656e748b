"""A Sentry-like ingest endpoint on loopback: keeps what it is sent, and can behave as badly as a real one.

    with IngestServer() as server:
        server.answer_with(429, {"Retry-After": "1"}, times=1)
        ...init with server.dsn, capture...
        server.wait_for(1)

Envelopes that were answered with 2xx are `envelopes`; every request, also a refused one, is in `requests`.
"""

import gzip
import json
import socket
import ssl
import threading
import time
from collections import deque
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from types import TracebackType
from typing import Any, Self

PROJECT_ID = 42
PUBLIC_KEY = "c" * 32


@dataclass(frozen=True)
class ReceivedItem:
    """One item of an envelope. `payload` is None unless it is JSON."""

    headers: dict[str, Any]
    body: bytes

    @property
    def type(self) -> str:
        return str(self.headers.get("type"))

    @property
    def payload(self) -> Any:
        try:
            return json.loads(self.body)
        except ValueError:
            return None


@dataclass(frozen=True)
class ReceivedEnvelope:
    """An envelope as it arrived; `raw` are its bytes after decompression."""

    raw: bytes
    headers: dict[str, Any]
    items: list[ReceivedItem]

    @classmethod
    def parse(cls, raw: bytes) -> "ReceivedEnvelope":
        line, _, rest = raw.partition(b"\n")
        items = []
        while rest:
            header_line, _, rest = rest.partition(b"\n")
            headers = json.loads(header_line)
            length = headers.get("length")
            if length is None:
                body, _, rest = rest.partition(b"\n")
            else:
                body, rest = rest[:length], rest[length + 1 :]
            items.append(ReceivedItem(headers, body))
        return cls(raw, json.loads(line), items)


@dataclass(frozen=True)
class ReceivedRequest:
    """One request: its path, headers (lower-case names), size on the wire and the status it was given."""

    path: str
    headers: dict[str, str]
    wire_bytes: int
    raw: bytes
    status: int


@dataclass
class _Behaviour:
    status: int = 200
    headers: dict[str, str] = field(default_factory=dict)
    body: bytes = b"{}"
    delay_s: float = 0.0
    hangs: bool = False
    drops: bool = False


class IngestServer:
    """A context manager. `port=0` takes a free one; `restart` serves on the same one again after `stop`."""

    def __init__(self, port: int = 0) -> None:
        self._port = port
        self._changed = threading.Condition()
        self._usual = _Behaviour()
        self._next: deque[_Behaviour] = deque()
        self._open: set[socket.socket] = set()
        self._released = threading.Event()
        self._server: _Server | None = None
        self._thread: threading.Thread | None = None
        self.envelopes: list[ReceivedEnvelope] = []
        self.requests: list[ReceivedRequest] = []
        self.connections = 0

    # life

    def __enter__(self) -> Self:
        self.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, value: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.stop()

    def start(self) -> None:
        """Serve; after `stop` on the same port as before. No fault if it serves already."""
        if self._server is not None:
            return
        self._released.clear()
        self._server = _Server(("127.0.0.1", self._port), _Handler, self)
        self._port = self._server.server_address[1]
        self._thread = threading.Thread(target=self._server.serve_forever, kwargs={"poll_interval": 0.02})
        self._thread.start()

    def stop(self) -> None:
        """Refuse connections from now on, and cut those that are open, hanging ones too."""
        if self._server is None or self._thread is None:
            return
        self._released.set()
        self._server.shutdown()
        with self._changed:
            for connection in self._open:
                _cut(connection)
        self._server.server_close()
        self._thread.join()
        self._server = self._thread = None

    # addresses

    @property
    def port(self) -> int:
        return self._port

    @property
    def dsn(self) -> str:
        return f"http://{PUBLIC_KEY}@127.0.0.1:{self._port}/{PROJECT_ID}"

    # behaviour

    def use_tls(self, context: ssl.SSLContext) -> None:
        """Speak TLS on connections that are made from now on."""
        assert self._server is not None
        # The handshake belongs to the connection's own thread: a client that fails it must not stop the server.
        self._server.socket = context.wrap_socket(
            self._server.socket, server_side=True, do_handshake_on_connect=False
        )

    def answer_with(
        self,
        status: int = 200,
        headers: dict[str, str] | None = None,
        *,
        body: bytes = b"{}",
        delay_s: float = 0.0,
        times: int | None = None,
    ) -> None:
        """Answer so from now on, or only to the next `times` requests. `delay_s` makes it slow."""
        self._behave(_Behaviour(status, dict(headers or {}), body, delay_s), times)

    def hang(self, times: int | None = None) -> None:
        """Read requests and never answer, until `stop` or `release`."""
        self._behave(_Behaviour(hangs=True), times)

    def drop(self, times: int | None = None) -> None:
        """Cut the connection instead of answering."""
        self._behave(_Behaviour(drops=True), times)

    def release(self) -> None:
        """Cut what hangs, and answer normally from now on."""
        with self._changed:
            self._usual = _Behaviour()
            self._next.clear()
        self._released.set()

    # what came

    def items(self, type: str | None = None) -> list[ReceivedItem]:  # noqa: A002 - Sentry's word for it
        """Return the accepted items, of one item type if it is given."""
        with self._changed:
            found = [item for envelope in self.envelopes for item in envelope.items]
        return [item for item in found if type is None or item.type == type]

    def events(self, type: str = "event") -> list[Any]:  # noqa: A002 - Sentry's word for it
        """Return the payloads of the accepted items of a type: event, transaction, feedback, client_report, ..."""
        return [item.payload for item in self.items(type)]

    def event_ids(self, type: str = "event") -> set[str]:  # noqa: A002 - Sentry's word for it
        """Return the different ids of the accepted events: sending one twice is no fault."""
        return {event["event_id"] for event in self.events(type)}

    def raw(self) -> bytes:
        """Return the bytes of all requests, accepted or not: what to search for secrets."""
        with self._changed:
            return b"\n".join(request.raw for request in self.requests)

    def wait_for(
        self, count: int, timeout: float = 10.0, *, item_type: str | None = None
    ) -> list[ReceivedEnvelope]:
        """Wait until `count` envelopes (or items of a type) were accepted, and return the envelopes.

        Raises:
            TimeoutError: they did not come.
        """
        deadline = time.monotonic() + timeout
        with self._changed:
            while self._count(item_type) < count:
                left = deadline - time.monotonic()
                if left <= 0:
                    raise TimeoutError(f"{self._count(item_type)} of {count} came within {timeout} s")
                self._changed.wait(left)
            return list(self.envelopes)

    def wait_for_requests(self, count: int, timeout: float = 10.0) -> list[ReceivedRequest]:
        """Wait until `count` requests came, whatever they were answered. A hanging one counts when it has been read."""
        deadline = time.monotonic() + timeout
        with self._changed:
            while len(self.requests) < count:
                left = deadline - time.monotonic()
                if left <= 0:
                    raise TimeoutError(f"{len(self.requests)} of {count} requests came within {timeout} s")
                self._changed.wait(left)
            return list(self.requests)

    # inside

    def _count(self, kind: str | None) -> int:
        if kind is None:
            return len(self.envelopes)
        return sum(item.type == kind for envelope in self.envelopes for item in envelope.items)

    def _behave(self, behaviour: _Behaviour, times: int | None) -> None:
        with self._changed:
            if behaviour.hangs:
                self._released.clear()
            if times is None:
                self._usual = behaviour
                self._next.clear()
            else:
                self._next.extend([behaviour] * times)

    def _receive(self, path: str, headers: dict[str, str], wire: bytes) -> _Behaviour:
        raw = gzip.decompress(wire) if headers.get("content-encoding") == "gzip" else wire
        with self._changed:
            behaviour = self._next.popleft() if self._next else self._usual
            status = 0 if behaviour.hangs or behaviour.drops else behaviour.status
            self.requests.append(ReceivedRequest(path, headers, len(wire), raw, status))
            self._changed.notify_all()
        if not behaviour.hangs and not behaviour.drops and 200 <= behaviour.status < 300:
            envelope = ReceivedEnvelope.parse(raw)
            if behaviour.delay_s:
                self._released.wait(behaviour.delay_s)
            with self._changed:
                self.envelopes.append(envelope)
                self._changed.notify_all()
        elif behaviour.hangs:
            self._released.wait()
        elif behaviour.delay_s:
            self._released.wait(behaviour.delay_s)
        return behaviour


class _Server(ThreadingHTTPServer):
    daemon_threads = False
    block_on_close = True
    request_queue_size = 128
    allow_reuse_address = True

    def __init__(
        self, address: tuple[str, int], handler: type[BaseHTTPRequestHandler], ingest: IngestServer
    ) -> None:
        self.ingest = ingest
        super().__init__(address, handler)

    def handle_error(self, request: Any, client_address: Any) -> None:
        """Say nothing about clients that were killed."""


class _Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    disable_nagle_algorithm = True

    def setup(self) -> None:
        super().setup()
        ingest = self._ingest()
        with ingest._changed:
            ingest._open.add(self.connection)
            ingest.connections += 1

    def finish(self) -> None:
        ingest = self._ingest()
        with ingest._changed:
            ingest._open.discard(self.connection)
        super().finish()

    def do_POST(self) -> None:
        length = int(self.headers.get("content-length") or 0)
        headers = {name.lower(): value for name, value in self.headers.items()}
        behaviour = self._ingest()._receive(self.path, headers, self.rfile.read(length))
        if behaviour.hangs or behaviour.drops:
            _cut(self.connection)
            self.close_connection = True
            return
        lines = [f"HTTP/1.1 {behaviour.status} {self.responses.get(behaviour.status, ('Unknown',))[0]}"]
        lines += [f"{name}: {value}" for name, value in behaviour.headers.items()]
        lines += ["Content-Type: application/json", f"Content-Length: {len(behaviour.body)}", "", ""]
        # One write: headers and body in two would meet delayed acknowledgements and cost 40 ms a request.
        self.wfile.write("\r\n".join(lines).encode() + behaviour.body)

    def log_message(self, format: str, *args: Any) -> None:  # noqa: A002 - the signature is the base class's
        """Stay quiet."""

    def _ingest(self) -> IngestServer:
        assert isinstance(self.server, _Server)
        return self.server.ingest


def _cut(connection: socket.socket) -> None:
    try:
        connection.shutdown(socket.SHUT_RDWR)
    except OSError:
        return
