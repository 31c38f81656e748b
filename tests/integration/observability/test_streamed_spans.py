"""Spans that leave one by one, without a transaction around them, are scrubbed like everything else."""

import json
from collections.abc import Iterator
from typing import Any

import pytest
import sentry_sdk
from sentry_sdk.traces import start_span

from app.observability.pipeline import NEUTRAL_SPAN
from tests.support.observability import Recorder, local_sentry

SECRET = "Zr7" + "qmLw" + "92xK"


@pytest.fixture
def recorder() -> Iterator[Recorder]:
    """The module's own hooks and transport, in a client that streams its spans."""
    with local_sentry() as started:
        own = sentry_sdk.get_client().options["_experiments"]
        streaming: Any = {**own, "trace_lifecycle": "stream"}
        sentry_sdk.init(
            transport=started.transport,
            default_integrations=False,
            traces_sample_rate=1.0,
            _experiments=streaming,
        )
        yield started


def streamed(recorder: Recorder) -> list[dict[str, Any]]:
    attributes: Any = {"password": SECRET, "note": f"password={SECRET}", "shop.size": 3}
    with start_span(name=f"GET /?password={SECRET}", attributes=attributes):
        pass
    sentry_sdk.flush()
    return [span for batch in recorder.of("span") for span in batch["items"]]


def test_a_streamed_span_leaves_scrubbed(recorder: Recorder) -> None:
    [span] = streamed(recorder)
    assert SECRET not in json.dumps(span)
    assert span["attributes"]["shop.size"]["value"] == 3


def test_the_hook_alone_scrubs_it(recorder: Recorder, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(recorder.handle.pipeline, "_gate", lambda envelope: envelope)
    [span] = streamed(recorder)
    assert SECRET not in json.dumps(span)


def test_a_span_that_cannot_be_scrubbed_leaves_neutral(
    recorder: Recorder, monkeypatch: pytest.MonkeyPatch
) -> None:
    pipeline = recorder.handle.pipeline
    assert pipeline is not None
    scrub = pipeline.scrubber.scrub

    def fail(payload: Any, kind: str = "event") -> Any:
        if "name" in payload:  # the hook's; the gate gets a batch
            raise KeyError(SECRET)
        return scrub(payload, kind)

    monkeypatch.setattr(pipeline.scrubber, "scrub", fail)
    [span] = streamed(recorder)
    assert span["name"] == NEUTRAL_SPAN["name"]
    assert SECRET not in json.dumps(span)
