"""Three middlewares for Bugsink, safe only because it listens on 127.0.0.1."""

import re
from collections.abc import Callable
from typing import Any
from uuid import UUID

from django.contrib.auth import get_user_model
from django.shortcuts import redirect

_LOOPBACK = {"127.0.0.1", "::1"}
_EVENT_PAGE = re.compile(r"/issues/event/([0-9a-f]{32})/")


class KeepSendingTraces:
    """Drop the header by which Bugsink, which stores errors only, tells the SDK to stop tracing for a day."""

    def __init__(self, get_response: Callable[[Any], Any]) -> None:
        self.get_response = get_response

    def __call__(self, request: Any) -> Any:
        """Answer as Bugsink does, without the rate limit."""
        response = self.get_response(request)
        if "X-Sentry-Rate-Limits" in response:
            del response["X-Sentry-Rate-Limits"]
        return response


class LogLoopbackVisitorIn:
    """Make a visitor from this machine the one user, so that the dashboard opens without a password."""

    def __init__(self, get_response: Callable[[Any], Any]) -> None:
        self.get_response = get_response

    def __call__(self, request: Any) -> Any:
        """Answer the request on the user's behalf if it comes from loopback."""
        if request.META.get("REMOTE_ADDR") in _LOOPBACK and not request.user.is_authenticated:
            request.user = get_user_model().objects.first() or request.user
        return self.get_response(request)


class AcceptPlainEventIds:
    """Find an event's page under its id as Sentry writes ids: 32 hex digits, where Bugsink wants dashes."""

    def __init__(self, get_response: Callable[[Any], Any]) -> None:
        self.get_response = get_response

    def __call__(self, request: Any) -> Any:
        """Redirect to the address that Bugsink knows."""
        plain = _EVENT_PAGE.fullmatch(request.path)
        return redirect(f"/issues/event/{UUID(plain[1])}/") if plain else self.get_response(request)
