"""What `init_sentry` returns, and how its parts are made for each mode."""

import math
import time
from dataclasses import asdict
from typing import Any

import sentry_sdk
from sentry_sdk.client import BaseClient
from sentry_sdk.transport import Transport

from .budget import Budget, BudgetFile
from .budget.fund import OutageFund
from .budget.leases import SharedLeases
from .counters import Counters
from .folding import ErrorFolding
from .held import holding
from .pipeline import Pipeline
from .recording import RecordingTransport
from .settings import Mode, ObservabilitySettings

GIVEN_UP_S = 10.0


class Observability:
    """What `init_sentry` returns: the mode, what became of everything, and a way to wait for delivery."""

    def __init__(self, settings: ObservabilitySettings) -> None:
        self.settings = settings
        self.counters = Counters()
        self.transport: Transport | None = None
        self.pipeline: Pipeline | None = None
        self.folding: ErrorFolding | None = None
        self.client: BaseClient | None = None
        self._gave_up_s = -math.inf

    @property
    def mode(self) -> Mode:
        """OFF, LOCAL or LIVE."""
        return self.settings.mode

    def sample_rate(self) -> float:
        """The rate in force: the set rate, capped by the month's span budget."""
        rate = self.settings.traces_sample_rate
        return self.folding.span_rate(rate) if self.folding is not None else rate

    def flush(self, timeout_s: float | None = None) -> None:
        """Block until everything captured was sent, at most `timeout_s` seconds; never call it on the loop."""
        if self.mode is not Mode.OFF:
            sentry_sdk.flush(timeout=self.settings.flush_timeout_s if timeout_s is None else timeout_s)

    def status(self) -> dict[str, Any]:
        """JSON-able state: mode, names, sample rates, and the fate of everything by category."""
        settings = self.settings
        status: dict[str, Any] = {
            "mode": str(self.mode),
            "environment": settings.environment,
            "release": settings.release,
            "traces_sample_rate": settings.traces_sample_rate,
            "effective_sample_rate": self.sample_rate(),
            "summary": SUMMARIES[self.mode],
            "counters": self.counters.snapshot(),
            "hook_failures": self.pipeline.hook_failures if self.pipeline else 0,
        }
        if self.folding is not None:
            status["budget"] = self.budget_status()
        delivery = getattr(self.transport, "status", None)
        if delivery is not None:
            status["delivery"] = delivery()
        return status

    def budget_status(self) -> dict[str, Any]:
        """What the month costs at today's volume, and the sample rate that keeps it inside the budget."""
        if self.folding is None:
            return {}
        if self.mode is Mode.LOCAL:
            self.folding.tick()
        return {
            **asdict(self.folding.budget.forecast()),
            "pending_occurrences": self.folding.budget.pending(),
        }

    def refuse_test(self) -> str | None:
        """Count a test error in the month's budget; return in words why it must not be sent, if that is so.

        In LOCAL mode it is never refused, as nothing is sent; what LIVE mode would refuse is not counted there either.
        """
        refusal = self.folding.pay_test() if self.folding is not None else None
        return refusal if self.mode is Mode.LIVE else None

    def close(self) -> None:
        """Deliver what is left before the process ends: counts not yet reported, then everything queued.

        Sentry is not waited for if it did not take everything in time a moment ago: what is left stays in the spool.
        """
        if self.folding is not None:
            self.folding.close(with_tallies=True)
        started_s = time.monotonic()
        if started_s - self._gave_up_s > GIVEN_UP_S:
            self.flush()
            ended_s = time.monotonic()
            if ended_s - started_s >= self.settings.flush_timeout_s:
                self._gave_up_s = ended_s
        park = getattr(self.transport, "park", None)
        if park is not None:
            park()

    def end(self) -> None:
        """Close for good, as the process ends: the SDK's own `atexit` would wait once more."""
        self.close()
        if self.client is not None:
            self.client.close(timeout=0)

    def retire(self) -> None:
        """Make room for another handle in the same process; what is queued stays in the spool, which that one reads."""
        if self.folding is not None:
            self.folding.close(with_tallies=False)
        if self.client is not None:
            self.client.close(timeout=0)


SUMMARIES = {
    Mode.OFF: "Off: nothing is instrumented and nothing is sent.",
    Mode.LOCAL: "Local: the whole pipeline runs, envelopes stay in memory, nothing leaves the process.",
    Mode.LIVE: "Live: envelopes are sent to Sentry.",
}


def make_folding(handle: Observability, shared_engine: Any) -> ErrorFolding:
    """The month's budget: in memory when LOCAL, shared through an async PostgreSQL engine, else kept on disk.

    One for each Sentry project: services on one disk or database share a month only if they send to the same one.
    """
    settings = handle.settings
    is_live = handle.mode is Mode.LIVE
    budget = Budget(
        monthly_errors=settings.monthly_errors, monthly_spans=settings.monthly_spans, is_shared=is_live
    )
    if not is_live:
        return ErrorFolding(budget, handle.counters)
    if shared_engine is not None:
        fund = OutageFund(settings.state_dir / "fund.json", budget)
        fund.draw_if_needed()  # so that an error before the first lease need not wait
        leases = SharedLeases(shared_engine, budget, destination=settings.destination, fund=fund)
        return ErrorFolding(budget, handle.counters, leases=leases)
    store = BudgetFile(settings.state_dir / "budget.json", budget)
    store.open()
    return ErrorFolding(budget, handle.counters, store)


def make_transport(handle: Observability, pipeline: Pipeline) -> Transport:
    """Records in memory when LOCAL, delivers to Sentry when LIVE."""
    settings = handle.settings
    if handle.mode is Mode.LOCAL:
        return RecordingTransport(gate=holding(pipeline.gate), counters=handle.counters)
    from .delivery import DeliveryTransport  # not needed, and no thread, unless LIVE

    return DeliveryTransport(
        str(settings.dsn),
        gate=holding(pipeline.gate),
        counters=handle.counters,
        spool_dir=settings.spool_dir / "envelopes",
        flush_timeout_s=settings.flush_timeout_s,
        on_unpaid=handle.folding.take_over if handle.folding is not None else None,
    )
