"""Starts transactions whose sampling was decided before anything was built.

An incoming trace is continued by its trace id only: its sampling flag never raises our rate, and its baggage, which
anyone can fill, is not passed on. The trace header that goes with our events is made of our own values.
"""

import random
from collections.abc import Callable

import sentry_sdk
from sentry_sdk import Scope
from sentry_sdk.client import BaseClient
from sentry_sdk.tracing import Span, Transaction, TransactionSource
from sentry_sdk.tracing_utils import Baggage

from .transaction import LeanTransaction
from .types import AsgiScope

SENTRY_TRACE = b"sentry-trace"
MAX_SPANS = 1000


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


def draw_items(trace_id: str, rate: float) -> dict[str, str]:
    """What the trace header says of one trace that won its draw."""
    return {
        "trace_id": trace_id,
        "sample_rate": str(rate),
        # below the rate, as it won the draw; without it the SDK seeds a generator for each transaction
        "sample_rand": f"{random.random() * rate:.6f}",  # noqa: S311 - no secret
    }


def trace_items(client: BaseClient, trace_id: str, rate: float) -> dict[str, str]:
    """What the server has to know of a sampled trace before it reads the event, all of it our own values."""
    items = draw_items(trace_id, rate) | {
        "sampled": "true",
        "environment": str(client.options["environment"]),
        "release": str(client.options["release"]),
    }
    dsn = client.parsed_dsn
    if dsn is not None and dsn.public_key:
        items["public_key"] = dsn.public_key
    return items


def start_transaction(
    isolation: Scope,
    *,
    name: str,
    op: str,
    rate: float,
    origin: str,
    source: str = TransactionSource.ROUTE,
    parent_span_id: str | None = None,
    started: float | None = None,
) -> Transaction:
    """Start a transaction that is already known to be sampled, in the trace of the isolation scope.

    `Scope.start_transaction` would draw again and look for profilers; what it adds beyond that is one list for spans.
    `started` is in seconds since the epoch, by default now.
    """
    client = sentry_sdk.get_client()
    trace = isolation.get_active_propagation_context()
    items = trace_items(client, trace.trace_id, rate)
    transaction = LeanTransaction(
        name=name,
        op=op,
        source=source,
        origin=origin,
        trace_id=trace.trace_id,
        parent_span_id=parent_span_id or trace.parent_span_id,
        sampled=True,
        start_timestamp=started,
        baggage=Baggage(items, mutable=False),
    )
    transaction.sample_rate = rate
    transaction.init_span_recorder(MAX_SPANS)
    return transaction


def current_span() -> Span | None:
    """The span that a child would belong to, if it is being recorded."""
    span = sentry_sdk.get_current_scope().span
    return span if span is not None and span.sampled else None


def has_spans(transaction: Transaction) -> bool:
    """Whether anything was recorded inside; reads the private `_span_recorder` (contract test `test_sdk_facts`)."""
    recorder = getattr(transaction, "_span_recorder", None)
    return recorder is not None and bool(recorder.spans)
