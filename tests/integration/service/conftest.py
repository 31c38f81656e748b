"""Fixtures for tests of the service's own behaviour."""

from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from tests.support.service import AsyncServiceContext, Service, StartService


@pytest.fixture
def start_service(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> StartService:
    """Give a function that makes the service as an async context manager, by default on a new SQLite file."""
    # Importing app.main makes the app of this process; it has to be one that reports nothing.
    monkeypatch.setenv("SENTRY_ENABLED", "false")

    def start(database_url: str | None = None, *, environment: str = "development") -> AsyncServiceContext:
        url = database_url or f"sqlite:///{tmp_path / 'folder' / 'streamapi.db'}"
        return AsyncServiceContext(url, environment, lambda: capsys.readouterr().out)

    return start


@pytest.fixture
async def service(start_service: StartService) -> AsyncIterator[Service]:
    """Give the service in development on a new SQLite file."""
    async with start_service() as started:
        yield started
