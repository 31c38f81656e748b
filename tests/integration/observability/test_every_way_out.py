"""Nothing hostile that an application hands to the SDK gets a secret out, raises into it, or loses an event."""

import logging
from collections.abc import Callable, Iterator
from typing import Any

import pytest
import sentry_sdk
from fastapi import FastAPI
from sentry_sdk.attachments import Attachment
from sentry_sdk.crons import capture_checkin
from sentry_sdk.envelope import Envelope, Item, PayloadRef
from sentry_sdk.feature_flags import add_feature_flag
from sentry_sdk.types import Event

from app.observability import operation
from tests.support.observability import Recorder, client_of, local_sentry

SECRET = "Zr7" + "qmLw" + "92xK"
TELLING = f"password={SECRET}"
logger = logging.getLogger("shop.ways")


class Unprintable:
    """Raises whatever is asked of it."""

    def __repr__(self) -> str:
        raise RuntimeError(TELLING)

    def __bool__(self) -> bool:
        raise RuntimeError(TELLING)

    def __eq__(self, other: object) -> bool:
        raise RuntimeError(TELLING)

    def __hash__(self) -> int:
        return 1


class OddMeta(type):
    """Its classes cannot be compared, hashed or asked."""

    __hash__ = None  # type: ignore[assignment]

    def __getattr__(cls, name: str) -> Any:
        raise RuntimeError(TELLING)


class OfOddClass(metaclass=OddMeta):
    """A value whose class is hostile."""


class WithoutLength(dict[str, Any]):
    """A dictionary that cannot be measured."""

    def __len__(self) -> int:
        raise RuntimeError(TELLING)


@pytest.fixture
def recorder() -> Iterator[Recorder]:
    settings: dict[str, Any] = {"traces_sample_rate": 1.0, "enable_logs": True, "include_locals": True}
    with local_sentry(**settings) as started:
        assert started.handle.pipeline is not None
        started.handle.pipeline.folding = None
        yield started


def wire(recorder: Recorder) -> str:
    sentry_sdk.flush()
    return "\n".join(envelope.serialize().decode() for envelope in recorder.transport.envelopes())


def message_with(**scope: Any) -> Callable[[], None]:
    """Captures a message under a scope on which these setters were called."""

    def send() -> None:
        with sentry_sdk.new_scope() as current:
            for name, arguments in scope.items():
                getattr(current, name)(*arguments)
            sentry_sdk.capture_message("reached")

    return send


def by_hand(**fields: Any) -> Callable[[], None]:
    """Captures an event made by hand."""

    def send() -> None:
        event: Any = {"message": "reached", **fields}
        sentry_sdk.capture_event(event)

    return send


def crumb(**fields: Any) -> Callable[[], None]:
    """Captures a message after a breadcrumb."""

    def send() -> None:
        sentry_sdk.add_breadcrumb(fields)
        sentry_sdk.capture_message("reached")

    return send


def handed_over(payload: Any, **headers: Any) -> Callable[[], None]:
    """Hands an envelope to the transport, past every hook."""

    def send() -> None:
        transport = sentry_sdk.get_client().transport
        assert transport is not None
        items = [
            Item(payload=PayloadRef(json=payload), headers={"type": kind, "more": SECRET})
            for kind in ("event", "profile", "profile_chunk", "user_report", "replay_event", "statsd")
        ]
        transport.capture_envelope(Envelope(headers=headers, items=items))

    return send


def attach() -> None:
    with sentry_sdk.new_scope() as scope:
        scope.add_attachment(bytes=TELLING.encode(), filename="dump.txt", add_to_transactions=True)
        sentry_sdk.capture_message("reached")
        event: Event = {"message": "reached"}
        sentry_sdk.capture_event(
            event, hint={"attachments": [Attachment(bytes=TELLING.encode(), filename="a")]}
        )


def flag() -> None:
    add_feature_flag(TELLING, True)
    sentry_sdk.capture_message("reached")


def feedback() -> None:
    told = {"message": f"reached {TELLING}", "url": f"https://x.example/?token={SECRET}", "name": "Ada"}
    event: Any = {"type": "feedback", "contexts": {"feedback": told}}
    sentry_sdk.capture_event(event)


def check_in() -> None:
    config: Any = {"schedule": {"type": "crontab", "value": "* * * * *"}, "password": SECRET, "note": TELLING}
    capture_checkin(monitor_slug=f"reached?{TELLING}", status="ok", monitor_config=config)


def spans() -> None:
    values = {"a": Unprintable(), "b": OfOddClass(), "c": WithoutLength(x=TELLING), "d": TELLING, TELLING: 1}
    with (
        operation("o", name=f"reached {TELLING}", context=values),
        sentry_sdk.start_span(op="x", name=TELLING) as span,
    ):
        for key, value in values.items():
            span.set_data(key, value)
        span.set_tag(TELLING, SECRET)
        span.set_status(TELLING)
    with sentry_sdk.start_transaction(name=f"reached {TELLING}", op="x", sampled=True) as transaction:
        transaction.set_data("a", Unprintable())


def metric() -> None:
    sentry_sdk.metrics.count(f"reached {TELLING}", 1, attributes={TELLING: SECRET, "a": Unprintable()})


def infinite_metric() -> None:
    sentry_sdk.metrics.gauge("size", float("inf"), attributes={"a": TELLING})
    sentry_sdk.metrics.gauge("reached", 1.0)


def session() -> None:
    isolation = sentry_sdk.get_isolation_scope()
    isolation.set_user({"id": "u-1", "username": SECRET, "email": "ada@corp.example"})
    isolation.start_session()
    sentry_sdk.capture_message("reached")
    isolation.end_session()


WAYS: dict[str, Callable[[], None]] = {
    "attachments": attach,
    "notes of the serializer": by_hand(_meta={"extra": {"": {"len": 3, "x": TELLING, "password": SECRET}}}),
    "odd notes of the serializer": by_hand(_meta=[TELLING], extra={"a": "b" * 20_000}),
    "command line": by_hand(extra={"sys.argv": ["x", "--password", SECRET, f"--token={SECRET}"]}),
    "modules": by_hand(modules={"x": TELLING, "password": SECRET}),
    "sdk": by_hand(sdk={"name": TELLING, "password": SECRET}),
    "odd keys": by_hand(extra={3: TELLING, None: TELLING, (1, 2): 3, Unprintable(): 1}),
    "level": by_hand(level=TELLING),
    "tags as pairs": by_hand(tags=[("password", SECRET), ("kind", "x")]),
    "extra that is a list": by_hand(extra=[TELLING]),
    "user of many fields": message_with(
        set_user=(
            {
                "id": "u",
                "username": SECRET,
                "ip_address": "192.0.2.9",
                "custom": SECRET,
                "data": {"x": SECRET},
            },
        )
    ),
    "user that is a text": message_with(set_user=(SECRET,)),
    "user whose id is a mail address": message_with(set_user=({"id": f"{SECRET}@corp.example"},)),
    "tag that is a secret": message_with(set_tag=(TELLING, SECRET)),
    "name of the transaction": message_with(set_transaction_name=(f"/reset?token={SECRET}",)),
    "trace that is a text": message_with(set_context=("trace", TELLING)),
    "trace that is a list": message_with(set_context=("trace", [SECRET])),
    "trace with odd baggage": message_with(
        set_context=("trace", {"trace_id": "a" * 32, "dynamic_sampling_context": TELLING})
    ),
    "huge text": message_with(set_context=("huge", {"a": "word " * 1_000_000 + TELLING})),
    "hostile values": message_with(
        set_context=("odd", {"a": Unprintable(), "b": OfOddClass(), "c": WithoutLength(x=1), "d": TELLING})
    ),
    "numbers without end": message_with(set_context=("odd", {"a": float("nan"), "b": 10**400, "c": TELLING})),
    "half a character": message_with(set_context=("odd", {"a": "\ud800" + TELLING})),
    "huge breadcrumb": crumb(
        message=TELLING + "x" * 1_000_000, data={str(i): TELLING for i in range(50_000)}
    ),
    "odd breadcrumb": crumb(message={"password": SECRET}, data=[TELLING], timestamp=TELLING),
    "feature flag": flag,
    "feedback": feedback,
    "check-in": check_in,
    "spans": spans,
    "metric": metric,
    "metric without end": infinite_metric,
    "session": session,
    "name of a logger": lambda: logging.getLogger(f"reached.{TELLING}").error("m"),
    "log with its stack": lambda: logger.error("reached", stack_info=True),
    "log whose arguments cannot be printed": lambda: logger.error("reached %s", Unprintable()),
    "log whose arguments do not fit": lambda: logger.error("reached %d %d", TELLING),
    "log of sentry": lambda: sentry_sdk.logger.error(
        "reached {a}", a=Unprintable(), attributes={TELLING: SECRET}
    ),
    "envelope": handed_over({"message": f"reached {TELLING}"}, more=SECRET, trace={"transaction": TELLING}),
    "envelope with odd headers": handed_over({"message": "reached"}, trace=TELLING, event_id="a" * 32),
}


@pytest.mark.parametrize("way", WAYS)
def test_no_way_out_lets_a_secret_pass_or_fails(
    recorder: Recorder, way: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Case 4."""
    monkeypatch.setattr(logging, "raiseExceptions", False)  # arguments that do not fit are what is tested
    with sentry_sdk.isolation_scope() as isolation:
        isolation.clear()
        WAYS[way]()
    sent = wire(recorder)
    assert "reached" in sent
    assert SECRET not in sent
    assert len(sent) < 500_000


def raised_by(make: Callable[[], BaseException]) -> FastAPI:
    """An application with one endpoint that fails."""
    app = FastAPI()

    @app.get("/fail")
    async def fail() -> None:
        held = Unprintable(), OfOddClass()  # noqa: F841 - variables that cannot be shown
        raise make()

    return app


class Odd(Exception):  # noqa: N818 - a name is not what is tested
    """Cannot be printed."""

    def __str__(self) -> str:
        raise RuntimeError(TELLING)

    __repr__ = __str__


class Endless(Exception):  # noqa: N818
    """Prints megabytes."""

    def __str__(self) -> str:
        return "word " * 1_000_000 + TELLING


class NoText(Exception):  # noqa: N818
    """Prints something that is no text."""

    def __str__(self) -> str:
        return 3  # type: ignore[return-value]


class Closed(Exception):  # noqa: N818
    """Hides its own attributes."""

    def __getattribute__(self, name: str) -> Any:
        if name in ("__dict__", "__notes__"):
            raise RuntimeError(TELLING)
        return super().__getattribute__(name)


def made(name: str, module: object) -> BaseException:
    kind = type(name, (Exception,), {"__module__": module})
    failure: BaseException = kind("x")
    return failure


def noted(notes: object) -> BaseException:
    failure = ValueError("x")
    failure.__notes__ = notes  # type: ignore[assignment]
    return failure


def chained(length: int) -> BaseException:
    failure: BaseException = ValueError(TELLING)
    for number in range(length):
        outer = ValueError(str(number))
        outer.__cause__ = failure
        failure = outer
    return failure


def in_circles() -> BaseException:
    first, second = ValueError(TELLING), ValueError("second")
    first.__cause__, second.__cause__ = second, first
    return first


def grouped(members: int) -> BaseException:
    return ExceptionGroup("several", [ValueError(f"{number} {TELLING}") for number in range(members)])


def nested(levels: int) -> BaseException:
    failure: Exception = ValueError(TELLING)
    for _ in range(levels):
        failure = ExceptionGroup("inner", [failure])
    return failure


FAILURES: dict[str, Callable[[], BaseException]] = {
    "unprintable": Odd,
    "prints megabytes": Endless,
    "prints a number": NoText,
    "closed": Closed,
    "type named after a customer": lambda: made(f"Refused {TELLING}", "shop"),
    "module named after a secret": lambda: made("Refused", TELLING),
    "without a module": lambda: made("Refused", None),
    "notes that are none": lambda: noted(TELLING),
    "notes that cannot be printed": lambda: noted([Unprintable(), TELLING]),
    "notes of megabytes": lambda: noted(["x" * 5_000_000, TELLING]),
    "many notes": lambda: noted([TELLING] * 20_000),
    "a group of a thousand": lambda: grouped(1_000),
    "a group of two thousand": lambda: grouped(2_000),
    "groups in groups": lambda: nested(200),
    "a chain of thousands": lambda: chained(3_000),
    "a chain in circles": in_circles,
}


@pytest.mark.anyio
@pytest.mark.parametrize("failure", FAILURES)
async def test_a_hostile_exception_is_one_event_and_one_answer(failure: str) -> None:
    """Case 8."""
    app = raised_by(FAILURES[failure])
    with local_sentry(app, include_locals=True) as recorder:
        async with client_of(app) as client:
            answer = await client.get("/fail")
        event = recorder.only_event()
        sent = wire(recorder)
    assert answer.status_code == 500
    assert answer.headers["x-sentry-event-id"] == event["event_id"]
    assert len(event["exception"]["values"]) <= 20
    assert event["exception"]["values"][-1]["stacktrace"]["frames"][-1]["function"].endswith("fail")
    assert SECRET not in sent
    assert len(sent) < 100_000


@pytest.mark.parametrize("failure", ["a group of two thousand", "a chain of thousands", "unprintable"])
def test_what_the_sdk_described_first_is_described_by_us(recorder: Recorder, failure: str) -> None:
    """`capture_exception` describes every member and link before any hook."""
    try:
        raise FAILURES[failure]()
    except Exception:  # noqa: BLE001 - whatever the table has
        sentry_sdk.capture_exception()
    event = recorder.only_event()
    assert "scrub.failed" not in event.get("tags", {})
    assert event["exception"]["values"][-1]["stacktrace"]["frames"]
    assert SECRET not in wire(recorder)


def test_an_enricher_that_fails_costs_what_it_would_have_added(recorder: Recorder) -> None:
    def fail(event: Any, hint: Any) -> Any:
        raise KeyError(TELLING)

    pipeline = recorder.handle.pipeline
    assert pipeline is not None
    pipeline.enrichers = (fail, *pipeline.enrichers)
    sentry_sdk.set_tag("part", "engine")
    sentry_sdk.capture_message("reached")
    event = recorder.only_event()
    assert (event["message"], event["tags"]["part"]) == ("reached", "engine")
    assert pipeline.hook_failures == 1


def test_a_metric_that_json_cannot_hold_is_counted_as_dropped(recorder: Recorder) -> None:
    infinite_metric()
    wire(recorder)
    assert recorder.handle.status()["counters"]["trace_metric"] == {"before_send": 1, "recorded": 1}


def test_an_event_made_by_hand_stays_as_it_is(recorder: Recorder) -> None:
    values = [{"type": "Lost", "value": f"{number} {TELLING}"} for number in range(150)]
    extra = {"login": {"password": SECRET}, "pair": (1, 2)}
    event: Any = {"exception": {"values": values}, "extra": extra, "level": "odd"}
    sentry_sdk.capture_event(event)
    assert len(values) == 150
    assert extra == {"login": {"password": SECRET}, "pair": (1, 2)}
    assert recorder.only_event()["exception"]["values"][-1]["value"].startswith("149 ")
    assert SECRET not in wire(recorder)
