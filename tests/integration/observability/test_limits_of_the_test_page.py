"""/test-sentry costs the month and the day, and says when they have no room for it."""

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import httpx
import pytest
import sentry_sdk
from fastapi import FastAPI

from app.observability import ObservabilitySettings, init_sentry
from app.observability.budget import core
from tests.support.ingest import IngestServer
from tests.support.observability import client_of, local_sentry

pytestmark = pytest.mark.anyio
PAGE = {"accept": "text/html"}


@contextmanager
def live(folder: Path, monthly_errors: int) -> Iterator[tuple[httpx.AsyncClient, IngestServer]]:
    app = FastAPI()
    with IngestServer() as sentry:
        settings = ObservabilitySettings(
            enabled=True,
            environment="staging",
            dsn=sentry.dsn,
            spool_dir=folder,
            monthly_errors=monthly_errors,
        )
        handle = init_sentry(app, settings=settings)
        try:
            yield client_of(app), sentry
            handle.close()
            assert handle.budget_status()["errors_sent"] == len(sentry.events())
        finally:
            sentry_sdk.get_client().close(timeout=0)
            sentry_sdk.get_global_scope().set_client(None)


async def test_a_month_without_room_for_it_answers_429(tmp_path: Path) -> None:
    with live(tmp_path, monthly_errors=1) as (client, sentry):
        first = await client.get("/test-sentry")
        answer, page = await client.get("/test-sentry"), await client.get("/test-sentry", headers=PAGE)
        assert (first.status_code, first.json()["accepted"]) == (500, True)
        assert (answer.status_code, page.status_code) == (429, 429)
        assert "SENTRY_MONTHLY_ERRORS" in answer.json()["detail"]
        assert page.text == answer.json()["detail"]
        assert len(sentry.events()) == 1


async def test_a_day_of_too_many_tests_answers_429(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(core, "MAX_TESTS_A_DAY", 2)
    with live(tmp_path, monthly_errors=5000) as (client, sentry):
        answers = [await client.get("/test-sentry") for _ in range(3)]
        assert [answer.status_code for answer in answers] == [500, 500, 429]
        assert "sent today" in answers[-1].json()["detail"]
        assert len(sentry.events()) == 2


async def test_locally_they_are_counted_and_never_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(core, "MAX_TESTS_A_DAY", 2)
    app = FastAPI()
    with local_sentry(app) as recorder:
        async with client_of(app) as client:
            answers = [await client.get("/test-sentry") for _ in range(4)]
            budget = (await client.get("/observability/status")).json()["budget"]
    assert [answer.status_code for answer in answers] == [500] * 4
    assert (budget["errors_sent"], len(recorder.events)) == (2, 4)
