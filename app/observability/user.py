"""Who was hit: binds user id and subscription tier to whatever is captured from here on.

`UserTierMiddleware` asks the service's own `identify` callable once a request or connection; endpoints and
dependencies may call `identify_user()` at any time. Never sends more than id and tier unless settings allow the
e-mail. Fails soft: an `identify` that raises, or returns anything else, leaves the request anonymous and is logged
once.
"""

import inspect
import logging
from collections.abc import Awaitable, Callable, Iterable
from enum import Enum
from typing import TypeAlias

import sentry_sdk
from starlette.requests import HTTPConnection

from .state import UserContext, current_flow
from .types import AsgiApp, AsgiScope, Receive, Send

TIER_TAG = "user.tier"
UNKNOWN_TIER = "unknown"
MAX_TIER_CHARS = 64

Identify: TypeAlias = Callable[[HTTPConnection], UserContext | Awaitable[UserContext | None] | None]

logger = logging.getLogger(__name__)


def identify_user(*, id: str | int, tier: str | None = None, email: str | None = None) -> None:  # noqa: A002 - Sentry's word
    """Bind the user to the current request, WebSocket connection or task; does nothing when OFF.

    Args:
        id: Stable identifier that says nothing about the person.
        tier: Subscription tier; becomes the tag `user.tier`.
        email: Sent only with SENTRY_SEND_EMAIL=true.
    """
    if sentry_sdk.get_client().is_active():
        bind_user(UserContext(id, tier, email))  # type: ignore[arg-type]  # it becomes a text there


_tiers: frozenset[str] = frozenset()


def accept_tiers(tiers: Iterable[str]) -> None:
    """Say which tiers exist (SENTRY_USER_TIERS); any other is shown as `unknown`. None at all: every tier is."""
    global _tiers
    _tiers = frozenset(tiers)


def tier_tag(tier: str | None) -> str | None:
    """The tier as Sentry takes a tag's value: one line, at most `MAX_TIER_CHARS`; None if nothing is left."""
    if isinstance(tier, Enum):  # the text of one that is also a `str` is its name
        tier = str(tier.value)
    clean = " ".join(str(tier).split())[:MAX_TIER_CHARS] or None if tier else None
    return clean if not _tiers or clean in _tiers else UNKNOWN_TIER


def bind_user(user: UserContext) -> None:
    """Write the user to the isolation scope, to the WebSocket connection behind it, and to the flow.

    One without an id is nobody: the request stays as it is.
    """
    if user.id in (None, ""):
        return
    user = UserContext(str(user.id), tier_tag(user.tier), user.email)
    scopes = [sentry_sdk.get_isolation_scope()]
    flow = current_flow()
    if flow is not None:
        flow.user = user
        if flow.connection is not None:
            flow.connection.user = user
        for scope in (flow.isolation, flow.connection_isolation):
            if scope is not None and scope not in scopes:
                scopes.append(scope)
    for scope in scopes:
        apply_user(scope, user)


def apply_user(scope: sentry_sdk.Scope, user: UserContext) -> None:
    """Set user and tier on one scope; a user without tier removes the tier of whoever was there before."""
    data = {"id": user.id}
    if user.email:
        data["email"] = user.email
    scope.set_user(data)
    if user.tier:
        scope.set_tag(TIER_TAG, user.tier)
    else:
        scope.remove_tag(TIER_TAG)


class UserTierMiddleware:
    """Pure ASGI middleware that resolves `identify` and binds user and tier, for HTTP and WebSocket alike.

    `init_sentry(app, identify=...)` installs it inside the Sentry instrumentation and outside the app's own
    middleware. A synchronous `identify` runs on the event loop, so it must not block.
    """

    def __init__(self, app: AsgiApp, identify: Identify) -> None:
        self.app = app
        self.identify = identify
        self._has_warned = False

    async def __call__(self, scope: AsgiScope, receive: Receive, send: Send) -> None:
        """Bind the user, then let the application answer."""
        if scope["type"] in ("http", "websocket"):
            user = await self._resolve(HTTPConnection(scope))
            if user is not None:
                bind_user(user)
        await self.app(scope, receive, send)

    async def _resolve(self, connection: HTTPConnection) -> UserContext | None:
        try:
            answer = self.identify(connection)
            user = await answer if inspect.isawaitable(answer) else answer
        except Exception:  # noqa: BLE001 - it is the service's, and may raise anything
            self._warn("identify raised; the request stays anonymous", exc_info=True)
            return None
        if user is None or isinstance(user, UserContext):
            return user
        self._warn(
            "identify must return a UserContext or None, not %s; the request stays anonymous",
            type(user).__name__,
        )
        return None

    def _warn(self, message: str, *arguments: str, exc_info: bool = False) -> None:
        if not self._has_warned:
            self._has_warned = True
            logger.warning(message, *arguments, exc_info=exc_info)
