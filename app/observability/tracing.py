"""Starts transactions whose sampling was decided before anything was built.

An incoming trace is continued by its trace id only: its sampling flag never raises our rate, and its baggage, which
anyone can fill, is not passed on. The trace header that goes with our events is made of our own values.
"""

import random
from collections.abc import Callable

import sentry_sdk
from sentry_sdk import Scope
from sentry_sdk.tracing import Span, Transaction, TransactionSource
from sentry_sdk.tracing_utils import Baggage

from .types import AsgiScope

SENTRY_TRACE = b"sentry-trace"


class Sampler:
    """Draws before the route is matched, so that requests that lose the draw cost one random number."""

    def __init__(self, rate: Callable[[], float], draw: Callable[[], float] = random.random) -> None:
        self.rate = rate
        self.draw = draw

    def wins(self) -> float | None:
        """The rate, in (0, 1], that this trace was drawn at, or None if it is not sampled."""
        rate = self.rate()
        return rate if rate > 0 and self.draw() < rate else None


def incoming_trace(scope: AsgiScope) -> str | None:
    """Value of the `sentry-trace` header, undecoded headers scanned once."""
    for name, value in scope["headers"]:
        if name == SENTRY_TRACE:
            return str(value, "latin-1")
    return None


def join_trace(isolation: Scope, header: str | None) -> None:
    """Give the isolation scope the trace of the caller if it names a valid one, else a new trace."""
    if header is None:
        isolation.set_new_propagation_context()
    else:
        isolation.generate_propagation_context({"sentry-trace": header})


def start_transaction(
    isolation: Scope, *, name: str, op: str, rate: float, origin: str, source: str = TransactionSource.ROUTE
) -> Transaction:
    """Start a transaction that is already known to be sampled, in the trace of the isolation scope."""
    trace = isolation.get_trace_context()
    parent = trace.get("parent_span_id")
    options = sentry_sdk.get_client().options
    items = {
        "trace_id": trace["trace_id"],
        "sample_rate": str(rate),
        "sampled": "true",
        "environment": str(options["environment"]),
        "release": str(options["release"]),
    }
    dsn = sentry_sdk.get_client().parsed_dsn
    if dsn is not None and dsn.public_key:
        items["public_key"] = dsn.public_key
    transaction = Transaction(
        name=name,
        op=op,
        source=source,
        origin=origin,
        trace_id=trace["trace_id"],
        parent_span_id=parent,
        sampled=True,
        baggage=Baggage(items, mutable=False),
    )
    started = sentry_sdk.get_current_scope().start_transaction(transaction)
    transaction.sample_rate = rate
    items["sample_rate"] = str(rate)
    return started if isinstance(started, Transaction) else transaction


def current_span() -> Span | None:
    """The span that a child would belong to, if it is being recorded."""
    span = sentry_sdk.get_current_scope().span
    return span if span is not None and span.sampled else None
