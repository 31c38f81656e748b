"""Places with rules of their own: lines of source, parameters of statements, client hints, test cards."""

from typing import Any

import pytest

from app.observability.scrubbing import scrub_event, scrub_text
from tests.unit.scrubbing.examples import HEX, SECRET

CAPITALS = "EXTRA" + "LOGPW"
# What the payment providers publish for tests, in parts.
CARDS = (
    "4242" * 4,
    "5555" * 3 + "4444",
    "4111" + "1111" * 3,
    "3782" + "82246310005",
    "6011" + "1111" * 2 + "1117",
    "3056" + "9309025904",
    "3530" + "1113" + "3330" + "0000",
)


def _line(line: str) -> str:
    frame = {"context_line": line, "pre_context": [line], "post_context": [line]}
    event = {"exception": {"values": [{"stacktrace": {"frames": [frame]}}]}}
    out: dict[str, Any] = scrub_event(event)["exception"]["values"][0]["stacktrace"]["frames"][0]
    assert out["pre_context"] == out["post_context"] == [out["context_line"]]
    text: str = out["context_line"]
    return text


@pytest.mark.parametrize(
    ("line", "secret"),
    [
        (f"await c.get('http://127.0.0.1:1/p?api_key={CAPITALS}_1')", CAPITALS),
        ("requests.get('https://api.example.com/?password=" + "hunter" + "2')", "hunter" + "2"),
        (f'c.get("https://api.example.com/p?a=1&api_key={HEX[:32]}")', HEX[:32]),
        ("body = 'name=x&password=" + "hunter" + "2'", "hunter" + "2"),
        ("body = 'password=" + "hunter" + "2&name=x'", "hunter" + "2"),
        (f'PASSWORD = "{CAPITALS}"', CAPITALS),
        (f"{{'password':'{CAPITALS}'}}", CAPITALS),
    ],
)
def test_a_literal_goes_from_a_line_of_source(line: str, secret: str) -> None:
    assert secret not in _line(line)


@pytest.mark.parametrize(
    "line",
    [
        "c.get(f'https://a.example/?a=1&token={token}')",
        "c.get('https://a.example/?token=%s' % token)",
        "u = 'https://a.example/?token=$TOKEN&password=<password>'",
        'os.environ["API_KEY"]',
        'key: str = Header(alias="X-API-KEY")',
        'scheme(token_url="TOKEN_URL")',
        'API_KEY = "API_KEY"',
        'password_env = "DB_PASSWORD"',
        'SECRET = os.getenv("SECRET", "DB_SECRET")',
        "Token.Number: '#976806',",
        "connect(remote_address=remote_address)",
    ],
)
def test_names_and_placeholders_stay_in_a_line_of_source(line: str) -> None:
    assert _line(line) == line


@pytest.mark.parametrize(
    "statement",
    [
        "SELECT id FROM users WHERE users.email = $1::VARCHAR",
        "SELECT id FROM users WHERE users.email = $1::VARCHAR(255) LIMIT 1",
        "UPDATE users SET password = $2::text WHERE id = $1",
        "UPDATE users SET password = %(password)s, token = %(token)s::TEXT",
        "SELECT id FROM users WHERE token = :token AND email = :email::text",
        "SELECT id FROM users WHERE token = ?",
    ],
)
def test_a_parameter_of_a_statement_is_no_value(statement: str) -> None:
    assert scrub_text(statement) == statement
    span = {"op": "db", "description": statement, "data": {"db.statement": statement}}
    assert scrub_event({"spans": [span]}) == {"spans": [span]}


def test_a_value_before_a_cast_is_one() -> None:
    assert SECRET not in scrub_text(f"SET password = '{SECRET}'::text")


@pytest.mark.parametrize("value", ["?0", "?1"])
def test_client_hints_are_no_phones(value: str) -> None:
    headers = {
        "sec-ch-ua-mobile": value,
        "Sec-CH-UA-Mobile": value,
        "sec-ch-ua": '"Chromium";v="126"',
        "sec-ch-ua-platform": '"macOS"',
    }
    event = {"request": {"headers": headers}, "pairs": [["sec-ch-ua-mobile", value]]}
    assert scrub_event(event) == event


@pytest.mark.parametrize("card", CARDS)
@pytest.mark.parametrize(
    "around", ["{}", "card {}", "x = 'card {}'", '{{"n": {}}}', "a={}&b", "PAN{}", "card_{}"]
)
def test_a_test_card_goes_from_everywhere(card: str, around: str) -> None:
    groups = [card[i : i + 4] for i in range(0, len(card), 4)]
    for spelt in (card, " ".join(groups), "-".join(groups)):
        if spelt != card and around[0] in "Pc" and len(card) < 16:
            continue
        text = around.format(spelt)
        assert spelt not in scrub_text(text)
        assert spelt not in _line(text)
        assert spelt not in str(scrub_event({"extra": {text: 1, "x": [text]}, "tags": {"t": text}}))


@pytest.mark.parametrize("card", CARDS)
def test_a_test_card_goes_as_a_number(card: str) -> None:
    assert card not in str(scrub_event({"extra": {"n": int(card), "l": [int(card)]}}))
