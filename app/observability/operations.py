"""Custom operations: the context `api_operation` and a span or transaction in one call."""

import asyncio
import functools
import inspect
import uuid
from collections.abc import Callable
from contextvars import ContextVar
from typing import Any, TypeVar

import sentry_sdk
from sentry_sdk import Scope
from sentry_sdk.tracing import Span

from .state import chain_of, current_flow, notes_of
from .types import Event, Hint
from .version import PACKAGE

CONTEXT = "api_operation"
ORIGIN = "manual." + PACKAGE.replace("-", "_")
_FAILED = "__sentry_operation__"
_TRACE = "__sentry_operation_trace__"
_running: "ContextVar[Operation | None]" = ContextVar("sentry_operation", default=None)
F = TypeVar("F", bound=Callable[..., Any])


class Operation:
    """One named piece of work; use as `with`, `async with` or decorator. Harmless when OFF.

    Inside a recorded transaction it is a span; outside any request it starts a transaction and a trace of its own;
    inside a request that was not sampled it only sets the context. An exception that leaves it carries the context
    along, so that operations running side by side are not taken for each other. One object serves one block at a
    time; decorated functions make a new one for each call.
    """

    def __init__(self, op: str, name: str, context: dict[str, Any] | None) -> None:
        self.op = op
        self.name = name
        self.context: dict[str, Any] = {"operation": op, "name": name, **(context or {})}
        self._scope: Scope | None = None
        self._previous_scope: Scope | None = None
        self._span: Span | None = None
        self._previous_span: Span | None = None
        self._outer: Operation | None = None

    def set(self, key: str, value: Any) -> None:
        """Add to the context `api_operation`, for example what is known only at the end."""
        self.context[key] = value
        self.publish()

    def publish(self) -> None:
        """Make this the operation that events of the request name."""
        if sentry_sdk.get_client().is_active():
            sentry_sdk.get_isolation_scope().set_context(CONTEXT, dict(self.context))

    def __enter__(self) -> "Operation":
        if not sentry_sdk.get_client().is_active():
            return self
        self._outer = _running.get()
        _running.set(self)
        self.publish()
        scope = sentry_sdk.get_current_scope()
        self._previous_span = parent = scope.span
        if parent is not None:
            self._span = parent.start_child(op=self.op, name=self.name, origin=ORIGIN)
        elif current_flow() is None:
            self._previous_scope = scope  # a scope keeps the name of a transaction that it has had
            scope = scope.fork()
            Scope.set_current_scope(scope)
            self._span = sentry_sdk.start_transaction(
                op=self.op, name=self.name, source="custom", origin=ORIGIN, trace_id=uuid.uuid4().hex
            )
        if self._span is not None:
            scope.span = self._span
        self._scope = scope
        return self

    def __exit__(self, kind: object, error: BaseException | None, traceback: object) -> None:
        scope, self._scope = self._scope, None
        if scope is None:
            return
        _running.set(self._outer)
        if error is not None:
            notes_of(error).setdefault(_FAILED, {**self.context, "outcome": "failed"})
            if self._span is not None and self._previous_scope is not None:
                notes_of(error).setdefault(_TRACE, self._span.get_trace_context())
        elif self._outer is not None:
            self._outer.publish()
        elif current_flow() is None:
            sentry_sdk.get_isolation_scope().remove_context(CONTEXT)
        else:
            self.set("outcome", "ok")
        span, self._span = self._span, None
        if span is None:
            return
        if error is not None and span.status is None:
            is_cancelled = isinstance(error, asyncio.CancelledError)
            span.set_status("cancelled" if is_cancelled else "internal_error")
        for key, value in self.context.items():
            if isinstance(value, str | int | float | bool):
                span.set_data(f"{CONTEXT}.{key}", value)
        span.finish()
        scope.span = self._previous_span
        if self._previous_scope is not None:
            Scope.set_current_scope(self._previous_scope)
            self._previous_scope = None

    async def __aenter__(self) -> "Operation":
        return self.__enter__()

    async def __aexit__(self, kind: object, error: BaseException | None, traceback: object) -> None:
        self.__exit__(kind, error, traceback)

    def __call__(self, function: F) -> F:
        """Decorate a function or coroutine function; every call is an operation of its own."""
        make = functools.partial(Operation, self.op, self.name, dict(self.context))
        if inspect.iscoroutinefunction(function):

            @functools.wraps(function)
            async def run_async(*args: Any, **kwargs: Any) -> Any:
                with make():
                    return await function(*args, **kwargs)

            return run_async  # type: ignore[return-value]  # same signature, by functools.wraps

        @functools.wraps(function)
        def run(*args: Any, **kwargs: Any) -> Any:
            with make():
                return function(*args, **kwargs)

        return run  # type: ignore[return-value]  # same signature, by functools.wraps


def operation(op: str, *, name: str, context: dict[str, Any] | None = None) -> Operation:
    """Name a piece of work.

    As in `with operation("api.discovery", name="API Discovery", context={"category": "weather"}):`.

    Args:
        op: Sentry's span operation, `dotted.lower`.
        name: What people read; low cardinality.
        context: Sent as context `api_operation` with every event of this request, and as span data.
    """
    return Operation(op, name, context)


def name_failed_operation(event: Event, hint: Hint) -> Event:
    """Enricher: give an event the context of the operation that its exception left first.

    What ends a script is captured when nothing runs any more: it also gets the trace of the operation it came from.
    """
    error = (hint.get("exc_info") or (None, None))[1]
    if error is not None:
        for link in chain_of(error):
            notes = notes_of(link)
            if _FAILED in notes:
                contexts = event.setdefault("contexts", {})
                contexts[CONTEXT] = notes[_FAILED]
                if _TRACE in notes and current_flow() is None and sentry_sdk.get_current_span() is None:
                    contexts["trace"] = dict(notes[_TRACE])
                break
    return event
