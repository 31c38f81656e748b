"""Decides which share of requests is traced. Pure: knows the SDK's sampling context, not the SDK.

Fails towards fewer traces: a rate that is no number in [0, 1] samples nothing.
"""

from collections.abc import Callable, Mapping
from typing import Any, TypeAlias

SamplingContext: TypeAlias = Mapping[str, Any]
TracesSampler: TypeAlias = Callable[[SamplingContext], float]


def effective_rate(set_rate: float, cap: float) -> float:
    """Return the rate to sample with, in [0, 1]: the set rate, at most `cap`."""
    rate = min(set_rate, cap)
    return min(rate, 1.0) if rate > 0.0 else 0.0


def make_traces_sampler(
    set_rate: float,
    span_rate: Callable[[float], float],
    *,
    is_untraced: Callable[[SamplingContext], bool] | None = None,
) -> TracesSampler:
    """Return a `traces_sampler` for the SDK.

    The decision of an incoming trace is not asked for: callers outside our control can neither spend our budget
    nor hide from tracing.

    Args:
        set_rate: the rate ops set.
        span_rate: the rate the budget allows for a set rate (`Budget.span_rate`).
        is_untraced: true for transactions that are never traced, such as health checks.
    """

    def traces_sampler(context: SamplingContext) -> float:
        if is_untraced is not None and is_untraced(context):
            return 0.0
        return effective_rate(set_rate, span_rate(set_rate))

    return traces_sampler
