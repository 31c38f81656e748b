"""Cutting in two what was too large."""

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from app.observability.delivery.envelopes import RawEnvelope, RawItem
from app.observability.delivery.splitting import halves_of, tally_of_parts

HEADERS = {"event_id": "x"}


def batch(kind: str, entries: list[int], **headers: object) -> RawItem:
    payload = json.dumps({"version": 2, "items": entries}).encode()
    return RawItem({"type": kind, "item_count": len(entries), "content_type": "t", **headers}, payload)


@given(st.sampled_from(["log", "trace_metric", "span"]), st.lists(st.integers(), min_size=2))
def test_the_halves_of_a_batch_hold_it_together_in_order(kind: str, entries: list[int]) -> None:
    whole = RawEnvelope(HEADERS, [batch(kind, entries)])
    halves = halves_of(whole)
    assert halves is not None
    payloads = [json.loads(half.items[0].payload) for half in halves]
    assert [entry for payload in payloads for entry in payload["items"]] == entries
    assert all(payload["version"] == 2 and payload["items"] for payload in payloads)
    assert [half.items[0].headers["item_count"] for half in halves] == [len(p["items"]) for p in payloads]
    assert all(half.items[0].headers["content_type"] == "t" and half.headers == HEADERS for half in halves)
    (whole_count,) = (quantity for _, quantity in tally_of_parts(whole))
    assert sum(quantity for half in halves for _, quantity in tally_of_parts(half)) == whole_count


@given(st.integers(2, 9))
def test_several_items_are_dealt_out(count: int) -> None:
    items = [RawItem({"type": "session"}, b"%d" % number) for number in range(count)]
    halves = halves_of(RawEnvelope(HEADERS, items))
    assert halves is not None
    assert [item.payload for half in halves for item in half.items] == [item.payload for item in items]
    assert all(half.items for half in halves)


@pytest.mark.parametrize(
    "items",
    [
        [],
        [RawItem({"type": "session"}, b"{}")],
        [RawItem({"type": "event"}, b"{}"), RawItem({"type": "attachment"}, b"x")],
        [RawItem({"type": "transaction"}, b"{}"), batch("log", [1, 2])],
        [batch("log", [1])],
        [batch("log", [])],
        [batch("log", [1, 2], item_count=5)],
        [RawItem({"type": "log", "item_count": 2}, b"[1,2]")],
        [RawItem({"type": "session", "item_count": 2}, b'{"items":[1,2]}')],
    ],
)
def test_what_has_no_parts_is_left_alone(items: list[RawItem]) -> None:
    assert halves_of(RawEnvelope(HEADERS, items)) is None


def test_parts_are_counted_as_sentry_counts_them() -> None:
    items = [
        batch("log", [1, 2, 3]),
        RawItem({"type": "attachment"}, b"12345"),
        RawItem({"type": "log"}, b"{}"),
    ]
    assert tally_of_parts(RawEnvelope(HEADERS, items)) == (
        ("log_item", 3),
        ("attachment", 5),
        ("log_item", 1),
    )
