"""The cheap way out for most strings: plain words and plain numbers that no rule can touch.

A text passes if it is made of lower-case words, digits and common punctuation, if its digits stand in lone numbers, and
if every word in it is known to mean nothing to any rule. The words are learnt from texts that passed; they are single
lower-case words, never values that were removed.
"""

import re
from typing import Final

from .command import CLIENT_NAMES
from .heads import HEAD_WORDS
from .keys import PAIR_ENDS, KeyClass, KeyClassifier
from .words import words

_MAX_WORDS: Final = 20_000
_MAX_WORD_CHARS: Final = 30
# Lower-case words and numbers that stand alone. A digit is not followed by more of a number, by a letter or by what
# could be a card; a colon begins no address, password or block; a hyphen begins no option; no "at" stands in brackets.
_match_shape: Final = re.compile(
    r"(?:[a-z _=.,;(/?&'\"\[{\n]++"
    r"|(?:[0-9]{1,12}+(?![0-9])|[012789][0-9]{12,13}+(?![0-9])|[0179][0-9]{15,18}+(?![0-9]))"
    r"(?![a-z]|[ \-./()_:]{1,2}[0-9])"
    r"|:(?![0-9a-f]{0,4}:|//[^/ ]*:|[ \-]*\n)|(?<=[^ '\"\n(\[])-|(?<!at)[)\]}])*+"
).fullmatch
# A word like "session" matters only before something with letters and digits.
_match_weak_value: Final = re.compile(
    r"[a-z_\d]{0,20}[\"'\])]{0,2}\s?[=: ]\s?[\"'(]?[a-z_\-.]*[a-z_\-]\d"
).match
_find_joint: Final = re.compile(r"[a-z_\-]\d|\d{13}").search
_find_session: Final = re.compile(r"(?<![a-z])session[_ ]id[=: ]{1,2}(\d{7,})(?![\w.\-])").search
_find_long: Final = re.compile(r"\d{13}").search
_ONLY_LETTERS: Final = bytes(byte if chr(byte).islower() and byte < 128 else 32 for byte in range(256))
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
    """Tell plain texts from those that need a look. Thread-safe: sets of words that are added to and emptied."""

    def __init__(self, keys: KeyClassifier) -> None:
        self._classify = keys.classify
        self._known: set[bytes] = set()
        self._weak: set[bytes] = set()
        self._telling = (_TELLING | HEAD_WORDS | PAIR_ENDS | CLIENT_NAMES | keys.custom_words) - {
            "id",
            "session",
            "data",
        }

    def has_only(self, text: str) -> bool:
        """True if the text is plain: no rule would remove anything from it."""
        if not _match_shape(text):
            return False
        words = text.encode().translate(_ONLY_LETTERS).split()
        if self._known.issuperset(words):
            return True
        new = set(words) - self._known
        if not new <= self._weak:
            self._learn(new)
            new -= self._known
            if not new <= self._weak:
                return False
        if ("ession id" in text or "ession_id" in text) and _find_session(text):
            return False
        if not _find_joint(text):
            return True
        return not _find_long(text) and not any(_has_value(text, word.decode()) for word in new)

    def find_number(self, text: str) -> tuple[int, int] | None:
        """Where the number of a session stands, if that is all that keeps the text from being plain."""
        found = _find_session(text) if "session" in text else None
        return found.span(1) if found and self.has_only(text[: found.start()] + text[found.end() :]) else None

    def _learn(self, new: set[bytes]) -> None:
        """Sort words into those that mean nothing, those that matter before some values, and the rest."""
        known, weak = set(), set()
        for word in new:
            text = word.decode()
            if text not in self._telling:
                kind = self._classify(text)
                if kind is KeyClass.WEAK:
                    weak.add(word)
                elif kind is KeyClass.NONE and len(word) <= _MAX_WORD_CHARS:
                    known.add(word)
        if len(known) + len(weak) == len(new):
            if len(self._known) > _MAX_WORDS:
                self._known.clear()
            self._known |= known
            self._weak |= weak


def _has_value(text: str, word: str) -> bool:
    at = text.find(word)
    while at >= 0:
        if _match_weak_value(text, at + len(word)):
            return True
        at = text.find(word, at + len(word))
    return False
