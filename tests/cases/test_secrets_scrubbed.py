"""Cases about secrets that the scrubber alone answers for; those of hooks and envelopes are beside this file."""

import json
from typing import Any, NamedTuple

import pytest

from app.observability.scrubbing import Scrubber, scrub_event

SECRET = "Zr7" + "!qmLw" + "92"
OPAQUE = "f5HYsKV" + "Fx0z1fgK" + "u2Lm9QwX"


def _frame(variables: dict[str, Any]) -> dict[str, Any]:
    frame = {"filename": "db.py", "function": "connect", "lineno": 3, "vars": variables}
    return {
        "exception": {"values": [{"type": "OSError", "value": "refused", "stacktrace": {"frames": [frame]}}]}
    }


def _sent(event: dict[str, Any]) -> str:
    return json.dumps(scrub_event(event))


def test_a_database_password_goes_from_locals_under_any_name() -> None:
    """Case 1."""
    event = _frame(
        {
            "params": f"ConnectionParameters(user='app', password='{SECRET}', database='shop')",
            "params_input": {"password": f"'{SECRET}'", "host": "'db.internal'"},
            "kwargs": f"{{'dsn': 'postgresql://app:{SECRET}@db.internal/shop'}}",
            "args": ["'app'", f"'{SECRET}'"],
        }
    )
    sent = _sent(event)
    assert SECRET not in sent
    assert "db.internal" in sent


def test_credential_headers_go_from_the_raw_scope() -> None:
    """Case 2."""
    for name in ("authorization", "x-api-key", "x-session-token", "x-auth-token", "stripe-signature"):
        as_lists = [["b'host'", "b'api.example.com'"], [f"b'{name}'", f"b'{OPAQUE}'"]]
        as_text = f"{{'type': 'http', 'headers': [(b'host', b'x'), (b'{name}', b'{OPAQUE}')]}}"
        assert OPAQUE not in _sent(_frame({"scope": {"headers": as_lists}, "conn": as_text}))


@pytest.mark.parametrize(
    "name", ["X-API-Key", "X-Session-Token", "X-Auth-Token", "Stripe-Signature", "Cookie"]
)
def test_header_names_match_with_hyphens(name: str) -> None:
    """Case 3."""
    headers = {name: OPAQUE, "Accept": "*/*"}
    assert scrub_event({"request": {"headers": headers}})["request"]["headers"] == {
        name: "[Filtered]",
        "Accept": "*/*",
    }


def test_models_that_became_text_are_scrubbed() -> None:
    """Case 5."""
    sent = _sent(
        _frame(
            {"body": f"Login(user='anna', password='{SECRET}')", "card": "Card(number='4111 1111 1111 1111')"}
        )
    )
    assert SECRET not in sent
    assert "4111 1111" not in sent
    assert "anna" in sent


@pytest.mark.parametrize("nest", [lambda x: {"a": {"b": x}}, lambda x: [x], lambda x: ({"c": x}, 1)])
def test_every_level_is_scrubbed(nest: Any) -> None:
    """Case 6."""
    assert SECRET not in _sent({"extra": {"body": nest({"password": SECRET})}})
    assert SECRET not in _sent({"extra": {"body": nest(["password", SECRET])}})


class Login(NamedTuple):
    """A tuple whose names are lost where it is taken for any other."""

    user: str
    password: str


def test_a_tuple_with_names_is_judged_by_them() -> None:
    """Case 6."""
    login = Login("anna", SECRET)
    assert scrub_event({"spans": [{"data": {"logins": [login]}}]})["spans"][0]["data"]["logins"] == [
        {"user": "anna", "password": "[Filtered]"}
    ]


@pytest.mark.parametrize(
    "name",
    [
        "user_password",
        "newPassword",
        "access_token",
        "refreshToken",
        "stripe_secret_key",
        "card_number",
        "cvv",
        "ssn",
        "client-secret",
    ],
)
def test_usual_spellings_are_known(name: str) -> None:
    """Case 7."""
    assert scrub_event({"extra": {name: "4821"}}) == {"extra": {name: "[Filtered]"}}


def test_exception_text_and_notes_are_scrubbed() -> None:
    """Case 8."""
    event = {
        "exception": {
            "values": [
                {"type": "E", "value": f"no route to postgresql://app:{SECRET}@db/x\npassword={SECRET}"}
            ]
        }
    }
    sent = _sent(event)
    assert SECRET not in sent
    assert "postgresql://app:" in sent


def test_bound_parameters_and_details_are_cut() -> None:
    """Case 9."""
    value = "\n".join(
        (
            "(sqlite3.IntegrityError) UNIQUE constraint failed: users.email",
            "[SQL: INSERT INTO users (email, hash) VALUES (?, ?)]",
            f"[parameters: ('jane@corp.example', '{SECRET}')]",
            "(Background on this error at: https://sqlalche.me/e/20/gkpj)",
            "DETAIL:  Key (email)=(jane@corp.example) already exists.",
        )
    )
    out = scrub_event({"exception": {"values": [{"value": value}]}})["exception"]["values"][0]["value"]
    assert SECRET not in out
    assert "jane" not in out
    assert "INSERT INTO users (email, hash) VALUES (?, ?)" in out


@pytest.mark.parametrize(
    "query",
    [
        "token={}&x=1",
        "x=1;token={};y=2",
        "token=a1&token={}",
        "user%5Btoken%5D={}",
        "t%6Fken={}",
        "x=1&access_token={}",
    ],
)
def test_a_token_in_a_query_goes_in_every_place(query: str) -> None:
    """Cases 11 and 13."""
    text = query.format(OPAQUE)
    url = f"https://api.example.com/reset?{text}"
    event = {
        "transaction": f"/reset?{text}",
        "request": {"query_string": text, "url": url, "headers": {"Referer": url}},
        "breadcrumbs": {"values": [{"message": f"GET {url}", "data": {"url": url, "http.query": text}}]},
        "spans": [
            {"op": "http.client", "description": f"GET {url}", "data": {"http.query": text, "url": url}}
        ],
    }
    assert OPAQUE not in _sent(event)


def test_log_messages_and_their_parameters_are_scrubbed() -> None:
    """Case 14."""
    event = {
        "logentry": {"message": "password %s", "formatted": f"password {SECRET}", "params": [SECRET]},
        "breadcrumbs": {"values": [{"message": f"password {SECRET}"}]},
    }
    sent = _sent(event)
    assert SECRET not in sent
    assert "password %s" in sent


def test_cards_addresses_and_phones_go_from_free_text() -> None:
    """Case 15."""
    sent = _sent({"message": "card 4111 1111 1111 1111, mail jane@corp.example, call +49 171 5550123"})
    assert all(rule in sent for rule in ("[Filtered:card]", "[Filtered:email]", "[Filtered:phone]"))


def test_literals_go_from_sql_and_its_shape_stays() -> None:
    """Case 18."""
    span = {"op": "db", "description": "SELECT id FROM users WHERE nick = 'Marchetti' AND id = $1"}
    out = scrub_event({"spans": [span]})["spans"][0]["description"]
    assert out == "SELECT id FROM users WHERE nick = '[Filtered:sql]' AND id = $1"


def test_the_lists_of_the_caller_stay_as_they_are() -> None:
    """Case 21."""
    keys = ["badge number"]
    Scrubber(keys)
    Scrubber(keys)
    assert keys == ["badge number"]
