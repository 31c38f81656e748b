"""Texts are cut where no half of a secret is left."""

from typing import Any

import pytest

from app.observability.cutting import cut, mend_cuts, without_torn_end
from app.observability.scrubbing import scrub_text

CARD = " ".join(("4111", "1111", "1111", "1111"))
SECRET = "Zr7" + "qmLw" + "92xK"
TELLING = [
    f"card {CARD} is refused",
    f"see postgresql://ada:{SECRET}@db.example/shop for more",
    "write to ada.lovelace@corp.example or call",
    f"Login(user='ada', password='{SECRET}', age=3) failed",
    f'{{"user": "ada", "password": "{SECRET}"}} failed',
]


def test_a_short_text_stays_as_it_is() -> None:
    assert cut("a b c", 5) == "a b c"


def test_a_long_text_ends_before_the_word_that_would_be_torn() -> None:
    assert cut("x" * 30 + " y" * 30 + " postgresql", 97) == "x" * 30 + " y" * 30 + " ..."


@pytest.mark.parametrize("text", TELLING)
@pytest.mark.parametrize("lead", ["word " * 40, "word, " * 40])
def test_wherever_a_text_is_cut_no_piece_of_a_secret_is_left(text: str, lead: str) -> None:
    pieces = [SECRET[:3], "4111", "lovelace"]
    for size in range(len(lead) + 5, len(lead) + len(text)):
        out = scrub_text(cut(lead + text, size))
        assert len(out) <= size + 40
        assert not [piece for piece in pieces if piece in out], out


@pytest.mark.parametrize("size", [10, 1_000, 100_000])
def test_a_word_without_end_loses_its_end(size: int) -> None:
    out = without_torn_end("x" * size)
    assert out == "x" * max(size // 2, size - 512)


def test_what_the_sdk_cut_is_mended_where_its_notes_say_so() -> None:
    torn = "word " * 10 + CARD[:17]
    event: dict[str, Any] = {
        "extra": {"a": torn + "...", "b": torn, "c": [{"d": torn + "..."}]},
        "_meta": {
            "extra": {
                "a": {"": {"len": 99, "rem": [["!limit", "x", 1, 2]]}},
                "b": {"": {"rem": []}},
                "c": {"": {"len": 12}, "0": {"d": {"": {"len": 99}}}},
                "gone": {"": {"len": 5}},
            },
            "more": "odd",
        },
    }
    mend_cuts(event)
    assert event["extra"]["a"] == event["extra"]["c"][0]["d"] == "word " * 10 + "..."
    assert event["extra"]["b"] == torn


@pytest.mark.parametrize("notes", [None, 3, [], {"extra": {"": 3}}, {"extra": {"a": {"": {"len": 1}}}}])
def test_notes_that_fit_nothing_are_passed_over(notes: Any) -> None:
    event = {"extra": {"a": 3}, "_meta": notes}
    mend_cuts(event)
    assert event["extra"] == {"a": 3}
