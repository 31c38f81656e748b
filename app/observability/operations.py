"""Custom operations: the context `api_operation` and a span or transaction in one call."""

import functools
import inspect
from collections.abc import Callable
from typing import Any, TypeVar

import sentry_sdk
from sentry_sdk.tracing import Span

from .state import current_flow

CONTEXT = "api_operation"
ORIGIN = "manual.streamapi"
F = TypeVar("F", bound=Callable[..., Any])


class Operation:
    """One named piece of work; use as `with`, `async with` or decorator. Harmless when OFF.

    Inside a recorded transaction it is a span; outside any request it starts a transaction of its own; inside a
    request that was not sampled it only sets the context.
    """

    def __init__(self, op: str, name: str, context: dict[str, Any] | None) -> None:
        self.op = op
        self.name = name
        self.context: dict[str, Any] = {"operation": op, **(context or {})}
        self._span: Span | None = None
        self._previous: Span | None = None

    def set(self, key: str, value: Any) -> None:
        """Add to the context `api_operation`, for example what is known only at the end."""
        self.context[key] = value
        self._publish()

    def _publish(self) -> None:
        if sentry_sdk.get_client().is_active():
            sentry_sdk.get_isolation_scope().set_context(CONTEXT, dict(self.context))

    def __enter__(self) -> "Operation":
        self._publish()
        if not sentry_sdk.get_client().is_active():
            return self
        scope = sentry_sdk.get_current_scope()
        parent = scope.span
        if parent is not None:
            self._span = parent.start_child(op=self.op, name=self.name, origin=ORIGIN)
        elif current_flow() is None:
            started = sentry_sdk.start_transaction(op=self.op, name=self.name, source="custom", origin=ORIGIN)
            self._span = started
        self._previous = parent
        if self._span is not None:
            scope.span = self._span
        return self

    def __exit__(self, kind: object, error: BaseException | None, traceback: object) -> None:
        span, self._span = self._span, None
        if span is None:
            return
        if error is not None and span.status is None:
            span.set_status("internal_error")
        for key, value in self.context.items():
            if isinstance(value, str | int | float | bool):
                span.set_data(f"{CONTEXT}.{key}", value)
        span.finish()
        sentry_sdk.get_current_scope().span = self._previous

    async def __aenter__(self) -> "Operation":
        return self.__enter__()

    async def __aexit__(self, kind: object, error: BaseException | None, traceback: object) -> None:
        self.__exit__(kind, error, traceback)

    def __call__(self, function: F) -> F:
        """Decorate a function or coroutine function; every call is an operation of its own."""
        make = functools.partial(Operation, self.op, self.name, self.context)
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
    """Name a piece of work, as in `with operation("api.discovery", name="API Discovery", context=...)`.

    Args:
        op: Sentry's span operation, `dotted.lower`.
        name: What people read; low cardinality.
        context: Sent as context `api_operation` with every event of this request, and as span data.
    """
    return Operation(op, name, context)
