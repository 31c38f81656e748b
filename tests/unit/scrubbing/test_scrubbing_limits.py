"""The scrubber is bounded: what it does not look at, it does not send."""

from typing import Any

import pytest

from app.observability.scrubbing import Scrubber, scrub_event, scrub_text
from app.observability.scrubbing.bounds import MAX_CHARS, MAX_NODES
from app.observability.scrubbing.keys import KeyClassifier
from app.observability.scrubbing.scan import Scan
from app.observability.scrubbing.text import MAX_STRING_CHARS, TextScrubber
from app.observability.scrubbing.walk import Walk
from tests.unit.scrubbing.examples import SECRET

PIECES = [
    "a",
    "1",
    "a ",
    "a@",
    "a.",
    "1 ",
    "password=",
    '"',
    "%25",
    "{",
    "eyJ.",
    "://",
    "-----BEGIN ",
    "a:",
    "'",
    "\\",
    "(",
    "[",
    "<",
    "<a ",
    "&quot;",
    "Aa",
    "aA1",
    "token ",
    "is ",
    "x=",
    "-p ",
    "└ ",
    "Key (",
    "[parameters: ",
    "SELECT '",
    "+1 ",
    "a1:",
    "::",
    "/reset/",
    "\n",
    "\n  ",
    "\\x",
    'name="',
    "AUTH ",
    "334\n",
    "__",
    "==",
    "DE89 ",
    "4111 ",
    "Main Street ",
    "\u2502",
    "\ufffd",
    "\uff50",
]


def test_the_rest_of_a_long_string_is_cut_not_sent() -> None:
    out = scrub_text("x " * MAX_STRING_CHARS + f"password={SECRET}")
    assert len(out) <= MAX_STRING_CHARS + 20
    assert out.endswith("[Truncated]")
    assert scrub_text(out) == out


def test_a_deep_payload_is_cut() -> None:
    deep: dict[str, Any] = {}
    inner = deep
    for _ in range(500):
        inner["n"] = {}
        inner = inner["n"]
    inner["password"] = SECRET
    assert SECRET not in str(scrub_event(deep))


def test_a_wide_payload_is_cut() -> None:
    out = scrub_event({"list": [{"note": f"n{i}"} for i in range(MAX_NODES)]})
    assert out["list"][-1] == "[Filtered:budget]"


def test_a_payload_with_too_many_characters_loses_the_rest() -> None:
    lines = {f"k{i}": f"{i} :" + "word " * 10_000 for i in range(MAX_CHARS // 50_000 + 4)}
    out = scrub_event(lines)
    assert "[Filtered:budget]" in out.values()


def test_when_time_is_up_the_rest_is_cut() -> None:
    ticks = iter(range(10_000))
    keys = KeyClassifier()
    walk = Walk(Scan(keys, TextScrubber(keys)), clock=lambda: float(next(ticks)))
    out = walk.run({f"k{i}": f"value number {i}, A" for i in range(300)})
    assert list(out.values())[-1] == "[Filtered:budget]"


def test_a_leaf_that_makes_a_rule_fail_is_replaced(monkeypatch: pytest.MonkeyPatch) -> None:
    def fail(*_: object) -> str:
        raise ValueError(SECRET)

    monkeypatch.setattr(TextScrubber, "scrub", fail)
    assert Scrubber().scrub({"a": "Something: odd"}).payload == {"a": "[Filtered:error]"}


@pytest.mark.parametrize("piece", PIECES)
def test_hostile_repetition_ends(piece: str) -> None:
    text = (piece * MAX_STRING_CHARS)[:MAX_STRING_CHARS]
    assert len(scrub_text(text)) <= MAX_STRING_CHARS
