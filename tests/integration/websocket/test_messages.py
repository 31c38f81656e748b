"""A message is a transaction of its own, whatever way the handler waits for it."""

import asyncio
import gc
import tracemalloc
from contextlib import suppress
from typing import Any

import pytest
import sentry_sdk
from fastapi import FastAPI, WebSocket, WebSocketDisconnect

from app.observability import identify_user, message_transaction
from app.observability.websocket import WebSocketFlow
from tests.support.observability import websocket_session
from tests.support.observed import Observed, titles

pytestmark = pytest.mark.anyio


async def handle(text: str) -> None:
    """Leave traces that must stay with their own message."""
    if text.startswith("user"):
        identify_user(id=text, tier="pro")
    sentry_sdk.set_tag("message", text)
    sentry_sdk.set_tag(f"only.{text}", "yes")
    sentry_sdk.add_breadcrumb(message=f"working on {text}")
    with sentry_sdk.start_span(op="work", name=text):
        await asyncio.sleep(0)
    sentry_sdk.capture_message(f"done {text}")


async def plain_loop(socket: WebSocket) -> None:
    await socket.accept()
    with suppress(WebSocketDisconnect):
        while True:
            await handle(await socket.receive_text())


async def iterating(socket: WebSocket) -> None:
    await socket.accept()
    async for text in socket.iter_text():
        await handle(text)


async def with_a_time_limit(socket: WebSocket) -> None:
    await socket.accept()
    with suppress(WebSocketDisconnect):
        while True:
            await handle(await asyncio.wait_for(socket.receive_text(), 5))


async def reader_and_worker(socket: WebSocket) -> None:
    await socket.accept()
    queue: asyncio.Queue[str | None] = asyncio.Queue()

    async def work() -> None:
        while (text := await queue.get()) is not None:
            with message_transaction():
                await handle(text)

    worker = asyncio.create_task(work())
    async for text in socket.iter_text():
        await queue.put(text)
    await queue.put(None)
    await worker


async def tasks_that_outlive_their_message(socket: WebSocket) -> None:
    await socket.accept()

    async def work(text: str) -> None:
        await asyncio.sleep(0)
        with message_transaction("/ws in the background"):
            await handle(text)

    tasks = [asyncio.create_task(work(text)) async for text in socket.iter_text()]
    await asyncio.gather(*tasks)


HANDLERS = [plain_loop, iterating, with_a_time_limit, reader_and_worker, tasks_that_outlive_their_message]


@pytest.mark.parametrize("handler", HANDLERS)
async def test_each_message_has_its_own_transaction_trace_tags_and_breadcrumbs(handler: Any) -> None:
    """Case 53."""
    observed = Observed(traces_sample_rate=1.0)
    observed.app.websocket("/ws/{room}")(handler)
    texts = ["user-1", "two", "three"]
    await websocket_session(observed.app, "/ws/7", texts)

    own = [each for each in observed.transactions if each["spans"]]
    assert [each["spans"][0]["description"] for each in own] == texts
    assert len({each["contexts"]["trace"]["trace_id"] for each in own}) == 3
    assert {each["contexts"]["trace"]["op"] for each in own} == {"websocket.message"}
    is_outliving = handler is tasks_that_outlive_their_message
    name = "/ws in the background" if is_outliving else "/ws/{room}"
    assert {each["transaction"] for each in own} == {name}
    if handler is not reader_and_worker:  # there, messages read before the worker's first block have two
        assert len(observed.transactions) == (6 if is_outliving else 3)

    events = observed.events
    assert [titles(event) for event in events] == [[f"done {text}"] for text in texts]
    for text, event, transaction in zip(texts, events, own, strict=True):
        assert event["tags"]["message"] == text
        assert [tag for tag in event["tags"] if tag.startswith("only.")] == [f"only.{text}"]
        crumbs = [crumb["message"] for crumb in event["breadcrumbs"]["values"]]
        assert crumbs == [f"working on {text}"]
        assert event["contexts"]["trace"]["trace_id"] == transaction["contexts"]["trace"]["trace_id"]
    if not is_outliving:
        assert {(event["user"]["id"], event["tags"]["user.tier"]) for event in events} == {
            ("user-1", "pro")
        }, "the user belongs to the connection"


async def test_a_user_that_a_worker_found_is_kept_for_the_next_message() -> None:
    observed = Observed()
    observed.app.websocket("/ws")(tasks_that_outlive_their_message)
    await websocket_session(observed.app, "/ws", ["user-1", "two"])
    assert [event["user"]["id"] for event in observed.events] == ["user-1", "user-1"]


@pytest.mark.parametrize("handler", HANDLERS)
async def test_nothing_is_traced_at_rate_0_and_everything_else_stays(handler: Any) -> None:
    observed = Observed()
    observed.app.websocket("/ws")(handler)
    await websocket_session(observed.app, "/ws", ["one", "two"])
    assert observed.transactions == []
    assert [event["tags"]["message"] for event in observed.events] == ["one", "two"]


@pytest.mark.parametrize("wrap", [False, True])
async def test_a_crash_belongs_to_its_message(wrap: bool) -> None:
    observed = Observed(traces_sample_rate=1.0)

    @observed.app.websocket("/ws")
    async def _(socket: WebSocket) -> None:
        await socket.accept()
        while True:
            receive = socket.receive_text()
            text = await (asyncio.wait_for(receive, 5) if wrap else receive)
            sentry_sdk.set_tag("message", text)
            if text == "bad":
                raise KeyError(text)

    with pytest.raises(KeyError):
        await websocket_session(observed.app, "/ws", ["good", "bad", "never read"])
    event = observed.event
    assert (titles(event), event["tags"]["message"]) == (["KeyError"], "bad")
    statuses = [each["contexts"]["trace"]["status"] for each in observed.transactions]
    assert statuses == ["ok", "internal_error"]
    assert (
        event["contexts"]["trace"]["trace_id"] == (observed.transactions[1]["contexts"]["trace"]["trace_id"])
    )


async def test_a_crash_in_a_worker_is_one_event_even_if_it_ends_the_connection() -> None:
    observed = Observed()

    @observed.app.websocket("/ws")
    async def _(socket: WebSocket) -> None:
        await socket.accept()

        async def work() -> None:
            with message_transaction():
                raise KeyError("lost")

        await socket.receive_text()
        await asyncio.create_task(work())

    with pytest.raises(KeyError):
        await websocket_session(observed.app, "/ws", ["one"])
    assert titles(observed.event) == ["KeyError"]


async def test_an_error_that_is_logged_and_survived_is_one_event_of_its_message() -> None:
    import logging

    observed = Observed()

    @observed.app.websocket("/ws")
    async def _(socket: WebSocket) -> None:
        await socket.accept()
        async for text in socket.iter_text():
            sentry_sdk.set_tag("message", text)
            if text == "bad":
                try:
                    raise KeyError(text)
                except KeyError:
                    logging.getLogger("shop").exception("skipped")

    await websocket_session(observed.app, "/ws", ["bad", "good"])
    assert (titles(observed.event), observed.event["tags"]["message"]) == (["KeyError"], "bad")


async def test_a_cancelled_message_is_sent_and_marked() -> None:
    observed = Observed(traces_sample_rate=1.0)
    started = asyncio.Event()

    @observed.app.websocket("/ws")
    async def _(socket: WebSocket) -> None:
        await socket.accept()
        await socket.receive_text()
        started.set()
        await asyncio.sleep(60)

    task = asyncio.create_task(websocket_session(observed.app, "/ws", ["one"]))
    await started.wait()
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task
    (transaction,) = observed.transactions
    assert transaction["contexts"]["trace"]["status"] == "cancelled"
    assert observed.events == []


async def test_message_transaction_outside_a_connection_does_nothing() -> None:
    observed = Observed(traces_sample_rate=1.0)
    with message_transaction("x") as transaction:
        assert transaction is None
    assert observed.transactions == []


async def test_a_connection_counts_messages_bytes_and_duration() -> None:
    observed = Observed()

    @observed.app.websocket("/ws/{room}")
    async def _(socket: WebSocket) -> None:
        await socket.accept()
        async for text in socket.iter_text():
            await socket.send_text(text * 2)

    await websocket_session(observed.app, "/ws/1", ["abc", "de"])
    values = {
        name: observed.metrics(f"websocket.{name}")[0]["value"]
        for name in ("closed", "messages.in", "messages.out", "bytes.in", "bytes.out")
    }
    assert values == {"closed": 1, "messages.in": 2, "messages.out": 2, "bytes.in": 5, "bytes.out": 10}
    (duration,) = observed.metrics("websocket.connection.duration")
    assert duration["attributes"]["route"] == "/ws/{room}"
    assert duration["attributes"]["code"] == "1000"
    assert duration["value"] >= 0


@pytest.mark.slow
@pytest.mark.parametrize("rate", [0.0, 0.1])
async def test_ten_thousand_messages_leave_nothing_behind(rate: float) -> None:
    app = FastAPI()
    observed = Observed(app, traces_sample_rate=rate)
    sizes: list[tuple[int, int]] = []

    @app.websocket("/ws")
    async def _(socket: WebSocket) -> None:
        await socket.accept()
        number = 0
        async for text in socket.iter_text():
            number += 1
            identify_user(id=f"u{number % 7}", tier="pro")
            sentry_sdk.set_tag("message", text)
            sentry_sdk.add_breadcrumb(message=text)
            if number in (1_000, 10_000):
                observed.transport._envelopes.clear()
                gc.collect()
                sizes.append((tracemalloc.get_traced_memory()[0], len(gc.get_objects())))

    class Texts(list[str]):
        """As many texts as asked for, without holding them."""

        def __iter__(self) -> Any:
            return (f"message {number % 50}" for number in range(10_000))

    messages = iter(Texts())
    sent: list[Any] = []

    async def receive() -> dict[str, Any]:
        if not sent:
            return {"type": "websocket.connect"}
        text = next(messages, None)
        if text is None:
            return {"type": "websocket.disconnect", "code": 1000}
        return {"type": "websocket.receive", "text": text}

    async def send(message: Any) -> None:
        sent.append(message)

    scope = {"type": "websocket", "path": "/ws", "headers": [], "query_string": b"", "subprotocols": []}
    gc.collect()
    earlier = [
        each for each in gc.get_objects() if isinstance(each, WebSocketFlow)
    ]  # of other tests' servers
    tracemalloc.start()
    try:
        await app(scope, receive, send)
    finally:
        tracemalloc.stop()
    (early_bytes, early_objects), (late_bytes, late_objects) = sizes
    assert late_bytes - early_bytes < 64_000
    assert late_objects - early_objects < 200
    gc.collect()
    left = [each for each in gc.get_objects() if isinstance(each, WebSocketFlow)]
    assert not [each for each in left if not any(each is other for other in earlier)]
