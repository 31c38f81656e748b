"""Calls several APIs of the catalogue at once and tells what each answered and how long it took.

Addresses come from the catalogue only, redirects are not followed: no client decides where a call goes.
"""

import asyncio
import time
from collections.abc import AsyncGenerator, Sequence
from typing import Annotated, Any

import httpx
from fastapi import Depends
from pydantic import AfterValidator, BaseModel, Field
from sqlalchemy import select
from starlette.requests import HTTPConnection
from starlette.types import ASGIApp

from app.database import Database
from app.models import Adapter, Api, Tier

_DEMO_SCHEME = "demo:"
_DEMO_ADDRESS = "http://demo.internal"


class OrchestrationRequest(BaseModel):
    """Which APIs to call and what to give each of them."""

    apis: Annotated[list[str], AfterValidator(lambda names: list(dict.fromkeys(names)))] = Field(
        min_length=1, examples=[["fast", "failing"]]
    )
    input: dict[str, Any] = Field(default_factory=dict, examples=[{"city": "Berlin"}])


class OrchestrationRefusedError(Exception):
    """The request asks for more than the tier allows or for APIs that do not exist."""

    def __init__(self, status: int, detail: str) -> None:
        super().__init__(detail)
        self.status = status
        self.detail = detail


class Outcome(BaseModel):
    """What became of one call: either `data`, or a `reason` why there is none."""

    api: str
    duration_ms: float
    status: int | None = None
    data: Any = None
    reason: str | None = None


async def find_apis(database: Database, request: OrchestrationRequest, tier: Tier) -> list[Api]:
    """Return the catalogue's rows of the wanted APIs in the order they were asked for.

    Raises:
        OrchestrationRefusedError: 402 above the tier's limit (401 and 403 would count as attacks), 404 for
            names that are not in the catalogue.
    """
    if len(request.apis) > tier.apis_per_request:
        raise OrchestrationRefusedError(
            402, f"The {tier} tier allows {tier.apis_per_request} APIs in a request, not {len(request.apis)}"
        )
    async with database.session() as session:
        rows = {row.name: row for row in await session.scalars(select(Api).where(Api.name.in_(request.apis)))}
    unknown = [name for name in request.apis if name not in rows]
    if unknown:
        raise OrchestrationRefusedError(404, f"Not in the catalogue: {', '.join(unknown)}")
    return [rows[name] for name in request.apis]


class Orchestrator:
    """Calls upstreams through one shared client; for one event loop."""

    def __init__(self, *, timeout_s: float, demo_upstreams: ASGIApp) -> None:
        self._timeout_s = timeout_s
        # Passing addresses of the demo to our own app means that a demonstration needs no network.
        demo = httpx.ASGITransport(demo_upstreams)
        self._client = httpx.AsyncClient(
            mounts={f"all://{httpx.URL(_DEMO_ADDRESS).host}": demo}, timeout=timeout_s
        )

    async def call_all(self, apis: Sequence[Api], data: dict[str, Any]) -> list[Outcome]:
        """Call all at once and return the outcomes in the order of `apis`.

        Raises:
            Exception: a bug of an adapter, after every other call has ended.
        """
        calls = (self.call(api, data) for api in apis)
        outcomes = await asyncio.gather(*calls, return_exceptions=True)
        finished = [outcome for outcome in outcomes if isinstance(outcome, Outcome)]
        for outcome in outcomes:
            if isinstance(outcome, BaseException):
                raise outcome
        return finished

    async def call_each(self, apis: Sequence[Api], data: dict[str, Any]) -> AsyncGenerator[Outcome, None]:
        """Call all at once and yield each outcome as it arrives; leaving early cancels the rest."""
        tasks = [asyncio.create_task(self.call(api, data)) for api in apis]
        try:
            for next_outcome in asyncio.as_completed(tasks):
                yield await next_outcome
        finally:
            for task in tasks:
                task.cancel()
            await asyncio.gather(*tasks, return_exceptions=True)

    async def call(self, api: Api, data: dict[str, Any]) -> Outcome:
        """Call one API. What goes wrong on the other side is an outcome, not an exception."""
        started = time.perf_counter()
        outcome = Outcome(api=api.name, duration_ms=0)
        try:
            # The client's own timeout is for each step of a call, and none applies to the demo upstreams.
            async with asyncio.timeout(self._timeout_s):
                response = await self._client.post(_address(api.url), json={"input": data})
        except (TimeoutError, httpx.TimeoutException):
            outcome.reason = f"no answer within {self._timeout_s:g} s"
        except httpx.HTTPError:
            outcome.reason = "cannot be reached"
        else:
            outcome.status = response.status_code
            if not response.is_success:
                outcome.reason = f"answered {response.status_code}"
            else:
                _read(api, response, outcome)
        outcome.duration_ms = round((time.perf_counter() - started) * 1000, 1)
        return outcome

    async def close(self) -> None:
        """Close every connection to upstreams."""
        await self._client.aclose()


def _address(url: str) -> str:
    if url.startswith(_DEMO_SCHEME):
        return f"{_DEMO_ADDRESS}/demo/{url.removeprefix(_DEMO_SCHEME)}"
    return url


def _read(api: Api, response: httpx.Response, outcome: Outcome) -> None:
    try:
        answer = response.json()
    except ValueError:
        outcome.reason = "answered something else than JSON"
        return
    outcome.data = _read_legacy(answer) if api.adapter == Adapter.LEGACY else answer


def _read_legacy(answer: Any) -> Any:
    """Read an answer of the first version of our partners' format, which nobody sends any more.

    The deliberate bug of the demonstration: a format it does not expect becomes an exception that quotes what
    the client sent, the mistake that puts passwords into error reports.
    """
    if "records" not in answer:
        raise ValueError(f"cannot find the records in the answer {answer}")
    return answer["records"]


async def _of_the_app(connection: HTTPConnection) -> Orchestrator:
    orchestrator: Orchestrator = connection.app.state.orchestrator
    return orchestrator


# For endpoints, HTTP and WebSocket alike.
AppOrchestrator = Annotated[Orchestrator, Depends(_of_the_app)]
