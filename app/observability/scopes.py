"""Isolation and current scopes that cost nothing until something is written to them or read from them.

Nearly every request and message ends without an event, a tag or a breadcrumb, and an idle WebSocket has four scopes:
a fork each would be most of what they cost. A `LazyScope` holds its template only; the first access to a field forks
it. Relies on `Scope` keeping its state in slots (SDK 2.75; contract test `test_sdk_scopes`).
"""

import threading
from typing import Any

import sentry_sdk
from sentry_sdk import Scope

from .tracing import incoming_trace, join_trace
from .types import AsgiScope
from .user import TIER_TAG

_FIELDS: frozenset[str] = frozenset(Scope.__slots__)
_fill_lock = threading.RLock()  # a template may be a lazy scope itself


class LazyScope(Scope):
    """A fork of `template` that is made when its first field is asked for; the trace is that of `asgi`, if given."""

    __slots__ = ("_asgi", "_template")

    def __init__(
        self, template: Scope, asgi: AsgiScope | None = None
    ) -> None:  # the SDK's own sets 27 fields
        self._template: Scope | None = template
        self._asgi = asgi

    def __getattr__(self, name: str) -> Any:
        """Fork the template, once: Python comes here only for a field that was never set."""
        if name not in _FIELDS:
            raise AttributeError(name)
        with _fill_lock:
            template = self._template  # a copy that the SDK made has none: AttributeError
            if template is not None:
                self._fill(template)
                self._template = self._asgi = None
        return object.__getattribute__(self, name)

    def set_user(self, value: dict[str, Any] | None) -> None:
        """Set the user; none at all is an empty one, or that of the global scope would show."""
        super().set_user(value or {})

    def _fill(self, template: Scope) -> None:
        fork = template.fork()
        if self._asgi is not None:
            join_trace(fork, incoming_trace(self._asgi))
        for name in _FIELDS:
            try:
                object.__getattribute__(self, name)  # written before anything was read: stays
            except AttributeError:
                if hasattr(fork, name):
                    object.__setattr__(self, name, getattr(fork, name))


class CleanScopes:
    """Makes the two scopes that each request and connection starts with.

    Tags that were set before the application began to serve stay. A user, his tier and breadcrumbs do not, nor does
    anything that a start-up or worker task sets later: it would be shown with everybody's requests. A user on the
    SDK's global scope, which every event would fall back to, is hidden by an empty one.
    """

    def __init__(self, base: Scope) -> None:
        self.base = base
        self._isolation: Scope | None = None
        self._current: Scope | None = None

    def isolation(self, asgi: AsgiScope) -> Scope:
        """Return an isolation scope of its own, in the trace that the connection's headers name or in a new one."""
        if self._isolation is None:
            clean = self.base.fork()
            clean.set_user({})
            clean.remove_tag(TIER_TAG)
            clean.clear_breadcrumbs()
            self._isolation = clean
        return LazyScope(self._isolation, asgi)

    def current(self) -> Scope:
        """Return a current scope without the span, and its name, of whatever ran in this thread before."""
        if self._current is None:
            clean = sentry_sdk.get_current_scope().fork()
            clean.clear()
            self._current = clean
        return LazyScope(self._current)
