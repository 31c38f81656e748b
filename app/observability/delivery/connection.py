"""One kept-alive connection to Sentry's envelope endpoint, on the standard library's HTTP client.

Used by one thread; only `interrupt` may be called from another. Honours HTTPS_PROXY, HTTP_PROXY and NO_PROXY.
"""

import base64
import contextlib
import http.client
import os
import socket
import ssl
import urllib.request
from collections.abc import Mapping
from dataclasses import dataclass
from urllib.parse import SplitResult, unquote, urlsplit

from sentry_sdk.consts import VERSION
from sentry_sdk.utils import Dsn

TIMEOUT_S = 10.0
MOST_ANSWER_BYTES = 64 * 1024
BROKEN_KEEP_ALIVE = (
    http.client.RemoteDisconnected,
    ConnectionResetError,
    BrokenPipeError,
    ConnectionAbortedError,
)
"""How a connection fails which the other side closed while it was idle."""


@dataclass(frozen=True, slots=True)
class Answer:
    """What Sentry answered; the names of headers are lower-case."""

    status: int
    headers: Mapping[str, str]


class IngestConnection:
    """Posts envelopes. Raises OSError or http.client.HTTPException if there is no answer."""

    def __init__(self, dsn: Dsn, *, timeout_s: float = TIMEOUT_S) -> None:
        client = f"sentry.python/{VERSION}"
        auth = dsn.to_auth(client)
        self._dsn = dsn
        self._timeout_s = timeout_s
        self._url = auth.get_api_url()
        self._target = urlsplit(self._url).path
        self._headers = {
            "User-Agent": client,
            "X-Sentry-Auth": auth.to_header(),
            "Content-Type": "application/x-sentry-envelope",
        }
        self._http: http.client.HTTPConnection | None = None
        self._socket: socket.socket | None = None
        self._tls: ssl.SSLContext | None = None
        self._is_interrupted = False

    def post(self, body: bytes, *, encoding: str | None) -> Answer:
        """Send a body and return the answer.

        A kept-alive connection that turns out to be closed is replaced once. That may send an envelope twice if
        Sentry had closed it after reading: it drops the second event with the same id.
        """
        was_open = self._http is not None
        try:
            return self._post(body, encoding)
        except BROKEN_KEEP_ALIVE:
            self.close()
            if not was_open or self._is_interrupted:
                raise
        except (OSError, http.client.HTTPException):
            self.close()
            raise
        try:
            return self._post(body, encoding)
        except (OSError, http.client.HTTPException):
            self.close()
            raise

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
        connection, self._http, self._socket = self._http, None, None
        if connection is not None:
            connection.close()

    def _post(self, body: bytes, encoding: str | None) -> Answer:
        if self._is_interrupted:
            raise ConnectionAbortedError("the transport was closed")
        connection = self._http or self._open()
        headers = dict(self._headers)
        if encoding is not None:
            headers["Content-Encoding"] = encoding
        connection.request("POST", self._target, body=body, headers=headers)
        _acknowledge_at_once(self._socket)
        response = connection.getresponse()
        text = response.read(MOST_ANSWER_BYTES + 1)
        answer = Answer(response.status, {name.lower(): value for name, value in response.getheaders()})
        if response.will_close or len(text) > MOST_ANSWER_BYTES:
            response.close()
            self.close()
        return answer

    def _open(self) -> http.client.HTTPConnection:
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
        else:
            connection = http.client.HTTPConnection(host, port, timeout=self._timeout_s)
            if proxy:
                self._target = self._url
                self._headers.update(proxy_auth)
        self._http = connection
        connection.connect()
        self._socket = connection.sock
        return connection

    def _proxy(self) -> SplitResult | None:
        url = urllib.request.getproxies().get(self._dsn.scheme)
        if not url or urllib.request.proxy_bypass(self._dsn.host):
            return None
        return urlsplit(url if "://" in url else f"http://{url}")


def _acknowledge_at_once(sock: socket.socket | None) -> None:
    """Do not delay the acknowledgement of an answer's first part, where the system lets us choose.

    A server that writes headers and body apart waits for it before it sends the body: 40 ms for each envelope.
    """
    if sock is not None and hasattr(socket, "TCP_QUICKACK"):
        with contextlib.suppress(OSError):
            sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_QUICKACK, 1)


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


def _basic_auth(user: str | None, password: str | None) -> dict[str, str]:
    if not user:
        return {}
    pair = f"{unquote(user)}:{unquote(password or '')}"
    return {"Proxy-Authorization": "Basic " + base64.b64encode(pair.encode()).decode()}
