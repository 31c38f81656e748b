"""The transport: what the SDK hands envelopes to.

Capturing does three things: the gate, a small file for what must survive the process, and a note for the sender. It
never waits for the network, nor for a lock that is held over I/O. Fails closed: what the gate cannot pass is dropped
and counted, never sent as it was.
"""

import logging
import os
import random
import weakref
from collections.abc import Callable, Sequence
from concurrent.futures import Future
from pathlib import Path
from typing import Any

from sentry_sdk.envelope import Envelope, Item
from sentry_sdk.transport import Transport
from sentry_sdk.utils import Dsn

from ..counters import Counters, Fate
from ..types import Event
from .bounds import Bounds
from .clock import Clock, SystemClock
from .connection import IngestConnection
from .envelopes import DURABLE, main_category, quantities, sizes, tally_of, weight_of
from .outbox import Pending
from .outcomes import Outcome, Outcomes
from .sender import Sender
from .spool import Spool
from .store import Store
from .trimming import trim_event
from .unpaid import OnUnpaid

logger = logging.getLogger(__name__)

COUNTED_BY_HOOKS = "before_send"
"""The SDK's word for what a hook dropped. Our hooks count that themselves, with a more telling fate."""


class DeliveryTransport(Transport):
    """Bring every envelope to Sentry, or say what became of it.

    Errors, messages, feedback and check-ins are written to the spool in the capturing call and removed when Sentry has
    them; everything else waits in bounded memory, and moves to the spool when the process ends. Thread-safe, and safe
    to use after a fork: the child has its own thread, connection and folder, and leaves the parent's to the parent.

    Args:
        dsn: where to send.
        gate: scrubs an envelope; None means nothing of it may go out (the gate counts that itself). Called in the
            capturing thread before anything else, and again for every file that another process left.
        counters: receives one fate for everything that was captured.
        spool_dir: folder for the spool, shared by any number of processes; None keeps everything in memory.
        flush_timeout_s: how long `flush()` waits if it is not told.
        on_unpaid: takes over events that a dead process had put on disk with `keep_unpaid`; without it they are sent.
        trim: makes an event that is too large for Sentry smaller, for one second try.
        bounds: how much may wait.
        clock: the time.
        jitter: a random number in [0, 1); spreads the retries of many processes.
    """

    def __init__(
        self,
        dsn: str,
        *,
        gate: Callable[[Envelope], Envelope | None],
        counters: Counters,
        spool_dir: Path | None = None,
        flush_timeout_s: float = 5.0,
        on_unpaid: OnUnpaid | None = None,
        trim: Callable[[Event], Event] = trim_event,
        bounds: Bounds | None = None,
        clock: Clock | None = None,
        jitter: Callable[[], float] = random.random,
    ) -> None:
        super().__init__({"dsn": dsn})
        self.counters = counters
        self._dsn = Dsn(dsn)
        self._gate = gate
        self._on_unpaid = on_unpaid
        self._trim = trim
        self._bounds = bounds or Bounds()
        self._clock = clock or SystemClock()
        self._jitter = jitter
        self._flush_timeout_s = flush_timeout_s
        self._spool: Spool | None = None
        if spool_dir is not None:
            self._spool = Spool(
                spool_dir,
                destination=f"{self._dsn.host}:{self._dsn.port}{self._dsn.path}{self._dsn.project_id}",
            )
        self._connection = IngestConnection(self._dsn)
        self._start()
        _transports.add(self)
        if self._spool is not None and self._spool.has_leftovers():
            self._sender.start()

    def _start(self) -> None:
        self._has_failed = False
        self._outcomes = Outcomes()
        self._store = Store(
            self._spool,
            gate=self._gate,
            trim=self._trim,
            counters=self.counters,
            outcomes=self._outcomes,
            bounds=self._bounds,
            clock=self._clock,
            on_unpaid=self._on_unpaid,
        )
        self._sender = Sender(
            self._connection,
            self._store,
            self.counters,
            bounds=self._bounds,
            clock=self._clock,
            jitter=self._jitter,
        )

    def start_afresh_in_child(self) -> None:
        """Leave everything to the parent after a fork: what waits is sent once, by the parent."""
        self._connection.close()
        self._connection = IngestConnection(self._dsn)
        if self._spool is not None:
            self._spool.start_afresh_in_child()
        self._start()

    # what the SDK calls

    def capture_envelope(self, envelope: Envelope) -> None:
        """Take an envelope over: about 100 us for an error, 10 us for the rest. Never raises."""
        event_id = envelope.headers.get("event_id")
        try:
            gated = self._gate(envelope)
            if gated is None or not gated.items:
                self._outcomes.tell(event_id, Outcome(False, Fate.FILTERED))
                return
            self._accept(gated, event_id)
        except Exception as failure:  # noqa: BLE001 - nothing unscrubbed goes out, and the application goes on
            self._drop_failed(envelope, event_id, failure)

    def flush(
        self, timeout: float | None = None, callback: Callable[[int, float], Any] | None = None
    ) -> None:
        """Wait until everything that can be sent has been, at most `timeout` seconds.

        What a rate limit holds back for longer is not waited for. What is left stays in the spool.

        Args:
            timeout: in seconds; the constructor's `flush_timeout_s` if None.
            callback: called with the number of waiting envelopes and the timeout if not all went at once.
        """
        timeout_s = self._flush_timeout_s if timeout is None else timeout
        if timeout_s > 0:
            self._sender.flush(timeout_s, callback)

    def park(self) -> None:
        """Move what still waits in memory to the spool: the process is about to end, and `kill` may never be called."""
        if self._spool is not None:
            self._sender.park(self._store.save)

    def kill(self) -> None:
        """Stop the thread and close the connection now; what was not sent is left in the spool."""
        self._store.save(self._sender.stop())
        if self._spool is not None:
            self._spool.close()
        _transports.discard(self)

    def record_lost_event(
        self, reason: str, data_category: str | None = None, item: Item | None = None, *, quantity: int = 1
    ) -> None:
        """Count what the SDK lost before it reached us; what our hooks dropped they have counted themselves."""
        if reason == COUNTED_BY_HOOKS:
            return
        if item is not None:
            for category, amount in quantities(item):
                self.counters.count(reason, category, amount)
            for category, size in sizes([item]):
                self.counters.measure(reason, category, size)
        else:
            self.counters.count(reason, data_category or "default", quantity)

    def is_healthy(self) -> bool:
        """Return False while the queue is nearly full or Sentry limits errors or traces: the SDK then samples less."""
        return self._sender.is_healthy()

    # for the budget

    def keep_unpaid(self, event: Event, key: Sequence[str]) -> bool:
        """Put a scrubbed event on disk until its kind is paid for; false if there is no disk or no room."""
        return self._store.unpaid.keep(event, key)

    def read_unpaid(self, event_id: str) -> Event | None:
        """Return an event that waits to be paid for; None if it is gone."""
        return self._store.unpaid.read(event_id)

    def forget_unpaid(self, event_id: str) -> None:
        """Remove an event that waited: it was captured, or another stands for it."""
        self._store.unpaid.forget(event_id)

    # what others ask

    def outcome(self, event_id: str) -> "Future[Outcome]":
        """Return a future for what happens to one event; ask before or shortly after it was captured.

        It tells the first verdict. Wait with a timeout: an event that a hook drops never comes here.
        """
        return self._outcomes.ask(event_id)

    def status(self) -> dict[str, Any]:
        """Return how delivery stands: gauges, limits in seconds left, and the fate of everything by category.

        For each category `captured` plus `adopted` (left by processes that died) equals the fates given here plus what
        is queued and spooled. Fates given by hooks (folded, budget, filtered) are of what never came here.
        """
        return {
            **self._sender.status(),
            "unpaid": len(self._store.unpaid),
            "spool": self._store.state(),
            "fates": self.counters.snapshot(),
        }

    def _accept(self, envelope: Envelope, event_id: str | None) -> None:
        category, tally = main_category(envelope), tally_of(envelope.items)
        pending = Pending(category, event_id, self._clock.time(), tally, weight_of(tally), envelope)
        if category in DURABLE:
            self._store.secure(pending, envelope)
        self._sender.submit(pending)

    def _drop_failed(self, envelope: Envelope, event_id: str | None, failure: Exception) -> None:
        tally = tuple((category, 1) for category in {main_category(envelope)})
        self._sender.count_captured(tally)
        for category, quantity in tally:
            self.counters.count(Fate.INTERNAL_ERROR, category, quantity)
        self._outcomes.tell(event_id, Outcome(False, Fate.INTERNAL_ERROR))
        if not self._has_failed:
            self._has_failed = True
            # The text of the failure may hold what was being scrubbed.
            logger.warning("An envelope for Sentry failed with %s and is dropped", type(failure).__name__)


_transports: "weakref.WeakSet[DeliveryTransport]" = weakref.WeakSet()


def _start_afresh_in_child() -> None:
    for transport in list(_transports):
        transport.start_afresh_in_child()


if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_start_afresh_in_child)
