"""What ops can switch: tiers that exist, metrics, and the level of Sentry logs."""

import logging

import pytest
import sentry_sdk
from fastapi import FastAPI

from app.observability import identify_user
from tests.support.observability import Recorder, client_of, local_sentry

pytestmark = pytest.mark.anyio


async def run(**settings: object) -> Recorder:
    app = FastAPI()

    @app.get("/{tier}")
    async def fail(tier: str) -> None:
        identify_user(id="u", tier=tier)
        logger = logging.getLogger("shop")
        logger.setLevel(logging.INFO)
        logger.warning("low stock")
        logger.info("all well")
        sentry_sdk.metrics.count("orders", 1)
        raise ValueError("x")

    with local_sentry(app, **settings) as recorder:
        async with client_of(app) as client:
            await client.get("/gold")
        recorder.handle.flush(1)
    return recorder


async def test_a_tier_that_is_not_on_the_list_is_unknown() -> None:
    assert (await run(user_tiers="free,gold")).only_event()["tags"]["user.tier"] == "gold"
    assert (await run(user_tiers="free,premium")).only_event()["tags"]["user.tier"] == "unknown"


async def test_without_a_list_every_tier_is_shown() -> None:
    assert (await run()).only_event()["tags"]["user.tier"] == "gold"


async def test_metrics_can_be_switched_off() -> None:
    assert (await run()).of("trace_metric")
    assert (await run(enable_metrics=False)).of("trace_metric") == []


async def test_logs_are_sent_from_the_chosen_level_on_and_only_if_wanted() -> None:
    def bodies(recorder: Recorder) -> set[str]:
        return {item["body"] for batch in recorder.of("log") for item in batch["items"]}

    assert bodies(await run()) == set()
    assert bodies(await run(enable_logs=True)) == {"low stock"}
    assert bodies(await run(enable_logs=True, logs_level="info")) == {"low stock", "all well"}
