"""Decides which share of requests is traced. Pure: knows the SDK's sampling context, not the SDK.

Fails towards fewer traces: a rate that is no number in [0, 1] samples nothing.
"""

from collections.abc import Callable, Mapping
from typing import Any, TypeAlias

SamplingContext: TypeAlias = Mapping[str, Any]
TracesSampler: TypeAlias = Callable[[SamplingContext], float]


def effective_rate(set_rate: float, cap: float, *, parent_sampled: bool | None = None) -> float:
    """Return the rate to sample with, in [0, 1]: the set rate, at most `cap`.

    A parent that was not sampled stops the trace here too; one that was sampled does not raise our rate, or
    callers outside our control would spend our budget.
    """
    if parent_sampled is False:
        return 0.0
    rate = min(set_rate, cap)
    return min(rate, 1.0) if rate > 0.0 else 0.0


def make_traces_sampler(
    set_rate: float,
    span_rate: Callable[[float], float],
    *,
    is_untraced: Callable[[SamplingContext], bool] | None = None,
) -> TracesSampler:
    """Return a `traces_sampler` for the SDK.

    Args:
        set_rate: the rate ops set.
        span_rate: the rate the budget allows for a set rate (`Budget.span_rate`).
        is_untraced: true for transactions that are never traced, such as health checks.
    """

    def traces_sampler(context: SamplingContext) -> float:
        if is_untraced is not None and is_untraced(context):
            return 0.0
        return effective_rate(set_rate, span_rate(set_rate), parent_sampled=context.get("parent_sampled"))

    return traces_sampler
