"""One kept-alive connection to Sentry's envelope endpoint.

The standard library opens it, through TLS and a proxy where there is one; requests are written here, each in one piece,
and `exchange` reads the answers. Used by one thread; only `interrupt` may be called from another. Honours HTTPS_PROXY,
HTTP_PROXY and NO_PROXY.
"""

import base64
import contextlib
import http.client
import os
import select
import socket
import ssl
import time
import urllib.request
import zlib
from urllib.parse import SplitResult, quote, unquote, urlsplit

from sentry_sdk.consts import VERSION
from sentry_sdk.utils import Dsn

from .exchange import Answer, read_answer

TIMEOUT_S = 10.0
SMALLEST_GZIP = 2_000
"""Smaller bodies are sent as they are: packing costs as much CPU as half the exchange and saves one packet."""
GZIP_LEVEL = 1
"""The default level makes an event 3 % smaller for twice the CPU."""
GZIP_FORMAT = 31
TRUSTED_IDLE_S = 0.2
"""After a longer pause a connection is looked at before it is used."""
BROKEN_KEEP_ALIVE = (
    http.client.RemoteDisconnected,
    ConnectionResetError,
    BrokenPipeError,
    ConnectionAbortedError,
    ssl.SSLEOFError,
    ssl.SSLZeroReturnError,
)
"""How a connection fails which the other side closed while it was idle."""


class IngestConnection:
    """Posts envelopes. Raises OSError or http.client.HTTPException if there is no answer.

    Args:
        dsn: where to.
        timeout_s: for connecting, for each step of sending, and for the whole answer.
    """

    def __init__(self, dsn: Dsn, *, timeout_s: float = TIMEOUT_S) -> None:
        self._dsn = dsn
        self._timeout_s = timeout_s
        self._host = _host_of(dsn)
        self._head = b""
        self._socket: socket.socket | None = None
        self._used_at = 0.0
        self._tls: ssl.SSLContext | None = None
        self._is_interrupted = False

    def post(self, body: bytes) -> Answer:
        """Send a body and return the answer.

        A kept-alive connection that turns out to be closed is replaced once. That may send an envelope twice if
        Sentry had closed it after reading: it drops the second event with the same id.
        """
        coding = b""
        if len(body) >= SMALLEST_GZIP:
            body, coding = zlib.compress(body, GZIP_LEVEL, GZIP_FORMAT), b"Content-Encoding: gzip\r\n"
        rest = b"%bContent-Length: %d\r\n\r\n%b" % (coding, len(body), body)
        if self._socket is not None and self._is_stale(self._socket):
            self.close()
        was_open = self._socket is not None
        try:
            return self._exchange(rest)
        except BROKEN_KEEP_ALIVE:
            if not was_open or self._is_interrupted:
                raise
        return self._exchange(rest)

    def interrupt(self) -> None:
        """Make a post that is under way in another thread fail now, and every later one."""
        self._is_interrupted = True
        sock = self._socket
        if sock is not None:
            # If it was closed meanwhile, that is as good.
            with contextlib.suppress(OSError):
                sock.shutdown(socket.SHUT_RDWR)

    def close(self) -> None:
        """Close the connection; the next post opens a new one. Says no goodbye, so it is safe in a forked child."""
        sock, self._socket = self._socket, None
        if sock is not None:
            sock.close()

    def _exchange(self, rest: bytes) -> Answer:
        if self._is_interrupted:
            raise ConnectionAbortedError("the transport was closed")
        try:
            sock = self._socket or self._open()
            stays = _send(sock, self._head + rest)
            answer, is_reusable = read_answer(sock, self._timeout_s)
        except (OSError, http.client.HTTPException):
            self.close()
            raise
        self._used_at = time.monotonic()
        if not stays or not is_reusable:
            self.close()
        return answer

    def _is_stale(self, sock: socket.socket) -> bool:
        """Say whether something came unasked for: the end of the connection, or a farewell (408, from some proxies)."""
        return time.monotonic() - self._used_at > TRUSTED_IDLE_S and _has_input(sock)

    def _open(self) -> socket.socket:
        dsn, proxy = self._dsn, self._proxy()
        host, port = (proxy.hostname or "", proxy.port or 80) if proxy else (dsn.host, dsn.port)
        proxy_auth = _basic_auth(proxy.username, proxy.password) if proxy else {}
        connection: http.client.HTTPConnection
        if dsn.scheme == "https":
            if self._tls is None:
                self._tls = make_tls_context()
            connection = http.client.HTTPSConnection(host, port, timeout=self._timeout_s, context=self._tls)
            if proxy:
                connection.set_tunnel(dsn.host, dsn.port, headers=proxy_auth)
            self._head = self._make_head({}, "")
        else:
            connection = http.client.HTTPConnection(host, port, timeout=self._timeout_s)
            self._head = self._make_head(proxy_auth, f"http://{self._host}" if proxy else "")
        connection.connect()
        self._socket = connection.sock
        return connection.sock

    def _make_head(self, more: dict[str, str], origin: str) -> bytes:
        """Return what every request begins with. A DSN holds no line breaks: parsing it takes them out."""
        client = f"sentry.python/{VERSION}"
        path = quote(f"{self._dsn.path}api/{self._dsn.project_id}/envelope/", safe="/%")
        headers = {
            "Host": self._host,
            "User-Agent": client,
            "X-Sentry-Auth": self._dsn.to_auth(client).to_header(),
            "Content-Type": "application/x-sentry-envelope",
            **more,
        }
        lines = [
            f"POST {origin}{path} HTTP/1.1",
            *(f"{name}: {value}" for name, value in headers.items()),
            "",
        ]
        return "\r\n".join(lines).encode()

    def _proxy(self) -> SplitResult | None:
        url = urllib.request.getproxies().get(self._dsn.scheme)
        if not url or urllib.request.proxy_bypass(self._dsn.host):
            return None
        return urlsplit(url if "://" in url else f"http://{url}")


def _send(sock: socket.socket, request: bytes) -> bool:
    """Send a request; False if the server stopped listening: it may have said why (413) before it hung up."""
    try:
        sock.sendall(request)
    except (BrokenPipeError, ConnectionResetError):
        return False
    return True


def _has_input(sock: socket.socket) -> bool:
    """Say whether there is something to read now, be it the end."""
    if hasattr(select, "poll"):
        watch = select.poll()
        watch.register(sock, select.POLLIN)
        return bool(watch.poll(0))
    return bool(select.select([sock], [], [], 0)[0])


def make_tls_context() -> ssl.SSLContext:
    """Return the context for HTTPS: the certificates named by SSL_CERT_FILE or REQUESTS_CA_BUNDLE, else certifi's."""
    named = os.environ.get("SSL_CERT_FILE") or os.environ.get("REQUESTS_CA_BUNDLE")
    if named:
        return ssl.create_default_context(cafile=named)
    try:
        import certifi
    except ImportError:
        return ssl.create_default_context()
    return ssl.create_default_context(cafile=certifi.where())


def _host_of(dsn: Dsn) -> str:
    """Return the value of the Host header."""
    host = dsn.host if dsn.host.isascii() else dsn.host.encode("idna").decode()
    if ":" in host:
        host = f"[{host}]"
    usual = 443 if dsn.scheme == "https" else 80
    return host if dsn.port == usual else f"{host}:{dsn.port}"


def _basic_auth(user: str | None, password: str | None) -> dict[str, str]:
    if not user:
        return {}
    pair = f"{unquote(user)}:{unquote(password or '')}"
    return {"Proxy-Authorization": "Basic " + base64.b64encode(pair.encode()).decode()}
