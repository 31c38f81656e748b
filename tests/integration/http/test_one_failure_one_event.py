"""Every way to fail makes exactly one event, with the right id in the answer and the right handled flag."""

import asyncio
import contextvars
import logging
import threading
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from typing import Any

import anyio
import pytest
import sentry_sdk
from fastapi import APIRouter, BackgroundTasks, Depends, FastAPI, HTTPException, Request
from fastapi.responses import JSONResponse, PlainTextResponse, StreamingResponse
from starlette.middleware.base import BaseHTTPMiddleware
from starlette.types import ASGIApp, Receive, Scope, Send

from tests.support.observed import Observed, is_handled, titles

pytestmark = pytest.mark.anyio
log = logging.getLogger("shop.orders")


class DomainError(Exception):
    """An error that the application has a handler for."""


@dataclass
class Way:
    """One way to fail and what must be seen of it."""

    build: Callable[[FastAPI], None]
    titles: list[str]
    handled: bool = False
    status: int = 500
    has_header: bool = True
    has_body_id: bool = True
    init: dict[str, Any] | None = None


WAYS: dict[str, Way] = {}


def way(*titles: str, **expected: Any) -> Callable[[Callable[[FastAPI], None]], Callable[[FastAPI], None]]:
    def register(build: Callable[[FastAPI], None]) -> Callable[[FastAPI], None]:
        WAYS[build.__name__] = Way(build, list(titles), **expected)
        return build

    return register


def endpoint(function: Any) -> Callable[[FastAPI], None]:
    def build(app: FastAPI) -> None:
        app.get("/fail")(function)

    return build


def fail(text: str = "no stock") -> None:
    raise KeyError(text)


def register(name: str, function: Any, *titles: str, **expected: Any) -> None:
    WAYS[name] = Way(endpoint(function), list(titles), **expected)


def nothing() -> dict[str, str]:
    return {}


# plain


async def async_endpoint() -> None:
    fail()


def sync_endpoint() -> None:
    fail()


register("async endpoint", async_endpoint, "KeyError")
register("sync endpoint", sync_endpoint, "KeyError")


# logged


async def logged_and_raised() -> None:
    try:
        fail()
    except KeyError:
        log.exception("order failed")
        raise


async def logged_plainly_and_raised() -> None:
    log.error("order failed")
    fail()


async def logged_with_exc_info_and_raised() -> None:
    try:
        fail()
    except KeyError as error:
        log.error("order failed", exc_info=error)
        raise


async def logged_then_wrapped() -> None:
    try:
        fail()
    except KeyError as error:
        log.exception("order failed")
        raise ValueError("wrapped") from error


async def logged_then_wrapped_without_from() -> None:
    try:
        fail()
    except KeyError:
        log.exception("order failed")
        raise ValueError("wrapped")  # noqa: B904 - without `from` is what is tested


async def logged_then_wrapped_from_none() -> None:
    try:
        fail()
    except KeyError:
        log.exception("order failed")
        raise ValueError("wrapped") from None


async def logged_twice_and_raised() -> None:
    try:
        try:
            fail()
        except KeyError:
            log.exception("order failed")
            raise
    except KeyError:
        log.exception("order failed, said the caller")
        raise


def logged_and_raised_in_a_thread_of_the_pool() -> None:
    try:
        fail()
    except KeyError:
        log.exception("order failed")
        raise


async def logged_and_answered_with_http_500() -> None:
    try:
        fail()
    except KeyError as error:
        log.exception("order failed")
        raise HTTPException(500) from error


async def logged_in_a_child_task_then_raised() -> None:
    async def child() -> None:
        try:
            fail()
        except KeyError:
            log.exception("child failed")
            raise

    await asyncio.gather(child())


async def logged_and_answered_500() -> JSONResponse:
    try:
        fail()
    except KeyError:
        log.exception("order failed")
    return JSONResponse({}, 500)


register("logged, raised", logged_and_raised, "KeyError")
register("logged without exception, raised", logged_plainly_and_raised, "KeyError")
register("logged with exc_info, raised", logged_with_exc_info_and_raised, "KeyError")
register("logged, wrapped", logged_then_wrapped, "ValueError", "KeyError")
register("logged, wrapped without from", logged_then_wrapped_without_from, "ValueError", "KeyError")
register("logged twice, raised", logged_twice_and_raised, "KeyError")
register("logged, raised in the thread pool", logged_and_raised_in_a_thread_of_the_pool, "KeyError")
register(
    "logged, HTTPException(500)",
    logged_and_answered_with_http_500,
    "HTTPException",
    "KeyError",
    handled=True,
    has_body_id=False,
)
register("logged in a child task, raised", logged_in_a_child_task_then_raised, "KeyError")
register("logged, 500 returned", logged_and_answered_500, "KeyError", handled=True, has_body_id=False)


# wrapped


async def wrapped() -> None:
    try:
        fail()
    except KeyError as error:
        raise ValueError("wrapped") from error


async def wrapped_without_from() -> None:
    try:
        fail()
    except KeyError:
        raise ValueError("wrapped")  # noqa: B904 - without `from` is what is tested


async def raised_again_by_another_name() -> None:
    try:
        fail()
    except KeyError as error:
        again = error
    raise again


register("wrapped", wrapped, "ValueError", "KeyError")
register("wrapped without from", wrapped_without_from, "ValueError", "KeyError")
register("raised again", raised_again_by_another_name, "KeyError")


# HTTPException and answers


async def http_exception_503() -> None:
    raise HTTPException(503, "later")


async def returned_503() -> JSONResponse:
    return JSONResponse({}, 503)


async def returned_500_inside_except() -> JSONResponse:
    try:
        fail()
    except KeyError:
        return JSONResponse({}, 500)
    return JSONResponse({})


register(
    "HTTPException(503)", http_exception_503, "HTTPException", handled=True, status=503, has_body_id=False
)
for each in (returned_503, returned_500_inside_except):
    status = 503 if each is returned_503 else 500
    register(each.__name__, each, f"GET /fail answered {status}", status=status, has_body_id=False)


# tasks and groups


async def gathered() -> None:
    await asyncio.gather(asyncio.sleep(0), async_endpoint())


async def created_and_awaited() -> None:
    await asyncio.create_task(async_endpoint())


async def in_a_task_group() -> None:
    async with asyncio.TaskGroup() as group:
        group.create_task(async_endpoint())


async def in_an_anyio_task_group() -> None:
    async with anyio.create_task_group() as group:
        group.start_soon(async_endpoint)


async def two_in_a_task_group() -> None:
    async def other() -> None:
        raise ValueError("other")

    async with asyncio.TaskGroup() as group:
        group.create_task(async_endpoint())
        group.create_task(other())


async def raised_a_group() -> None:
    raise ExceptionGroup("both", [KeyError("a"), ValueError("b")])


async def in_a_thread() -> None:
    await asyncio.to_thread(fail)


async def in_an_executor() -> None:
    await asyncio.get_running_loop().run_in_executor(None, fail)


async def timed_out() -> None:
    async with asyncio.timeout(0.001):
        await asyncio.sleep(60)


async def under_wait_for() -> None:
    await asyncio.wait_for(async_endpoint(), 5)


register("gather", gathered, "KeyError")
register("create_task, awaited", created_and_awaited, "KeyError")
register("TaskGroup", in_a_task_group, "ExceptionGroup", "KeyError")
register("anyio task group", in_an_anyio_task_group, "ExceptionGroup", "KeyError")
register("two in a TaskGroup", two_in_a_task_group, "ExceptionGroup", "KeyError", "ValueError")
register("exception group", raised_a_group, "ExceptionGroup", "KeyError", "ValueError")
register("to_thread", in_a_thread, "KeyError")
register("run_in_executor", in_an_executor, "KeyError")
register("timeout", timed_out, "TimeoutError", "CancelledError")
register("wait_for", under_wait_for, "KeyError")


# a cancellation that nobody asked of the request


async def awaits_what_somebody_cancels() -> None:
    task = asyncio.create_task(asyncio.sleep(60))
    asyncio.get_running_loop().call_soon(task.cancel)
    await task


async def awaits_a_cancelled_future() -> None:
    future = asyncio.get_running_loop().create_future()
    future.cancel()
    await future


register("stray cancellation", awaits_what_somebody_cancels, "CancelledError")
register("stray cancellation of a future", awaits_a_cancelled_future, "CancelledError")


@way("CancelledError")
def stray_cancellation_in_a_dependency(app: FastAPI) -> None:
    app.get("/fail", dependencies=[Depends(awaits_what_somebody_cancels)])(nothing)


@way("CancelledError", status=503, has_body_id=False)
def stray_cancellation_with_a_handler_for_exception(app: FastAPI) -> None:
    app.add_exception_handler(Exception, async_handler)
    app.get("/fail")(awaits_what_somebody_cancels)


@way("CancelledError")
def stray_cancellation_behind_base_middleware(app: FastAPI) -> None:
    app.add_middleware(Passing)
    app.get("/fail")(awaits_what_somebody_cancels)


@way("CancelledError")
def stray_cancellation_in_a_mounted_fastapi(app: FastAPI) -> None:
    mounted = FastAPI()
    mounted.get("/")(awaits_what_somebody_cancels)
    app.mount("/fail", mounted)


# dependencies


def sync_dependency() -> None:
    fail()


async def dependency_teardown() -> AsyncIterator[int]:
    yield 1
    fail()


def sync_dependency_teardown() -> Iterator[int]:
    yield 1
    fail()


async def dependency_that_rethrows() -> AsyncIterator[int]:
    try:
        yield 1
    except KeyError:
        log.exception("seen in the dependency")
        raise


@way("KeyError")
def async_dependency(app: FastAPI) -> None:
    app.get("/fail", dependencies=[Depends(async_endpoint)])(nothing)


@way("KeyError")
def dependency_of_the_app(app: FastAPI) -> None:
    app.router.dependencies.append(Depends(sync_dependency))
    app.get("/fail")(nothing)


@way("KeyError")
def dependency_sees_it_again(app: FastAPI) -> None:
    app.get("/fail", dependencies=[Depends(dependency_that_rethrows)])(async_endpoint)


@way("KeyError", status=200, has_header=False, has_body_id=False)
def dependency_fails_after_the_answer(app: FastAPI) -> None:
    app.get("/fail", dependencies=[Depends(dependency_teardown)])(nothing)


@way("KeyError", status=200, has_header=False, has_body_id=False)
def sync_dependency_fails_after_the_answer(app: FastAPI) -> None:
    app.get("/fail", dependencies=[Depends(sync_dependency_teardown)])(nothing)


# handlers


async def raises_domain() -> None:
    raise DomainError("out of stock")


async def async_handler(request: Request, error: Exception) -> JSONResponse:
    return JSONResponse({"sorry": True}, 503)


def sync_handler(request: Request, error: Exception) -> JSONResponse:
    return JSONResponse({"sorry": True}, 503)


def logging_handler(request: Request, error: Exception) -> JSONResponse:
    log.error("handled", exc_info=error)
    return JSONResponse({"sorry": True}, 503)


def failing_handler(request: Request, error: Exception) -> JSONResponse:
    raise ValueError("the handler failed too")


def handler_that_raises_from(request: Request, error: Exception) -> JSONResponse:
    raise HTTPException(500) from error


@way("DomainError", handled=True, status=503, has_body_id=False)
def async_handler_answers_503(app: FastAPI) -> None:
    app.add_exception_handler(DomainError, async_handler)
    app.get("/fail")(raises_domain)


@way("DomainError", handled=True, status=503, has_body_id=False)
def sync_handler_answers_503(app: FastAPI) -> None:
    app.add_exception_handler(DomainError, sync_handler)
    app.get("/fail")(raises_domain)


@way("DomainError", handled=True, status=503, has_body_id=False)
def logging_handler_answers_503(app: FastAPI) -> None:
    app.add_exception_handler(DomainError, logging_handler)
    app.get("/fail")(raises_domain)


@way("ValueError", "DomainError")
def handler_fails(app: FastAPI) -> None:
    app.add_exception_handler(DomainError, failing_handler)
    app.get("/fail")(raises_domain)


@way("HTTPException", "DomainError", handled=True, has_body_id=False)
def handler_raises_http_500(app: FastAPI) -> None:
    app.add_exception_handler(DomainError, handler_that_raises_from)
    app.get("/fail")(raises_domain)


@way("KeyError", status=503, has_body_id=False)
def handler_for_exception(app: FastAPI) -> None:
    app.add_exception_handler(Exception, async_handler)
    app.get("/fail")(async_endpoint)


@way("KeyError", status=503, has_body_id=False)
def logging_handler_for_500(app: FastAPI) -> None:
    app.add_exception_handler(500, logging_handler)
    app.get("/fail")(async_endpoint)


@way("HTTPException", handled=True, status=503, has_body_id=False)
def handler_for_http_exceptions(app: FastAPI) -> None:
    app.add_exception_handler(HTTPException, async_handler)
    app.get("/fail")(http_exception_503)


# middleware


class Swallowing(BaseHTTPMiddleware):
    """Answers 500 by itself."""

    async def dispatch(self, request: Request, call_next: Any) -> Any:
        try:
            return await call_next(request)
        except Exception:
            log.exception("swallowed")
            return PlainTextResponse("sorry", 500)


class Passing(BaseHTTPMiddleware):
    """Does nothing, in a task of its own."""

    async def dispatch(self, request: Request, call_next: Any) -> Any:
        return await call_next(request)


class Failing(BaseHTTPMiddleware):
    """Fails by itself."""

    async def dispatch(self, request: Request, call_next: Any) -> Any:
        raise KeyError("middleware")


class PureSwallowing:
    """Pure ASGI, answers 500 inside its `except`."""

    def __init__(self, app: ASGIApp) -> None:
        self.app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        try:
            await self.app(scope, receive, send)
        except KeyError:
            await PlainTextResponse("sorry", 500)(scope, receive, send)


class PureFailing(PureSwallowing):
    """Pure ASGI, fails after the answer of the application is known but not sent."""

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] == "http":
            fail()
        await self.app(scope, receive, send)


@way("KeyError", handled=True, has_body_id=False)
def middleware_swallows(app: FastAPI) -> None:
    app.add_middleware(Swallowing)
    app.get("/fail")(async_endpoint)


@way("KeyError", handled=True, has_body_id=False)
def pure_middleware_swallows(app: FastAPI) -> None:
    app.add_middleware(PureSwallowing)
    app.get("/fail")(async_endpoint)


@way("KeyError")
def through_base_middleware(app: FastAPI) -> None:
    app.add_middleware(Passing)
    app.add_middleware(Passing)
    app.get("/fail")(logged_and_raised)


@way("KeyError")
def middleware_fails(app: FastAPI) -> None:
    app.add_middleware(Failing)
    app.get("/fail")(nothing)


@way("KeyError")
def pure_middleware_fails(app: FastAPI) -> None:
    app.add_middleware(PureFailing)
    app.get("/fail")(nothing)


@way("GET /fail answered 500", has_body_id=False)
def returned_500_through_base_middleware(app: FastAPI) -> None:
    app.add_middleware(Passing)
    app.get("/fail")(lambda: JSONResponse({}, 500))


# after the answer


@way("KeyError", status=200, has_header=False, has_body_id=False)
def background_task(app: FastAPI) -> None:
    @app.get("/fail")
    async def _(tasks: BackgroundTasks) -> None:
        tasks.add_task(fail)


@way("DomainError", status=200, has_header=False, has_body_id=False)
def background_task_whose_type_has_a_handler(app: FastAPI) -> None:
    app.add_exception_handler(DomainError, async_handler)

    @app.get("/fail")
    async def _(tasks: BackgroundTasks) -> None:
        tasks.add_task(raises_domain)


@way("KeyError", status=200, has_header=False, has_body_id=False)
def logging_background_task(app: FastAPI) -> None:
    @app.get("/fail")
    async def _(tasks: BackgroundTasks) -> None:
        tasks.add_task(logged_and_raised)


@way("KeyError", status=200, has_header=False, has_body_id=False)
def background_task_behind_base_middleware(app: FastAPI) -> None:
    app.add_middleware(Passing)

    @app.get("/fail")
    async def _(tasks: BackgroundTasks) -> None:
        tasks.add_task(fail)


@way("KeyError", status=200, has_header=False, has_body_id=False)
def mid_stream(app: FastAPI) -> None:
    async def chunks() -> AsyncIterator[str]:
        yield "a"
        fail()

    app.get("/fail")(lambda: StreamingResponse(chunks()))


@way("KeyError", status=200, has_header=False, has_body_id=False)
def mid_stream_of_a_sync_generator(app: FastAPI) -> None:
    def chunks() -> Iterator[str]:
        yield "a"
        fail()

    app.get("/fail")(lambda: StreamingResponse(chunks()))


# places


@way("KeyError")
def included_router(app: FastAPI) -> None:
    router = APIRouter(prefix="/fail")
    router.get("")(async_endpoint)
    app.include_router(router)


@way("KeyError")
def mounted_fastapi(app: FastAPI) -> None:
    mounted = FastAPI()
    mounted.get("/")(async_endpoint)
    app.mount("/fail", mounted)


@way("KeyError")
def mounted_in_an_included_router(app: FastAPI) -> None:
    mounted = FastAPI()
    mounted.get("/")(logged_and_raised)
    router = APIRouter()
    router.mount("/fail", mounted)
    app.include_router(router)


@way("DomainError", handled=True, status=503, has_body_id=False)
def mounted_fastapi_with_a_handler(app: FastAPI) -> None:
    mounted = FastAPI()
    mounted.add_exception_handler(DomainError, async_handler)
    mounted.get("/")(raises_domain)
    app.mount("/fail", mounted)


@way("KeyError")
def mounted_asgi_app(app: FastAPI) -> None:
    async def plain(scope: Scope, receive: Receive, send: Send) -> None:
        fail()

    app.mount("/fail", plain)


@way("KeyError")
def identify_fails_late(app: FastAPI) -> None:
    app.get("/fail")(async_endpoint)


@way("ResponseValidationError")
def answer_that_does_not_fit_its_model(app: FastAPI) -> None:
    app.get("/fail", response_model=int)(lambda: "text")


@pytest.mark.parametrize("name", WAYS)
async def test_a_failure_is_one_event_and_its_id_stands_in_the_answer(name: str) -> None:
    expected = WAYS[name]
    observed = Observed()
    expected.build(observed.app)
    path = "/fail/" if "mounted" in name else "/fail"
    response = await observed.get(path)
    event = observed.event
    assert (response.status_code, titles(event)) == (expected.status, expected.titles)
    if event.get("exception"):
        assert is_handled(event) is expected.handled
    assert (response.headers.get("x-sentry-event-id") == event["event_id"]) is expected.has_header
    body = response.json() if "json" in response.headers.get("content-type", "") else None
    assert (isinstance(body, dict) and body.get("event_id") == event["event_id"]) is expected.has_body_id
    assert event["transaction"].startswith("/fail")


def test_the_matrix_has_forty_ways_at_least() -> None:
    assert len(WAYS) >= 40


@pytest.mark.parametrize("name", ["async endpoint", "logged, wrapped", "async_handler_answers_503"])
async def test_the_same_failure_in_the_next_request_is_an_event_of_its_own(name: str) -> None:
    observed = Observed()
    WAYS[name].build(observed.app)
    first, second = await observed.get("/fail"), await observed.get("/fail")
    ids = [event["event_id"] for event in observed.events]
    assert ids == [first.headers["x-sentry-event-id"], second.headers["x-sentry-event-id"]]


async def test_one_exception_object_raised_in_two_requests_is_two_failures() -> None:
    observed = Observed()
    same = KeyError("module level")

    @observed.app.get("/fail")
    async def _() -> None:
        raise same

    await observed.get("/fail")
    await observed.get("/fail")
    assert len(observed.events) == 2


async def test_an_error_that_is_logged_but_answered_well_is_one_event() -> None:
    observed = Observed()

    @observed.app.get("/ok")
    async def _() -> None:
        try:
            fail()
        except KeyError:
            log.exception("fell back")

    response = await observed.get("/ok")
    assert (response.status_code, titles(observed.event)) == (200, ["KeyError"])
    assert "x-sentry-event-id" not in response.headers


async def test_a_suppressed_cause_that_was_logged_is_the_same_failure() -> None:
    observed = Observed()
    observed.app.get("/fail")(logged_then_wrapped_from_none)
    response = await observed.get("/fail")
    assert titles(observed.event) == ["ValueError", "KeyError"]
    assert not is_handled(observed.event)
    assert response.json()["event_id"] == observed.event["event_id"]
    logged = [crumb for crumb in observed.event["breadcrumbs"]["values"] if crumb.get("level") == "error"]
    assert [crumb["message"] for crumb in logged] == ["order failed"]


@pytest.mark.parametrize("status", [400, 404, 409, 422, 429])
async def test_other_answers_below_500_are_no_events(status: int) -> None:
    observed = Observed()

    @observed.app.get("/no")
    async def _() -> None:
        raise HTTPException(status)

    assert (await observed.get("/no")).status_code == status
    assert observed.events == []


async def test_a_failing_health_check_is_an_event_only_if_nobody_handled_it() -> None:
    observed = Observed()
    observed.app.get("/health")(lambda: JSONResponse({}, 503))
    observed.app.get("/healthz")(async_endpoint)
    assert (await observed.get("/health")).status_code == 503
    assert observed.events == []
    await observed.get("/healthz")
    assert titles(observed.event) == ["KeyError"]


async def test_a_thread_that_fails_is_one_event_with_the_user_of_its_request() -> None:
    from app.observability import identify_user

    observed = Observed()

    @observed.app.get("/fail")
    async def _() -> None:
        identify_user(id="u1", tier="pro")
        thread = threading.Thread(target=fail)
        thread.start()
        thread.join()

    hook, threading.excepthook = threading.excepthook, lambda args: None
    try:
        await observed.get("/fail")
    finally:
        threading.excepthook = hook
    assert (titles(observed.event), observed.event["user"]) == (["KeyError"], {"id": "u1"})


async def test_a_crash_in_the_lifespan_is_one_event() -> None:
    @asynccontextmanager
    async def lifespan(app: FastAPI) -> AsyncIterator[None]:
        fail()
        yield

    observed = Observed(FastAPI(lifespan=lifespan))
    sent: list[Any] = []

    async def receive() -> Any:
        return {"type": "lifespan.startup"}

    async def send(message: Any) -> None:
        sent.append(message["type"])

    with pytest.raises(KeyError):
        await observed.app({"type": "lifespan", "state": {}}, receive, send)
    assert sent == ["lifespan.startup.failed"]
    assert (titles(observed.event), is_handled(observed.event)) == (["KeyError"], False)


async def test_work_that_runs_in_a_context_of_its_own_is_still_reported() -> None:
    observed = Observed()

    @observed.app.get("/fail")
    async def _() -> None:
        contextvars.Context().run(fail)

    await observed.get("/fail")
    assert titles(observed.event) == ["KeyError"]


async def test_in_a_storm_every_answer_names_an_event_that_was_sent() -> None:
    """Case 45, as far as the answers are concerned."""
    observed = Observed(folds=True)
    observed.app.get("/fail")(logged_and_raised)
    answers = [await observed.get("/fail") for _ in range(60)]
    sent = {event["event_id"] for event in observed.events}
    assert len(sent) < 20
    for answer in answers:
        assert answer.json()["event_id"] == answer.headers["x-sentry-event-id"]
        assert answer.json()["event_id"] in sent


async def test_what_the_service_captured_itself_stands_for_its_failed_answer() -> None:
    observed = Observed()

    @observed.app.get("/captured")
    async def _() -> JSONResponse:
        try:
            fail()
        except KeyError as error:
            sentry_sdk.capture_exception(error)
        return JSONResponse({}, 500)

    response = await observed.get("/captured")
    assert titles(observed.event) == ["KeyError"]
    assert response.headers["x-sentry-event-id"] == observed.event["event_id"]


@pytest.mark.parametrize("rate", [0.0, 1.0])
async def test_a_slow_request_that_fails_is_one_event(rate: float) -> None:
    observed = Observed(traces_sample_rate=rate, slow_request_ms=1)

    @observed.app.get("/slow")
    async def _() -> None:
        await asyncio.sleep(0.005)
        fail()

    await observed.get("/slow")
    assert titles(observed.event) == ["KeyError"]


async def test_a_cause_that_is_hidden_by_from_none_is_shown() -> None:
    observed = Observed()

    @observed.app.get("/hidden")
    async def _() -> None:
        try:
            fail()
        except KeyError:
            raise HTTPException(502) from None

    await observed.get("/hidden")
    assert [value["type"] for value in observed.event["exception"]["values"]] == ["KeyError", "HTTPException"]
