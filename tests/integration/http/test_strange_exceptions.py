"""Exceptions that are hard to handle are one event each, and the application sees what it would see without us."""

import asyncio
import json
import logging
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import pytest
import sentry_sdk
from fastapi import Request
from fastapi.responses import JSONResponse
from starlette.types import ASGIApp, Receive, Scope, Send

from app.observability import operation
from tests.support.observed import Observed, is_handled, titles

pytestmark = pytest.mark.anyio
log = logging.getLogger("shop")


class SlottedError(Exception):
    """Has slots."""

    __slots__ = ("code",)


@dataclass(frozen=True)
class FrozenError(Exception):
    """Takes no attributes."""

    code: int = 1


class SealedError(Exception):
    """Takes no attributes either."""

    def __setattr__(self, name: str, value: object) -> None:
        raise TypeError("sealed")


class UnequalError(Exception):
    """Cannot be compared, nor be a key."""

    __hash__ = None  # type: ignore[assignment]

    def __eq__(self, other: object) -> bool:
        raise ValueError("unequal")


class UnprintableError(Exception):
    """Has no text."""

    def __str__(self) -> str:
        raise ValueError("unprintable")

    __repr__ = __str__


class EmptyError(Exception):
    """Is false."""

    def __len__(self) -> int:
        return 0


class UndecidedError(Exception):
    """Is neither true nor false."""

    def __bool__(self) -> bool:
        raise ValueError("undecided")


class AnnotatedError(Exception):
    """Has notes that are none."""

    __notes__ = 5  # type: ignore[assignment]


class UnplacedError(Exception):
    """Comes from no module."""

    __module__ = None  # type: ignore[assignment]


class EvasiveError(Exception):
    """Answers no question about what it has."""

    def __getattr__(self, name: str) -> object:
        raise KeyError(name)


KINDS: list[type[Exception]] = [
    UnplacedError,
    SlottedError,
    FrozenError,
    SealedError,
    UnequalError,
    UnprintableError,
    EmptyError,
    AnnotatedError,
    RecursionError,
    MemoryError,
]


@pytest.mark.parametrize("kind", [*KINDS, UndecidedError, EvasiveError])
async def test_raised_in_an_operation(kind: type[Exception]) -> None:
    observed = Observed()

    @observed.app.get("/fail")
    async def _() -> None:
        with operation("shop.order", name="Order"):
            raise kind()

    response = await observed.get("/fail")
    assert (titles(observed.event), is_handled(observed.event)) == ([kind.__name__], False)
    assert "scrub_error" not in json.dumps(observed.event["tags"]), "it is the whole event"
    assert response.json()["event_id"] == observed.event["event_id"]


@pytest.mark.parametrize("kind", KINDS)
async def test_captured_logged_and_raised(kind: type[Exception]) -> None:
    observed = Observed()

    @observed.app.get("/fail")
    async def _() -> None:
        try:
            raise kind()
        except Exception as error:
            sentry_sdk.capture_exception(error)
            log.exception("order failed")
            raise

    response = await observed.get("/fail")
    assert (titles(observed.event), is_handled(observed.event)) == ([kind.__name__], False)
    assert response.json()["event_id"] == observed.event["event_id"]


@pytest.mark.parametrize("kind", [*KINDS, UndecidedError, EvasiveError])
async def test_handled(kind: type[Exception]) -> None:
    observed = Observed()

    def handler(request: Request, error: Exception) -> JSONResponse:
        return JSONResponse({}, 503)

    observed.app.add_exception_handler(kind, handler)

    @observed.app.get("/fail")
    async def _() -> None:
        raise kind()

    response = await observed.get("/fail")
    assert (titles(observed.event), is_handled(observed.event)) == ([kind.__name__], True)
    assert response.headers["x-sentry-event-id"] == observed.event["event_id"]


async def test_swallowed_by_a_pure_middleware() -> None:
    observed = Observed()

    class Swallowing:
        def __init__(self, app: ASGIApp) -> None:
            self.app = app

        async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
            try:
                await self.app(scope, receive, send)
            except UndecidedError:
                await JSONResponse({}, 500)(scope, receive, send)

    observed.app.add_middleware(Swallowing)

    @observed.app.get("/fail")
    async def _() -> None:
        raise UndecidedError

    response = await observed.get("/fail")
    assert (titles(observed.event), is_handled(observed.event)) == (["UndecidedError"], True)
    assert response.headers["x-sentry-event-id"] == observed.event["event_id"]


class UngivingError(Exception):
    """Gives not even its dictionary away."""

    @property
    def __dict__(self) -> Any:  # type: ignore[override]
        raise ValueError("ungiving")


class DeceptiveError(Exception):
    """Shows something else as its dictionary."""

    @property
    def __dict__(self) -> Any:  # type: ignore[override]
        return None


@pytest.mark.parametrize("kind", [UngivingError, DeceptiveError])
async def test_one_that_cannot_be_marked_is_raised_as_it_is(kind: type[Exception]) -> None:
    observed = Observed()

    @observed.app.get("/fail")
    async def _() -> None:
        with operation("shop.order", name="Order"):
            raise kind

    response = await observed.get("/fail")
    assert titles(observed.event) == [kind.__name__]
    assert response.json()["event_id"] == observed.event["event_id"]


def deep() -> Exception:
    outer = ValueError(0)
    link: BaseException = outer
    for number in range(1, 5000):
        link.__cause__ = ValueError(number)
        link = link.__cause__
    return outer


def circular() -> Exception:
    first, second = ValueError(1), ValueError(2)
    first.__cause__, second.__cause__ = second, first
    return first


def wide() -> Exception:
    return ExceptionGroup("wide", [ValueError(number) for number in range(2000)])


@pytest.mark.parametrize("make", [deep, circular, wide])
async def test_chains_and_groups_of_any_size_are_one_bounded_event(make: Callable[[], Exception]) -> None:
    observed = Observed()

    @observed.app.get("/fail")
    async def _() -> None:
        raise make()

    response = await observed.get("/fail")
    assert response.json()["event_id"] == observed.event["event_id"]
    assert 2 <= len(titles(observed.event)) <= 10


async def test_one_object_raised_in_requests_that_run_at_once_is_one_event_for_each() -> None:
    observed = Observed()
    same = KeyError("module level")
    both = asyncio.Barrier(2)

    async def handler(request: Request, error: Exception) -> JSONResponse:
        await both.wait()  # both were captured
        log.error("failed", exc_info=error)
        return JSONResponse({}, 500)

    observed.app.add_exception_handler(Exception, handler)

    @observed.app.get("/fail")
    async def _() -> None:
        raise same

    answers = await asyncio.gather(observed.get("/fail"), observed.get("/fail"))
    ids = {answer.headers["x-sentry-event-id"] for answer in answers}
    assert ids == {event["event_id"] for event in observed.events}
    assert len(ids) == 2


def test_an_exit_in_a_handler_is_one_event() -> None:
    observed = Observed()

    @observed.app.get("/exit")
    async def _() -> None:
        raise SystemExit(3)

    with pytest.raises(SystemExit):
        asyncio.run(observed.get("/exit"))
    assert (titles(observed.event), is_handled(observed.event)) == (["SystemExit"], False)


def test_an_interruption_from_the_keyboard_is_none() -> None:
    observed = Observed()

    @observed.app.get("/stop")
    async def _() -> None:
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        asyncio.run(observed.get("/stop"))
    assert observed.events == []
