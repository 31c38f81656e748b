"""Threads that a request starts are seen with its route, user and tier; those of libraries with nobody's."""

import asyncio
import functools
import gc
import logging
import threading
import weakref
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import pytest
import sentry_sdk

from app.observability import identify_user
from app.observability.state import current_flow
from tests.support.observed import Observed, is_handled, message_of, titles

pytestmark = pytest.mark.anyio


@pytest.fixture(autouse=True)
def no_traceback_on_stderr(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(threading, "excepthook", lambda args: None)


def fail() -> None:
    raise KeyError("lost")


class Working(threading.Thread):
    """Work by inheritance."""

    def run(self) -> None:
        fail()


STARTS: dict[str, Callable[[], threading.Thread]] = {
    "target": lambda: threading.Thread(target=fail),
    "partial": lambda: threading.Thread(target=functools.partial(fail)),
    "subclass": Working,
    "timer": lambda: threading.Timer(0, fail),
    "loop of its own": lambda: threading.Thread(target=asyncio.run, args=(fail_async(),)),
}


async def fail_async() -> None:
    fail()


@pytest.mark.parametrize("kind", STARTS)
async def test_a_thread_that_crashes_is_one_event_of_its_request(kind: str) -> None:
    observed = Observed()

    @observed.app.get("/orders/{number}")
    async def _(number: int) -> None:
        identify_user(id="u1", tier="pro")
        thread = STARTS[kind]()
        thread.start()
        thread.join()

    await observed.get("/orders/7")
    event = observed.event
    assert (titles(event), is_handled(event)) == (["KeyError"], False)
    assert (event["transaction"], event["user"]) == ("/orders/{number}", {"id": "u1"})
    assert event["tags"]["user.tier"] == "pro"
    assert event["request"]["url"].endswith("/orders/7")


async def test_a_thread_that_outlives_its_request_still_belongs_to_it() -> None:
    observed = Observed()
    released = threading.Event()
    threads: list[threading.Thread] = []

    def work() -> None:
        released.wait(5)
        sentry_sdk.capture_message("late")

    @observed.app.get("/start")
    async def _() -> None:
        identify_user(id="u1", tier="pro")
        threads.append(threading.Thread(target=work))
        threads[0].start()

    @observed.app.get("/other")
    async def _() -> None:
        identify_user(id="u2", tier="free")

    await observed.get("/start")
    await observed.get("/other")
    released.set()
    threads[0].join()
    event = observed.event
    assert (event["transaction"], event["user"], event["tags"]["user.tier"]) == (
        "/start",
        {"id": "u1"},
        "pro",
    )


async def test_what_a_thread_logs_before_its_request_fails_is_the_same_failure() -> None:
    observed = Observed()

    @observed.app.get("/fail")
    def _() -> None:
        errors: list[KeyError] = []

        def work() -> None:
            try:
                fail()
            except KeyError as error:
                logging.getLogger("shop").exception("thread failed")
                errors.append(error)

        thread = threading.Thread(target=work)
        thread.start()
        thread.join()
        raise errors[0]

    response = await observed.get("/fail")
    event = observed.event
    assert (titles(event), is_handled(event)) == (["KeyError"], False)
    assert response.json()["event_id"] == event["event_id"]


async def test_jobs_of_an_executor_belong_to_whoever_submitted_them() -> None:
    observed = Observed()
    pool = ThreadPoolExecutor(1)

    def work() -> None:
        logging.getLogger("shop").error("job failed")

    @observed.app.get("/start/{user}")
    async def _(user: str) -> None:
        identify_user(id=user, tier="pro")
        await asyncio.get_running_loop().run_in_executor(pool, work)
        pool.submit(work).result()

    await observed.get("/start/u1")
    await observed.get("/start/u2")
    pool.submit(work).result()  # the worker was started by the first request
    pool.shutdown()
    assert [(event.get("user"), event.get("transaction")) for event in observed.events] == [
        *[({"id": "u1"}, "/start/{user}")] * 2,
        *[({"id": "u2"}, "/start/{user}")] * 2,
        (None, None),
    ]
    assert {message_of(event) for event in observed.events} == {"job failed"}


async def test_a_thread_that_a_library_starts_in_a_request_is_nobodys() -> None:
    observed = Observed()
    asked = threading.Event()
    threads: list[threading.Thread] = []

    def work() -> None:
        asked.wait(5)
        logging.getLogger("kafkalike").error("broker is away")

    work.__code__ = work.__code__.replace(co_filename="/usr/lib/python3/site-packages/kafkalike/producer.py")
    work.__module__ = "kafkalike.producer"

    @observed.app.get("/publish")
    async def _() -> None:
        identify_user(id="u1", tier="pro")
        threads.append(threading.Thread(target=work))
        threads[0].start()
        assert (sentry_sdk.get_isolation_scope()._user or {}).get("id") == "u1"
        assert current_flow() is not None

    await observed.get("/publish")
    asked.set()
    threads[0].join()
    event = observed.event
    assert (event.get("user"), event.get("transaction")) == (None, None)
    assert "user.tier" not in event.get("tags", {})


async def test_a_thread_object_that_is_kept_does_not_keep_the_request() -> None:
    observed = Observed()
    kept: list[threading.Thread] = []
    requests: list[weakref.ref[Any]] = []

    class Watched:
        """Something that only the request refers to."""

    @observed.app.get("/start")
    async def _() -> None:
        flow = current_flow()
        assert flow is not None
        watched = Watched()
        flow.asgi["watched"] = watched
        requests.append(weakref.ref(watched))
        kept.append(threading.Thread(target=int))
        kept[0].start()
        kept[0].join()

    await observed.get("/start")
    gc.collect()
    assert requests[0]() is None


async def test_threads_without_a_client_run_as_ever() -> None:
    Observed()
    sentry_sdk.get_client().close(timeout=0)
    sentry_sdk.get_global_scope().set_client(None)
    done: list[int] = []
    thread = threading.Thread(target=done.append, args=(1,))
    thread.start()
    thread.join()
    with ThreadPoolExecutor(1) as pool:
        pool.submit(done.append, 2).result()
    assert done == [1, 2]
