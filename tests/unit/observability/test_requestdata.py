"""What of a request is kept for an event, where it is too long to be kept whole."""

from typing import Any

import pytest

from app.observability import requestdata
from app.observability.requestdata import body_data, cut_query
from app.observability.scrubbing import scrub_text

CARD = "4111 1111 " + "1111 1111"
MAIL = "ann.smith" + "@example.com"
LIMIT = 400


@pytest.fixture(autouse=True)
def small(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(requestdata, "MAX_BODY_BYTES", LIMIT)
    monkeypatch.setattr(requestdata, "MAX_QUERY_CHARS", LIMIT)


def torn(before: str, secret: str, after: str = "") -> list[str]:
    """The same text with a secret at every place around the limit."""
    rooms = [LIMIT - len(before) - kept for kept in range(1, len(secret) + 1)]
    return [before + ("a b " * LIMIT)[: room - 1] + " " + secret + after for room in rooms]


def is_told(kept: Any, secret: str) -> bool:
    """Whether more than a few characters of the secret are left."""
    return secret[:6] in scrub_text(str(kept))


@pytest.mark.parametrize("secret", [CARD, MAIL])
@pytest.mark.parametrize(
    ("kind", "before", "after"),
    [
        ("text/plain", "", " and so on"),
        ("application/json", '{"note": "', '"}' + " " * 40),
        ("", "", " more"),
    ],
)
def test_no_half_of_a_secret_is_left_where_a_body_is_cut(
    kind: str, before: str, after: str, secret: str
) -> None:
    for body in torn(before, secret, after):
        kept = body_data(body.encode(), kind)
        assert not is_told(kept, secret), body[-80:]
        assert kept.startswith(before + "a b"), "the rest is there"
        assert kept.endswith(" [cut]")


@pytest.mark.parametrize("secret", [CARD, MAIL])
def test_no_half_of_a_secret_is_left_where_a_form_or_a_query_is_cut(secret: str) -> None:
    for text in torn("page=1&note=", secret, "&more=" + "y" * 40):
        query = text.replace(" ", "+").replace("@", "%40")
        kept = body_data(query.encode(), "application/x-www-form-urlencoded")
        assert not is_told(kept, secret), query[-80:]
        assert kept["page"] == "1"
        assert kept["note"].startswith("a b")
        as_query = cut_query(query)
        assert as_query.startswith("page=1&note=a+b")
        assert not is_told(as_query, secret.replace(" ", "+").replace("@", "%40"))


def test_what_is_short_enough_is_kept_as_it_is() -> None:
    assert body_data(b"a" * LIMIT, "text/plain") == "a" * LIMIT
    assert body_data(b"a=%7Bb&c=d+e", "application/x-www-form-urlencoded") == {"a": "{b", "c": "d e"}
    assert cut_query("a=%7Bb&" + "c" * (LIMIT - 7)) == "a=%7Bb&" + "c" * (LIMIT - 7)


def test_a_query_without_any_value_is_cut_too() -> None:
    assert cut_query("a " * 150 + CARD + "y" * LIMIT) == "a " * 150 + "..."


def test_json_that_is_nested_too_deep_to_be_read_is_kept_as_text(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(requestdata, "MAX_BODY_BYTES", 200_000)
    body = b"[" * 150_000
    assert body_data(body, "application/json") == body.decode()
