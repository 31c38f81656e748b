"""The module's own metrics, for a fraction of what the SDK's functions cost.

Their names and units are constants and their attributes nearly always the same, so a set of attributes is scrubbed
and put into its final form once. A metric then is one dictionary in the client's batch: no scope is forked for it, no
hook runs and the last gate lets it pass. Metrics of the application go through all of them. Relies on the client's
`metrics_batcher` and private fields of scopes (SDK 2.75; contract test `test_sdk_metrics`); with an SDK that has none
there, and where the application has given a scope attributes of its own, the SDK's functions are used.
"""

import time
from collections.abc import Mapping
from typing import Any, Final, TypeAlias

import sentry_sdk
from sentry_sdk import Scope
from sentry_sdk.client import BaseClient

from .gate import ScrubbedEvent
from .pipeline import Pipeline
from .scopes import LazyScope, trace_id_of
from .types import Event

try:
    from sentry_sdk._metrics_batcher import MetricsBatcher
except ImportError:  # an SDK that collects them elsewhere

    class MetricsBatcher:  # type: ignore[no-redef]
        """Nothing is of this kind."""


Labels: TypeAlias = Mapping[str, str | bool]
Measured: TypeAlias = tuple[str, str, float, str | None]
"""Type, name, value and unit of one metric."""

COUNTER: Final = "counter"
DISTRIBUTION: Final = "distribution"
MAX_SETS = 1_024
_NOTHING: Final[Event] = {"timestamp": 0, "trace_id": None, "name": "", "type": COUNTER, "value": 0}


def count(name: str, labels: Labels) -> None:
    """Count one."""
    measure(labels, (COUNTER, name, 1, None))


def distribution(name: str, value: float, unit: str | None, labels: Labels) -> None:
    """Add one value to a distribution."""
    measure(labels, (DISTRIBUTION, name, value, unit))


def measure(labels: Labels, *measured: Measured) -> None:
    """Take metrics with the same attributes; nothing happens where metrics are switched off.

    Names and units must be constants of the module: they are not scrubbed, attributes are.
    """
    batch = getattr(Scope.get_client(), "metrics_batcher", None)
    if isinstance(batch, Measures) and batch.take(labels, measured):
        return
    for kind, name, value, unit in measured:
        send = sentry_sdk.metrics.count if kind == COUNTER else sentry_sdk.metrics.distribution
        send(name, value, unit=unit, attributes=dict(labels))


def use_measures(client: BaseClient, pipeline: Pipeline | None) -> None:
    """Have a client collect metrics here; without a pipeline none of ours are wanted."""
    batcher = getattr(client, "metrics_batcher", None)
    if type(batcher) is MetricsBatcher and hasattr(batcher, "_capture_func"):
        client.metrics_batcher = Measures(batcher, pipeline)


class Measures(MetricsBatcher):
    """The batch of a client; metrics of ours are added as they will leave. Thread-safe, like the SDK's.

    Args:
        batcher: The SDK's, which this one takes the place of.
        pipeline: Scrubs attributes and knows the user.
    """

    def __init__(self, batcher: MetricsBatcher, pipeline: Pipeline | None) -> None:
        super().__init__(batcher._capture_func, batcher._record_lost_func)  # noqa: SLF001 - see the first lines
        self.pipeline = pipeline
        self._base: tuple[Event, dict[Any, Event]] = ({}, {})
        self._persons: dict[Any, Event] = {}

    def take(self, labels: Labels, measured: tuple[Measured, ...]) -> bool:
        """Add metrics; False if that is left to the SDK."""
        pipeline = self.pipeline
        if pipeline is None:
            return True
        try:
            made = self._make(pipeline, labels, measured)
        except Exception:  # noqa: BLE001 - the hook fails in the same way, and counts it
            return False
        for metric in made:
            self.add(metric)  # type: ignore[arg-type]  # the SDK's own TypedDict
        return bool(made)

    def _make(self, pipeline: Pipeline, labels: Labels, measured: tuple[Measured, ...]) -> list[Event]:
        """Metrics as they will leave; none where the service has given a scope attributes."""
        current, isolation = Scope.get_current_scope(), Scope.get_isolation_scope()
        if _attributes_of(current) or _attributes_of(isolation):
            return []
        common: Event = {"timestamp": time.time(), "attributes": self._attributes(pipeline, labels)}
        span = _span_of(current)
        if span is None:
            common["trace_id"] = _trace_of(current, isolation)
        else:
            common["trace_id"], common["span_id"] = span.trace_id, span.span_id
        made: list[Event] = []
        for kind, name, value, unit in measured:
            metric = ScrubbedEvent(common)
            metric["name"] = name
            metric["type"] = kind
            metric["value"] = float(value)
            if unit is not None:
                metric["unit"] = unit
            made.append(metric)
        return made

    def _attributes(self, pipeline: Pipeline, labels: Labels) -> Event:
        process = Scope.get_global_scope()._attributes  # noqa: SLF001 - see the first lines
        base, sets = self._base
        if base != process:
            base, sets = self._base = (dict(process), {})
        attributes = _ready(pipeline, sets, labels, base)
        person = pipeline.attributes()
        if person:
            return {**attributes, **_ready(pipeline, self._persons, person, {})}
        return attributes

    @staticmethod
    def _to_transport_format(item: Any) -> Any:
        """Leave a metric of ours as it is."""
        return item if isinstance(item, ScrubbedEvent) else MetricsBatcher._to_transport_format(item)  # noqa: SLF001


def _ready(pipeline: Pipeline, sets: dict[Any, Event], labels: Labels, base: Event) -> Event:
    """Attributes, scrubbed and with their types as Sentry takes them."""
    key = tuple(labels.items())
    ready = sets.get(key)
    if ready is None:
        clean = pipeline.scrub_attributes({**base, **labels})
        metric: Any = {**_NOTHING, "attributes": clean}
        formatted: Event = MetricsBatcher._to_transport_format(metric)["attributes"]  # noqa: SLF001
        if len(sets) >= MAX_SETS:
            sets.clear()
        ready = sets[key] = formatted
    return ready


def _attributes_of(scope: Scope) -> Event:
    """What the application said of everything in a scope; of a lazy one without making it whole."""
    while isinstance(scope, LazyScope) and not scope.owns("_attributes"):
        scope = scope.template
    attributes: Event = scope._attributes  # noqa: SLF001 - see the first lines
    return attributes


def _span_of(current: Scope) -> Any:
    """The running span, if there is one."""
    if isinstance(current, LazyScope) and current.is_untouched and current.origin is None:
        return None
    return current._span  # noqa: SLF001 - an announced one (`SampledScope`) is not asked for


def _trace_of(current: Scope, isolation: Scope) -> str:
    """Id of the trace that goes on without a span."""
    if not (isinstance(current, LazyScope) and current.is_untouched):
        context = current._propagation_context  # noqa: SLF001 - see the first lines
        if context is not None:
            return str(context.trace_id)
    return trace_id_of(isolation)
