"""Who may open the module's own pages, and how often. Pure but for reading an ASGI scope."""

import base64
import binascii
import hmac
import ipaddress
import threading
import time
from collections import deque
from collections.abc import Callable

from .settings import ObservabilitySettings
from .types import AsgiScope

FORWARDING_HEADERS = frozenset(
    {b"forwarded", b"x-forwarded-for", b"x-forwarded-host", b"x-forwarded-proto", b"x-real-ip", b"via"}
)
WINDOW_S = 60.0
PER_ADDRESS = 10
IN_ALL = 30


def header(scope: AsgiScope, name: bytes) -> str | None:
    """First value of a header of an ASGI scope, by its lower-case name."""
    for key, value in scope["headers"]:
        if key == name:
            return str(value, "latin-1")
    return None


def is_local(scope: AsgiScope) -> bool:
    """Whether the peer is on the loopback interface and no proxy says that it speaks for somebody else."""
    client = scope.get("client")
    if not client or any(key in FORWARDING_HEADERS for key, _ in scope["headers"]):
        return False
    try:
        address = ipaddress.ip_address(client[0])
    except ValueError:
        return False
    mapped = getattr(address, "ipv4_mapped", None)
    return bool((mapped or address).is_loopback)


def presented_token(scope: AsgiScope) -> str | None:
    """The token of a Bearer header, or the password of a Basic one with any user name."""
    scheme, _, credentials = (header(scope, b"authorization") or "").partition(" ")
    credentials = credentials.strip()
    if scheme.lower() == "bearer":
        return credentials
    if scheme.lower() != "basic":
        return None
    try:
        decoded = base64.b64decode(credentials, validate=True).decode("utf-8")
    except (binascii.Error, UnicodeDecodeError):
        return None
    return decoded.partition(":")[2]


class Access:
    """Answers 200 (welcome), 401 (token needed) or 404 (there is nothing here) for one request."""

    def __init__(self, settings: ObservabilitySettings) -> None:
        self._environment = settings.environment
        self._token = settings.test_token.get_secret_value() if settings.test_token else None

    def to_test(self, scope: AsgiScope) -> int:
        """/test-sentry: open in staging while no token is set, in development to local peers, else with the token."""
        is_open = self._environment == "staging" and self._token is None
        return 200 if is_open else self.to_insides(scope)

    def to_insides(self, scope: AsgiScope) -> int:
        """Pages that show events: open to local peers in development, else with the token."""
        if self._environment == "development" and is_local(scope):
            return 200
        if self._token is None:
            return 404
        given = presented_token(scope)
        matches = given is not None and hmac.compare_digest(given.encode(), self._token.encode())
        return 200 if matches else 401


class RateLimit:
    """At most `PER_ADDRESS` uses a minute from one address and `IN_ALL` from everybody; thread-safe, bounded."""

    def __init__(self, clock: Callable[[], float] = time.monotonic) -> None:
        self._clock = clock
        self._uses: deque[tuple[float, str]] = deque()
        self._lock = threading.Lock()

    def wait_s(self, address: str) -> float:
        """Count a use and return 0, or return the seconds to wait and count nothing."""
        now = self._clock()
        with self._lock:
            while self._uses and self._uses[0][0] <= now - WINDOW_S:
                self._uses.popleft()
            own = [used for used, who in self._uses if who == address]
            if len(own) >= PER_ADDRESS:
                return own[0] + WINDOW_S - now
            if len(self._uses) >= IN_ALL:
                return self._uses[0][0] + WINDOW_S - now
            self._uses.append((now, address))
            return 0.0


def address_of(scope: AsgiScope, settings: ObservabilitySettings) -> str:
    """The peer's address, or what SENTRY_CLIENT_IP_HEADER names if ops trust a proxy to set it."""
    if settings.client_ip_header:
        forwarded = header(scope, settings.client_ip_header.lower().encode("latin-1"))
        if forwarded:
            return forwarded.strip()
    client = scope.get("client")
    return str(client[0]) if client else "unknown"
