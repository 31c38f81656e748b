"""Isolation and current scopes that cost nothing until something is written to them or read from them.

Nearly every request and message ends without an event, a tag or a breadcrumb, and an idle WebSocket has three scopes:
a fork each would be most of what they cost. A `LazyScope` holds its template only. What is written most often (tags,
breadcrumbs, user) is copied alone, anything else makes the whole fork. Relies on `Scope` keeping its state in slots
(SDK 2.75; contract test `test_sdk_scopes`).
"""

import threading
from collections.abc import Callable
from contextlib import suppress
from operator import attrgetter
from typing import Any, cast

import sentry_sdk
from sentry_sdk import Scope
from sentry_sdk.tracing import Span

from .tracing import incoming_trace, join_trace
from .types import AsgiScope
from .user import TIER_TAG

_COPIED = frozenset({"_tags", "_contexts", "_extras", "_breadcrumbs"})
_SHARED = frozenset({"_user", "_session", "_n_breadcrumbs_truncated"})
_FIELDS = frozenset(Scope.__slots__)
_values_of = attrgetter(*Scope.__slots__)
_set = object.__setattr__
_lock = threading.RLock()  # a template may be lazy itself


class LazyScope(Scope):
    """A fork of `template` that is made as it is read and written; until then it `is_untouched`.

    Safe to be used by several threads, as far as the SDK's own scopes are.

    Attributes:
        template: The scope to fork.
        origin: What a subclass needs to prepare the fork.
        own: Names of what was copied or written alone; None for nothing.
    """

    __slots__ = ("origin", "own", "template")

    def __init__(self, template: Scope, origin: Any = None) -> None:  # the SDK's own sets 27 fields
        _set(self, "template", template)
        _set(self, "origin", origin)
        _set(self, "own", None)
        _set(self, "client", template.client)  # each `get_client()` asks for it

    @property
    def is_untouched(self) -> bool:
        """Whether nobody has read or written anything but the client."""
        return self.own is None

    def attach(self, origin: Any) -> None:
        """Set what `prepare` is to use."""
        _set(self, "origin", origin)

    def prepare(self, fork: Scope) -> None:
        """Change the trace or the span that the fork has from its template, nothing else."""

    def fill(self) -> None:
        """Make the whole fork, unless that was done."""
        with _lock:
            if type(self) is FilledScope:
                return
            fork = self.template.fork()
            self.prepare(fork)
            own = self.own or ()
            for name, value in zip(Scope.__slots__, _values_of(fork), strict=True):
                if name not in own:
                    _set(self, name, value)
            _set(self, "own", _FIELDS)
            _set(self, "origin", None)
            _set(self, "__class__", FilledScope)

    def renew(self, kind: "type[LazyScope]", template: Scope, origin: Any = None) -> None:
        """Forget everything, for all who hold this object, and be as a new scope of this kind."""
        with _lock:
            own = self.own
            _set(
                self, "__class__", kind
            )  # first: a thread that misses a field from here on waits for the lock
            _set(self, "template", template)
            _set(self, "origin", origin)
            _set(self, "own", None)
            for name in own or ():
                with suppress(AttributeError):
                    object.__delattr__(self, name)
            _set(self, "client", template.client)

    def __getattr__(self, name: str) -> Any:
        """Copy what is missing: Python comes here only for a field that was never set."""
        if name not in _FIELDS:
            raise AttributeError(name)
        if name in _COPIED or name in _SHARED:
            with _lock:
                if not self.owns(name):
                    value = getattr(self.template, name)
                    setattr(self, name, value.copy() if name in _COPIED else value)
        else:
            self.fill()
        return object.__getattribute__(self, name)

    def set_user(self, value: dict[str, Any] | None) -> None:
        """Set the user; none at all is an empty one, or that of the global scope would show."""
        super().set_user(value or {})

    def owns(self, name: str) -> bool:
        """Whether a field was copied or written, so that it is not the template's."""
        return self.own is not None and name in self.own

    def __setattr__(self, name: str, value: Any) -> None:
        with _lock:
            _set(self, name, value)
            if self.own is None:
                _set(self, "own", {name})
            elif self.own is not _FIELDS:
                self.own.add(name)

    def __copy__(self) -> Scope:
        """Fork as the SDK does."""
        self.fill()
        return super().__copy__()


class FilledScope(LazyScope):
    """What a lazy scope becomes: one like the SDK's."""

    __slots__ = ()
    __setattr__ = object.__setattr__  # type: ignore[assignment]  # a slot wrapper, called the same way
    __copy__ = Scope.__copy__

    @property
    def is_untouched(self) -> bool:
        """False; a fork of this one has no `own` to ask."""
        return False

    def __getattr__(self, name: str) -> Any:
        raise AttributeError(name)


def trace_id_of(scope: Scope) -> str:
    """Id of the trace that goes on in a scope, without making a lazy one whole."""
    if isinstance(scope, LazyScope):
        with _lock:
            if not scope.owns("_propagation_context"):
                scope.prepare(scope)  # no field but this one
            if not scope.owns("_propagation_context"):
                return trace_id_of(scope.template)
    return str(scope.get_active_propagation_context().trace_id)


class TracedScope(LazyScope):
    """Isolation scope of a request or connection, in the trace that its headers name or in a new one."""

    __slots__ = ()

    def prepare(self, fork: Scope) -> None:
        """Join the trace; `origin` is the ASGI scope."""
        join_trace(fork, incoming_trace(self.origin))


class SampledScope(Scope):
    """Current scope of a request that is recorded; can start the span that comes next when it is first asked for.

    Attributes:
        make_span: Makes that span, once the one before has ended; None before.
    """

    __slots__ = ("make_span",)

    def __init__(self, scope: Scope) -> None:
        for name, value in zip(Scope.__slots__, _values_of(scope), strict=True):
            setattr(self, name, value)
        self.make_span: Callable[[], Span] | None = None

    @property
    def span(self) -> Any:
        """The running span, made now if it was only announced."""
        if self._span is None and self.make_span is not None:
            make, self.make_span = self.make_span, None
            self.span = make()
        return self._span

    @span.setter
    def span(self, span: Any) -> None:
        _set_span(self, span)

    def __copy__(self) -> Scope:
        """Fork as the SDK does."""
        copied = super().__copy__()
        _set(copied, "make_span", self.make_span)
        return copied


_set_span: Any = Scope.span.fset  # type: ignore[attr-defined]  # a property


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
        self._sampled_current: SampledScope | None = None

    def isolation(self, asgi: AsgiScope) -> LazyScope:
        """Return an isolation scope of its own, in the trace that the connection's headers name or in a new one."""
        return TracedScope(self._clean_isolation(), asgi)

    def sampled_isolation(self, asgi: AsgiScope) -> Scope:
        """Return the same for a trace that is recorded: all of it will be read, so it is forked at once."""
        scope = self._clean_isolation().fork()
        join_trace(scope, incoming_trace(asgi))
        return scope

    def _clean_isolation(self) -> Scope:
        if self._isolation is None:
            clean = self.base.fork()
            clean.set_user({})
            clean.remove_tag(TIER_TAG)
            clean.clear_breadcrumbs()
            self._isolation = clean
        return self._isolation

    def current(self) -> LazyScope:
        """Return a current scope without the span, and its name, of whatever ran in this thread before."""
        return LazyScope(self.clean_current())

    def sampled_current(self) -> SampledScope:
        """Return the same for a trace that is recorded."""
        if self._sampled_current is None:
            self._sampled_current = SampledScope(self.clean_current().fork())
        return cast("SampledScope", self._sampled_current.fork())

    def clean_current(self) -> Scope:
        """Return what current scopes are forked from."""
        if self._current is None:
            clean = sentry_sdk.get_current_scope().fork()
            clean.clear()
            self._current = clean
        return self._current
