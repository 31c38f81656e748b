"""What `measures.py` relies on: where the SDK collects metrics, and what it makes of one."""

import importlib.util
import sys
from collections.abc import Callable, Iterator
from typing import Any

import pytest
import sentry_sdk
from sentry_sdk._metrics_batcher import MetricsBatcher
from sentry_sdk.envelope import Envelope
from sentry_sdk.transport import Transport

from app.observability.counters import Counters
from app.observability.measures import COUNTER, DISTRIBUTION, Measures, measure, use_measures
from app.observability.pipeline import Pipeline
from app.observability.scrubbing import Scrubber

LABELS: dict[str, str | bool] = {"route": "/items/{n}", "sampled": True, "reason": "401"}


class Collecting(Transport):
    """Keeps the metrics that arrive."""

    def __init__(self) -> None:
        super().__init__({"dsn": None})
        self.metrics: list[dict[str, Any]] = []

    def capture_envelope(self, envelope: Envelope) -> None:
        for item in envelope.items:
            self.metrics += (item.payload.json or {}).get("items", ())


@pytest.fixture
def transport() -> Iterator[Collecting]:
    """A client that sends metrics to a list."""
    collecting = Collecting()
    with sentry_sdk.new_scope():
        sentry_sdk.init(dsn="", transport=collecting, default_integrations=False, traces_sample_rate=1.0)
        yield collecting
    sentry_sdk.get_client().close(timeout=0)
    sentry_sdk.get_global_scope().set_client(None)


def by_the_sdk() -> None:
    sentry_sdk.metrics.count("seen", 1, attributes=LABELS)
    sentry_sdk.metrics.distribution("took", 2.5, unit="second", attributes=LABELS)


def by_us() -> None:
    client = sentry_sdk.get_client()
    use_measures(client, Pipeline(scrubber=Scrubber(), counters=Counters()))
    assert isinstance(client.metrics_batcher, Measures)
    assert client.metrics_batcher.take(
        LABELS, ((COUNTER, "seen", 1, None), (DISTRIBUTION, "took", 2.5, "second"))
    ), "not left to the SDK"


def sent(transport: Collecting, send: Callable[[], None]) -> list[dict[str, Any]]:
    del transport.metrics[:]
    send()
    sentry_sdk.flush()
    return [
        {key: value for key, value in metric.items() if key != "timestamp"} for metric in transport.metrics
    ]


def test_the_client_collects_metrics_in_a_batcher_that_ours_can_take_the_place_of(
    transport: Collecting,
) -> None:
    assert type(sentry_sdk.get_client().metrics_batcher) is MetricsBatcher


@pytest.mark.parametrize("with_span", [True, False])
def test_a_metric_of_ours_looks_like_one_of_the_sdk(transport: Collecting, with_span: bool) -> None:
    with sentry_sdk.isolation_scope():
        span = sentry_sdk.start_transaction(name="t") if with_span else None
        sentry_sdk.get_current_scope().span = span
        expected = sent(transport, by_the_sdk)
        assert len(expected) == 2
        assert ("span_id" in expected[0]) is with_span
        assert sent(transport, by_us) == expected


def test_an_sdk_that_collects_metrics_elsewhere_is_left_alone(
    transport: Collecting, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(sys.modules, "sentry_sdk._metrics_batcher", None)
    spec = importlib.util.find_spec(measure.__module__)
    assert spec is not None
    assert spec.loader is not None
    copy = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(copy)
    copy.use_measures(sentry_sdk.get_client(), None)
    assert type(sentry_sdk.get_client().metrics_batcher) is MetricsBatcher
    copy.count("seen", LABELS)
    sentry_sdk.flush()
    assert [metric["name"] for metric in transport.metrics] == ["seen"]
