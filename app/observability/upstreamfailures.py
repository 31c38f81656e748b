"""Tells what kind of failure of an external call an exception is: by the classes of httpx, read by name.

Pure but for walking exception chains; does not import httpx. `ConnectError` hides a refused connection, an unknown
name and a broken certificate, so its causes are read.
"""

import errno
import socket
import ssl
from dataclasses import dataclass
from enum import StrEnum
from typing import Any

from .state import MAX_CHAIN, chain_of


class UpstreamFailure(StrEnum):
    """Values of the tag `upstream.failure`."""

    TIMEOUT = "timeout"
    CONNECT_TIMEOUT = "connect_timeout"
    POOL_EXHAUSTED = "pool_exhausted"
    REFUSED = "refused"
    DNS = "dns"
    TLS = "tls"
    UNREACHABLE = "unreachable"
    DISCONNECTED = "disconnected"
    PROTOCOL = "protocol"
    PROXY = "proxy"
    REDIRECTS = "redirects"
    DECODING = "decoding"
    RATE_LIMITED = "rate_limited"
    HTTP_4XX = "http_4xx"
    HTTP_5XX = "http_5xx"
    INVALID_REQUEST = "invalid_request"


STABLE = frozenset(UpstreamFailure) - {UpstreamFailure.HTTP_4XX, UpstreamFailure.INVALID_REQUEST}
"""A partner's fault, grouped by host and kind; the others are faults of our own call and group by where it is."""

_BY_NAME = {
    "ConnectTimeout": UpstreamFailure.CONNECT_TIMEOUT,
    "PoolTimeout": UpstreamFailure.POOL_EXHAUSTED,
    "TimeoutException": UpstreamFailure.TIMEOUT,
    "NetworkError": UpstreamFailure.DISCONNECTED,
    "LocalProtocolError": UpstreamFailure.INVALID_REQUEST,
    "UnsupportedProtocol": UpstreamFailure.INVALID_REQUEST,
    "ProtocolError": UpstreamFailure.PROTOCOL,
    "ProxyError": UpstreamFailure.PROXY,
    "TooManyRedirects": UpstreamFailure.REDIRECTS,
    "DecodingError": UpstreamFailure.DECODING,
}
_HUNG_UP_TEXTS = ("disconnected", "peer closed connection")
_REFUSED_TEXT = f"[Errno {errno.ECONNREFUSED}]"


def host_of(url: Any) -> str:
    """Host of an httpx URL, with the port if it is not the scheme's own; never anything else of the address."""
    host: str = url.host.lower()
    return host if url.port is None else f"{host}:{url.port}"


def failure_of_status(status: int | None) -> UpstreamFailure | None:
    """The kind of failure that a partner's answer is; None if it is none."""
    if status is None or status < 400:
        return None
    if status == 429:
        return UpstreamFailure.RATE_LIMITED
    return UpstreamFailure.HTTP_5XX if status >= 500 else UpstreamFailure.HTTP_4XX


def classify(error: BaseException) -> UpstreamFailure | None:
    """The kind of failure that one exception of httpx is; None for any other exception."""
    names = [
        kind.__name__ for kind in type(error).__mro__ if str(kind.__module__).partition(".")[0] == "httpx"
    ]
    if not names:
        return None
    if "HTTPStatusError" in names:
        response = getattr(error, "response", None)
        return failure_of_status(getattr(response, "status_code", None))
    if "ConnectError" in names:
        return _why_not_connected(error)
    if "RemoteProtocolError" in names and any(text in str(error) for text in _HUNG_UP_TEXTS):
        return UpstreamFailure.DISCONNECTED
    for name in names:
        found = _BY_NAME.get(name)
        if found is not None:
            return found
    return None


def _why_not_connected(error: BaseException) -> UpstreamFailure:
    for link in _origins_of(error):
        if isinstance(link, socket.gaierror):
            return UpstreamFailure.DNS
        if isinstance(link, ssl.SSLError):
            return UpstreamFailure.TLS
        if isinstance(link, ConnectionRefusedError) or _REFUSED_TEXT in str(link):
            return UpstreamFailure.REFUSED
        if isinstance(link, ConnectionResetError):
            return UpstreamFailure.DISCONNECTED
    return UpstreamFailure.UNREACHABLE


def _origins_of(error: BaseException) -> list[BaseException]:
    """The chain with contexts that were suppressed as well: httpcore raises its errors `from None`."""
    found: list[BaseException] = []
    waiting: list[BaseException | None] = [error]
    while waiting and len(found) < MAX_CHAIN:
        link = waiting.pop(0)
        if link is not None and not any(link is other for other in found):
            found.append(link)
            waiting += [link.__cause__, link.__context__]
            waiting += link.exceptions if isinstance(link, BaseExceptionGroup) else ()
    return found


@dataclass(frozen=True, slots=True)
class FailedCall:
    """Whom a failed call was made to; the whole address only to be able to take it out of texts."""

    kind: UpstreamFailure
    host: str = "unknown"
    origin: str = ""
    address: str = ""


def failed_call(error: BaseException) -> FailedCall | None:
    """The failed external call in an exception's chain, if there is one."""
    for link in chain_of(error):
        kind = classify(link)
        if kind is None:
            continue
        try:
            url = link.request.url  # type: ignore[attr-defined]  # every httpx error of a call has it
        except (AttributeError, RuntimeError):  # raised outside a client
            return FailedCall(kind)
        host = host_of(url)
        return FailedCall(kind, host, f"{url.scheme}://{host}", str(url))
    return None
