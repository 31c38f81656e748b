"""What the walk makes of places, shapes and types."""

import dataclasses
from http import HTTPStatus
from typing import Any

import pytest

from app.observability.scrubbing import Removal, Scrubber, minimal_event, scrub_event
from app.observability.scrubbing.keys import KeyClassifier
from app.observability.scrubbing.scan import MAX_CACHED, Scan
from app.observability.scrubbing.text import TextScrubber
from app.observability.scrubbing.walk import Walk
from tests.support.calls import counting
from tests.unit.scrubbing.examples import OPAQUE, SECRET

FILTERED = "[Filtered]"


@pytest.mark.parametrize(
    "payload",
    [
        {"a": {"b": [{"password": SECRET}]}},
        {"a": ("x", {"api_key": SECRET})},
        {"headers": [["b'authorization'", f"b'{OPAQUE}'"]]},
        {"headers": [(b"x-api-key", OPAQUE.encode())]},
        {"env": [{"name": "DB_PASSWORD", "value": SECRET}]},
        {"errors": [{"loc": ("body", "password"), "input": SECRET}]},
        {"argv": ["app", "--password", SECRET, "--port", "80"]},
        {"names": ["user", "password"], "values": ["bob", SECRET]},
        {"columns": ["id", "secret"], "rows": [[1, SECRET], [2, SECRET]]},
        {"attributes": {"password": {"value": SECRET, "type": "string"}}},
        {"cookies": {"theme": OPAQUE}},
        {"tokens": [OPAQUE, OPAQUE]},
        {"password": {"any": {"thing": SECRET}}},
        {"raw": f"password={SECRET}".encode()},
        {b"password": SECRET},
        {"query": f"q=1&token={OPAQUE}"},
        {"rows": [["id", "password"], [7, SECRET], [8, SECRET]]},
        {"jwk": {"kty": "oct", "kid": "a", "k": OPAQUE}},
        {"kind": "Secret", "data": {"site.conf": OPAQUE}},
        {"kind": "Secret", "stringData": {"anything": SECRET}},
        {"security_question": "First pet?", "answer": SECRET},
        {"security": {"answer1": SECRET}},
        {"user": {"name": {"first": SECRET, "last": SECRET}}},
        [{"op": "replace", "path": "/users/3/password", "value": SECRET}],
        {"thing": {("password", SECRET): 1}},
        {"thing": {("password", SECRET): 1, ("token", OPAQUE): 2}, "password": SECRET},
        {"release": f"password={SECRET}", "environment": f"token={OPAQUE}"},
        {"level": f"login failed with password {SECRET}"},
    ],
)
def test_a_secret_goes_from_every_shape(payload: Any) -> None:
    out = str(scrub_event(payload))
    assert SECRET not in out
    assert OPAQUE not in out


@pytest.mark.parametrize(
    "payload",
    [
        {"fields": ["password", "email"]},
        {"rows": [["id", "name"], [7, "chair"]]},
        {"rows": [["password", "required"], ["email", "required"]]},
        {"kind": "ConfigMap", "data": {"mode": "fast"}},
        {"question": "Which plan?", "answer": "pro"},
        {"links": {"first": "/orders?page=1", "last": "/orders?page=9"}},
        {"errors": {"password": ["This field is required."]}},
        {"release": "my-app@4.12.0", "environment": "production", "platform": "python", "type": "ValueError"},
        {"release": "web@9fceb02d0ae5", "op": "db.sql.query", "origin": "auto.http.starlette"},
        {"usage": {"prompt_tokens": 12, "total_tokens": 40}},
        {"token": {"type": "bearer", "expires_in": 3600}},
        {"password": {"type": "string", "minLength": 8}},
        {"session": "<sqlalchemy.orm.session.AsyncSession object at 0x7f3a12bc90d0>"},
        {"password": None, "token": "", "secret": "***", "has_password": True},
        {
            "contexts": {
                "trace": {"trace_id": "8f1b2c3d4e5f60718293a4b5c6d7e8f9", "span_id": "a1b2c3d4e5f60718"}
            }
        },
        {"server_name": "81.93.40.77"},
        {"release": "app@4.12.0"},
        {"module": "app.secrets.loader", "function": "get_api_key"},
        {"user": {"id": "8841", "tier": "pro"}},
        {"big": 9007199254740993, "pi": 3.14, "nan": None},
    ],
)
def test_the_harmless_comes_out_as_it_went_in(payload: dict[str, Any]) -> None:
    assert scrub_event(payload) == payload


def test_a_key_that_is_an_address_goes_and_keeps_its_value() -> None:
    assert scrub_event({"seen": {"jane.doe@corp.example": 3}}) == {"seen": {"[Filtered:email]": 3}}


def test_two_keys_that_both_go_both_keep_their_values() -> None:
    out = scrub_event({"jane.doe@corp.example": 1, "john.doe@corp.example": 2})
    assert sorted(out.values()) == [1, 2]


def test_numbers_go_by_key_and_by_check_digit() -> None:
    out = scrub_event({"otp": 482913, "ref": int("4111" + "1111" * 3), "order": 482913})
    assert out == {"otp": FILTERED, "ref": "[Filtered:card]", "order": 482913}


def test_what_is_not_plain_becomes_the_name_of_its_type() -> None:
    @dataclasses.dataclass
    class Login:
        password: str

    out = scrub_event({"login": Login(SECRET), "set": {1}, "huge": 10**60})
    assert SECRET not in str(out)
    assert out["huge"] == "[Filtered:number]"
    assert out["login"].endswith("Login>")


def test_taint_reaches_urls_in_their_own_spelling() -> None:
    out = scrub_event({"password": "p/w d#99x", "message": "GET /x?y=p%2Fw%20d%2399x"})
    assert "99x" not in out["message"]


def test_taint_of_a_plain_word_spares_longer_words() -> None:
    out = scrub_event({"password": "harbour", "a": "the harbour", "b": "harbours"})
    assert (out["a"], out["b"]) == ("the [Filtered]", "harbours")


def test_removals_are_values_that_cannot_be_changed() -> None:
    removal = Scrubber().scrub({"token": OPAQUE}).removed[0]
    assert removal == Removal("token", "key")
    with pytest.raises(AttributeError):
        removal.path = "x"  # type: ignore[misc]


def test_a_session_says_nothing_of_who_had_it() -> None:
    session = {
        "sid": "a" * 32,
        "did": "8841",
        "attrs": {"release": "1", "ip_address": "81.93.40.77", "user_agent": "x"},
    }
    assert "did" not in Scrubber().scrub(session, kind="session").payload
    assert Scrubber().scrub(session, kind="session").payload["attrs"] == {"release": "1"}


def test_a_minimal_event_keeps_what_says_where_it_broke_and_nothing_else() -> None:
    frame = {"filename": "a.py", "function": "f", "lineno": 3, "vars": {"x": SECRET}, "context_line": SECRET}
    event = {
        "event_id": "a" * 32,
        "level": "error",
        "message": SECRET,
        "extra": {"x": SECRET},
        "user": {"id": "7"},
        "exception": {"values": [{"type": "E", "value": SECRET, "stacktrace": {"frames": [frame]}}]},
        "contexts": {"trace": {"trace_id": "b" * 32, "data": SECRET}},
    }
    out = minimal_event(event)
    assert SECRET not in str(out)
    assert out["exception"]["values"][0]["stacktrace"]["frames"] == [
        {"filename": "a.py", "function": "f", "lineno": 3}
    ]
    assert out["contexts"] == {"trace": {"trace_id": "b" * 32}}
    assert out["tags"] == {"scrub.failed": "true"}


@pytest.mark.parametrize(
    ("release", "is_kept"),
    [("my-app@4.12.0", True), ("web@9fceb02d0ae5", True), ("jane@corp.example", False), ("a b@1.2", False)],
)
def test_a_minimal_event_keeps_a_release_that_is_no_address(release: str, is_kept: bool) -> None:
    assert ("release" in minimal_event({"release": release})) is is_kept


def test_what_one_payload_taught_hides_nothing_in_the_next() -> None:
    scrubber = Scrubber()
    harmless = {"name": "colour", "value": OPAQUE, "list": ["--colour", OPAQUE, "end"]}
    telling = {"name": "password", "value": OPAQUE, "list": ["--password", OPAQUE, "end"]}
    for _ in range(3):
        assert scrubber.scrub(harmless).payload == harmless
        assert OPAQUE not in str(scrubber.scrub(telling).payload)
        assert OPAQUE not in str(scrubber.scrub({"a": OPAQUE, "password": OPAQUE}).payload)


def test_values_that_come_and_go_leave_the_caches_bounded() -> None:
    scrubber = Scrubber()
    scan = scrubber._scan
    for i in range(300):
        scrubber.scrub({f"shape_{i}_{j}": f"plain words {i} {j}, {j}" for j in range(100)})
        scrubber.scrub({f"name_{i}": i, "value": i, "list": [f"word{'x' * j}_{i}" for j in range(90)]})
    assert 0 < len(scan.keys) <= MAX_CACHED
    assert len(scan.plain) <= MAX_CACHED
    assert len(scan.simple) <= MAX_CACHED
    assert 0 < len(scan._shapes) <= 2048
    assert 0 < max(map(len, scan.clean)) <= 2 * MAX_CACHED + 200, "emptied once they may be too large"


def test_the_caches_hold_nothing_that_was_removed_and_no_option() -> None:
    scrubber = Scrubber()
    scrubber.scrub(
        {"password": SECRET, "note": f"password={SECRET}", "argv": ["-p", SECRET, "--token", OPAQUE]}
    )
    scan = scrubber._scan
    kept = [*scan.keys, *scan.plain, *(text for clean in scan.clean for text in clean)]
    assert "argv" in kept
    assert not [text for text in kept if SECRET in text or OPAQUE in text or text.startswith("-")]


def test_a_payload_that_was_seen_before_is_not_looked_at_again() -> None:
    """Counted in calls, because a clock is noisy."""
    frame = {"filename": "app/a.py", "function": "f", "lineno": 3, "context_line": "x = Call(y)"}
    event = {"exception": {"values": [{"type": "E", "value": "no Stock", "stacktrace": {"frames": [frame]}}]}}
    scrubber = Scrubber()
    scrubber.scrub(event)
    with counting() as calls:
        assert scrubber.scrub(event).payload == event
    assert calls.of("own/scrubbing/walk.py:Walk.plain_dict") == 5
    assert calls.of("own/scrubbing/text.py") == 0
    assert calls.of("own/scrubbing/") <= 18


def test_most_of_an_unseen_payload_costs_no_call() -> None:
    words = [f"word{'x' * i}" for i in range(40)]
    numbered = {f"key_{i}": f"8a{i:030x}" for i in range(40)}
    scrubber = Scrubber()
    scrubber.scrub({"a": [], **dict.fromkeys(numbered)})
    with counting() as calls:
        scrubber.scrub({"a": words, **numbered})
    assert calls.of("own/scrubbing/") <= 10


def test_time_is_asked_for_only_when_a_rule_has_to_look() -> None:
    def clock() -> float:
        raise AssertionError("asked")

    keys = KeyClassifier()
    scan = Scan(keys, TextScrubber(keys))
    assert Walk(scan, clock).run({"a": "plain words", "b": [1, "x"]}) == {"a": "plain words", "b": [1, "x"]}
    with pytest.raises(AssertionError, match="asked"):
        Walk(scan, clock).run({"a": "Something: odd"})


def test_taint_is_removed_beside_what_only_looks_like_a_number() -> None:
    status = HTTPStatus.OK
    out = scrub_event({"password": SECRET, "status": status, "message": f"sent {SECRET} twice"})
    assert out == {"password": FILTERED, "status": status, "message": f"sent {FILTERED} twice"}


@pytest.mark.parametrize(
    "payload",
    [
        {"names": [b"user", b"password"], "values": ["bob", SECRET]},
        {"name": b"password", "value": SECRET},
        {"argv": [b"app", b"--password", SECRET, b"end"]},
        {"pair": [bytearray(b"password"), SECRET]},
    ],
)
def test_a_name_tells_the_same_in_bytes(payload: dict[str, Any]) -> None:
    once = scrub_event(payload)
    assert SECRET not in str(once)
    assert scrub_event(once) == once
