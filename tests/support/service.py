"""The service inside the test's own process, with Sentry off: for tests of what its routes do."""

from collections.abc import Callable
from contextlib import AsyncExitStack
from dataclasses import dataclass

import httpx
from fastapi import FastAPI
from pydantic import SecretStr

from app.observability import ObservabilitySettings
from app.settings import AppSettings
from tests.support.demo_users import demo_keys


@dataclass(frozen=True)
class Service:
    """The app, a client that sends no key, and the keys of the demo users."""

    app: FastAPI
    client: httpx.AsyncClient
    keys: dict[str, str]

    def key(self, tier: str) -> dict[str, str]:
        """Return the header that makes a request one of this tier."""
        return {"X-API-Key": self.keys[tier]}


StartService = Callable[..., "AsyncServiceContext"]


class AsyncServiceContext:
    """Starts the service as its lifespan does and stops it again."""

    def __init__(self, database_url: str, environment: str, capture: Callable[[], str]) -> None:
        self._settings = AppSettings(database_url=SecretStr(database_url), upstream_timeout_s=0.5)
        self._observability = ObservabilitySettings(enabled=False, environment=environment)
        self._capture = capture
        self._open = AsyncExitStack()

    async def __aenter__(self) -> Service:
        from app.main import create_app

        app = create_app(self._settings, observability=self._observability)
        self._capture()
        await self._open.enter_async_context(app.router.lifespan_context(app))
        transport = httpx.ASGITransport(app, raise_app_exceptions=False)
        client = httpx.AsyncClient(transport=transport, base_url="http://service.test")
        await self._open.enter_async_context(client)
        return Service(app, client, demo_keys(self._capture()))

    async def __aexit__(self, *error: object) -> None:
        await self._open.aclose()
