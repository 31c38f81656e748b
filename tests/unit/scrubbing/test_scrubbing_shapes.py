"""What is passed over without asking a rule: the rules, asked, would leave it alone as well."""

import re

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from app.observability.scrubbing.keys import KeyClassifier
from app.observability.scrubbing.plain import PlainWords
from app.observability.scrubbing.shapes import is_hash, is_plain
from app.observability.scrubbing.text import Mode, TextScrubber
from tests.unit.scrubbing.examples import CARD, OPAQUE, SECRET

KEYS = KeyClassifier()
PLAIN = PlainWords(KEYS)
# A pattern of the user's own switches the quick way out off.
THOROUGH = TextScrubber(KEYS, [re.compile("never found")])


@pytest.mark.parametrize(
    "text",
    [
        "order",
        "app/shop/service.py",
        "    result total index",
        "'retry'",
        "a - b",
        "Api",
        "retry_2",
        "200",
        "1059119723341",
        "1764207035445123",
        "a1b2c3d4e5f60718",
        "'4e424b92c277af3208c9196da9fd1ce9'",
        "3c5a0f9b-e1d2-4f7b-8a6d-5e4c3b2a190f",
        "<app.total.retry object at 0x7ff7f770c226>",
        "2026-07-25T10:30:00.123456Z",
    ],
)
def test_words_numbers_hashes_and_reprs_are_plain(text: str) -> None:
    assert is_plain(text)


@pytest.mark.parametrize(
    "text",
    [
        CARD,
        SECRET,
        OPAQUE,
        "-p",
        "'--password'",
        "password=x",
        "jane@corp.example",
        "the mnemonic is apple river stone",
        "passphrase was apple river stone",
        "70617373776f72643d68756e74657232",  # spells out a password
        CARD + "ab",
    ],
)
def test_what_a_rule_may_want_is_not_plain(text: str) -> None:
    assert not is_plain(text)
    assert not is_hash(text)


WORDS = ["order", "total", "index", "queue", "a", "f", "ff", "0x", "passphrase", "mnemonic", "seed"]
DIGITS = ["0", "7", "12", "49", "171", "555", "0123", "4111", "1111", "6011"]
SIGNS = [" ", "  ", "-", ".", "/", "'", "*", "_", ":", "=", "(", ")", "\n", "?", "&", "@"]
PIECES = st.sampled_from([*WORDS, *DIGITS, *SIGNS])
TEXT = st.one_of(
    st.lists(PIECES, max_size=14).map("".join),
    st.from_regex(r"'?[0-9]{1,22}[a-f]?'?", fullmatch=True),
    st.from_regex(r"'?[0-9a-f]{8,64}'?", fullmatch=True),
    st.from_regex(r"[a-z]{1,8}[ :=][0-9]{1,20}", fullmatch=True),
)


@given(TEXT)
@settings(max_examples=1000, deadline=None)
def test_no_rule_would_change_what_is_passed_over(text: str) -> None:
    if is_plain(text) or is_hash(text) or PLAIN.has_only(text):
        assert THOROUGH.scrub(text, Mode.TEXT, []) == text
