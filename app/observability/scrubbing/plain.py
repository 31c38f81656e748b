"""The cheap way out for most strings: plain words and plain numbers that no rule can touch.

A text passes if it is made of lower-case words, digits and common punctuation, if its digits stand in lone numbers, and
if every word in it is known to mean nothing to any rule. The words are learnt from texts that passed; they are single
lower-case words, never values that were removed.
"""

import re
from typing import Final

from .command import CLIENT_NAMES
from .keys import PAIR_ENDS, KeyClass, KeyClassifier
from .prose import HEAD_WORDS
from .words import words

_MAX_WORDS: Final = 20_000
_MAX_WORD_CHARS: Final = 30
_match_letters: Final = re.compile(r"[a-z0-9 _=.,:;()/?&'\"\-\[\]{}\n]*").fullmatch
# Digits that are more than a lone number, and colons that may be an address.
_find_shape: Final = re.compile(
    r"[\d:](?:(?<=\d)(?:[ \-./()_:]{1,2}\d|[a-z]|\d{12})|(?<=:)[0-9a-f]{0,4}:)"
).search
_find_password: Final = re.compile(r"://[^/ ]*:").search
# Options of a command, and an at sign spelt out.
_SIGNS: Final = (" -", "'-", '"-', "\n-", "(-", "[-", "at]", "at)", "at}")
_find_open_line: Final = re.compile(r":[ \-]*\n").search
# A word like "session" matters only before something with letters and digits.
_match_weak_value: Final = re.compile(
    r"[a-z_\d]{0,20}[\"'\])]{0,2}\s?[=: ]\s?[\"'(]?[a-z_\-.]*[a-z_\-]\d"
).match
_SPACES: Final = {ord(char): " " for char in "0123456789 _=.,:;()/?&'\"-[]{}\n"}
_TELLING: Final = words("""
    invalid could nonnumeric bad failed failure missing long header time input value unknown denied
    unsupported parse unexpected unrecognized adapters codec does encode valid list values params
    parameters args row rows select insert update delete merge create alter call exec execute replace copy
    set grant statement query argument detail contains entry bearer basic digest key keys code sig ticket
    k t h hash state assertion invite tax national steuer insurance health identity reset verify confirm
    magic activate invitation unsubscribe hook curl wget user u p a w pass env arg auth login hello
    requirepass masterauth identified add_user change_password adduser call tel sms phone address rue
    avenue boulevard chemin impasse calle plaza via
    piazza corso rua street road
    """)


class PlainWords:
    """Tell plain texts from those that need a look. Thread-safe: a set of words that only grows, up to a bound."""

    def __init__(self, keys: KeyClassifier) -> None:
        self._classify = keys.classify
        self._known: set[str] = set()
        self._weak: set[str] = set()
        self._telling = (_TELLING | HEAD_WORDS | PAIR_ENDS | CLIENT_NAMES | keys.custom_words) - {
            "id",
            "session",
            "data",
        }

    def has_only(self, text: str) -> bool:
        """True if the text is plain: no rule would remove anything from it."""
        if not _match_letters(text) or _find_shape(text) or _has_sign(text):
            return False
        words = set(text.translate(_SPACES).split())
        if words <= self._known:
            return True
        new = words - self._known
        weak = {word for word in new if word in self._weak or self._classify(word) is KeyClass.WEAK}
        if not weak.isdisjoint(self._telling):
            return False
        new -= weak
        if any(
            word in self._telling or len(word) > _MAX_WORD_CHARS or self._classify(word) is not KeyClass.NONE
            for word in new
        ):
            return False
        if len(self._known) < _MAX_WORDS:
            self._known |= new
            self._weak |= weak
        return not any(_has_value(text, word) for word in weak)


def _has_sign(text: str) -> bool:
    for sign in _SIGNS:
        if sign in text:
            return True
    if text[:1] == "-" or ("://" in text and _find_password(text)):
        return True
    return "\n" in text and _find_open_line(text) is not None


def _has_value(text: str, word: str) -> bool:
    at = text.find(word)
    while at >= 0:
        if _match_weak_value(text, at + len(word)):
            return True
        at = text.find(word, at + len(word))
    return False
