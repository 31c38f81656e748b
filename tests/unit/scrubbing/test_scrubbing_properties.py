"""Promises that hold for any payload."""

import copy
import json
from typing import Any

from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from app.observability.scrubbing import minimal_event, scrub_event, scrub_text
from tests.unit.scrubbing.examples import CARD, OPAQUE, SECRET

PIECES = st.sampled_from(
    [
        "password",
        "token",
        "=",
        ": ",
        '"',
        "'",
        "\\",
        "{",
        "}",
        "[Filtered]",
        "[Filtered:email]",
        "@",
        "a.example",
        "%3D",
        "&",
        "?",
        " is ",
        "api key ",
        SECRET,
        OPAQUE,
        CARD,
        "+49 171 5550123",
        "://",
        "user",
        "\n",
        "SELECT ",
        "--",
        "Bearer ",
    ]
)
TEXT = st.one_of(st.text(max_size=60), st.lists(PIECES, max_size=10).map("".join))
KEYS = st.one_of(
    TEXT,
    st.sampled_from(
        [
            "password",
            "email",
            "note",
            "name",
            "value",
            "key",
            "headers",
            "id",
            "names",
            "values",
            "url",
            "context_line",
        ]
    ),
)
LEAF = st.one_of(
    st.none(), st.booleans(), st.integers(), st.floats(allow_nan=False), TEXT, st.binary(max_size=20)
)
PAYLOAD = st.recursive(
    LEAF,
    lambda inner: st.one_of(
        st.lists(inner, max_size=4), st.tuples(inner, inner), st.dictionaries(KEYS, inner, max_size=5)
    ),
    max_leaves=20,
)
SLOW = settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.too_slow])


@given(st.dictionaries(KEYS, PAYLOAD, max_size=6))
@SLOW
def test_any_payload_comes_out_plain_unchanged_inside_and_stable(event: dict[str, Any]) -> None:
    before = copy.deepcopy(event)
    once = scrub_event(event)
    assert event == before
    json.dumps(once)
    assert scrub_event(once) == once


@given(TEXT)
@settings(max_examples=200, deadline=None)
def test_any_text_is_stable_after_one_scrub(text: str) -> None:
    once = scrub_text(text)
    assert scrub_text(once) == once


@given(st.one_of(PAYLOAD, st.none()))
@SLOW
def test_a_minimal_event_can_be_made_of_anything(event: Any) -> None:
    json.dumps(minimal_event(event))


WRAPS = st.sampled_from(
    [
        lambda s: {"password": s},
        lambda s: {"note": f"password={s}"},
        lambda s: {"note": json.dumps({"api_key": s})},
        lambda s: {"note": json.dumps({"m": json.dumps({"client_secret": s})})},
        lambda s: {"x": [["authorization", s]]},
        lambda s: {"x": f"User(id=1, token={s!r})"},
        lambda s: {"x": f"b'access_token={s}'"},
        lambda s: {"name": "secret", "value": s},
        lambda s: {"x": f"postgresql://app:{s}@db/app"},
        lambda s: {"q": f"a=1&refresh_token={s}&b=2"},
        lambda s: {"x": f"<password>{s}</password>"},
        lambda s: {"x": f"curl -u anna:{s} http://x"},
    ]
)
NESTS = st.lists(
    st.sampled_from(
        [lambda p: {"inner": p}, lambda p: [1, p], lambda p: (p, "x"), lambda p: {"a": {"b": [p]}}]
    ),
    max_size=6,
)
MADE = st.from_regex(r"[A-Za-z]{4}[0-9]{3}[A-Z][a-z]{3}[0-9]", fullmatch=True)


@given(MADE, WRAPS, NESTS)
@settings(max_examples=150, deadline=None)
def test_no_planted_secret_survives_nesting_and_wrapping(secret: str, wrap: Any, nests: list[Any]) -> None:
    payload = wrap(secret)
    for nest in nests:
        payload = nest(payload)
    assert secret not in str(scrub_event({"extra": payload}))
