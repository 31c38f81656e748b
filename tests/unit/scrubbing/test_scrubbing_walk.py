"""What the walk makes of places, shapes and types."""

import dataclasses
from typing import Any

import pytest

from app.observability.scrubbing import Removal, Scrubber, minimal_event, scrub_event
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
    ],
)
def test_a_secret_goes_from_every_shape(payload: dict[Any, Any]) -> None:
    out = str(scrub_event(payload))
    assert SECRET not in out
    assert OPAQUE not in out


@pytest.mark.parametrize(
    "payload",
    [
        {"fields": ["password", "email"]},
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
    for i in range(3000):
        scrubber.scrub({f"shape_{i}": f"plain words {i}", "id": f"{i:032x}"})
    assert len(scrubber._scan.plans) <= 2048
    assert all(len(clean) <= 8192 for clean in scrubber._scan.clean)
