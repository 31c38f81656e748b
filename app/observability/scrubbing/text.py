"""Scrub one string: which rules apply to which kind of field, and what a rule leaves behind.

Every finder returns spans over the same text; they are cut out together, and a changed text is looked at again until
nothing more is found. So a second scrub changes nothing.
"""

import re
from collections.abc import Iterable
from enum import IntEnum
from typing import Final

from .command import find_command, find_handed
from .database import SQL, SQL_VERBS, find_database
from .documents import find_documents
from .drawn import find_drawn
from .encoded import BASE64, HEX, decode_base64, decode_hex, spell_out
from .keys import KeyClassifier
from .keyvalue import find_pairs
from .mails import find_mails
from .marker import FILTERED, TRUNCATED
from .markup import find_markup
from .numbers import find_numbers, is_dense
from .parallel import find_parallel
from .person import find_person
from .phrases import find_phrases
from .plain import PlainWords
from .prose import find_prose
from .spans import Span, cut
from .tables import find_tables
from .tokens import RUN, find_tokens
from .urls import find_logins, find_urls

MAX_STRING_CHARS: Final = 65_536
MIN_TAINT_CHARS: Final = 6
_MAX_ROUNDS: Final = 5
_MAX_ROUNDS_LONG: Final = 3
_LONG_TEXT: Final = 16_384
_MAX_DECODED: Final = 40


class Mode(IntEnum):
    """What a field holds, and so which rules apply to it."""

    TEXT = 0
    IDENTIFIER = 1  # ids, paths, module names: only what identifies itself
    SOURCE = 2  # a line of source: quoted literals yes, identifiers no
    AGENT = 3  # user agents: versions that look like addresses
    HOST = 4  # names of machines
    URL = 5
    SQL = 6
    NAME = 7  # what people name things: an identifier, unless it says more than that


# More than a name: an assignment, a sentence, or an at sign that does not stand before a version or a commit.
_says_more: Final = re.compile(r"[=\s]|@(?!v?\d[\w.+\-]*$|[0-9a-f]{7,40}$)").search
_AUTH: Final = re.compile(
    r"(?<![\w\-])(?:bearer|basic|token|apikey)[ \t]{1,4}(?:token[ "
    r":]{1,2})?[\"']?([A-Za-z0-9\-._~+/]{8,4096}={0,2})(?![A-Za-z0-9_=])",
    re.IGNORECASE,
)
_DIGIT: Final = re.compile(r"\d")
_ENCODED: Final = re.compile(r"%[0-9A-Fa-f]{2}|&\w{2,6};|&#|\\u00|\\x[2-7]|[\u00ad\u200b\u2060\ufeff]")
_AUTH_WORDS: Final = ("bearer ", "basic ", "token ", "apikey ")
_LONG: Final = re.compile(r"[A-Za-z0-9+/_\-]{16}")


# What these rules remove was named as a secret, so it goes wherever else it stands.
_NAMED_RULES: Final = frozenset({"", "prose", "cli", "url_password", "auth", "echo"})


def taint_pattern(values: Iterable[str]) -> re.Pattern[str]:
    """A pattern for values that must go anywhere; short plain ones only where they stand alone."""
    longest_first = sorted(values, key=len, reverse=True)
    return re.compile("|".join(_bounded(value) for value in longest_first))


def _bounded(value: str) -> str:
    escaped = re.escape(value)
    return rf"(?<!\w){escaped}(?!\w)" if value.isalpha() or (value.isalnum() and len(value) < 12) else escaped


class TextScrubber:
    """Scrub strings with the built-in rules and the user's own patterns. Thread-safe."""

    def __init__(self, keys: KeyClassifier, patterns: Iterable[re.Pattern[str]] = ()) -> None:
        self._classify = keys.classify
        self._patterns = tuple(patterns)
        self._plain = PlainWords(keys)

    def is_plain(self, text: str) -> bool:
        """True if no rule would touch the text; not for SQL, where every literal counts."""
        return not self._patterns and self._plain.has_only(text)

    def scrub(
        self,
        text: str,
        mode: Mode,
        hits: list[str],
        taints: dict[str, None] | None = None,
    ) -> str:
        """Return the text without anything sensitive.

        Args:
            text: any string; what lies beyond 64 K characters is cut, not scanned.
            mode: what the field holds.
            hits: the name of each rule that removed something is appended.
            taints: values that were removed because of a name are added.
        """
        if mode is Mode.NAME:
            mode = Mode.TEXT if _says_more(text) else Mode.IDENTIFIER
        tail = ""
        if len(text) > MAX_STRING_CHARS:
            text, tail = text[: MAX_STRING_CHARS - len(TRUNCATED)], TRUNCATED
        if mode is not Mode.SQL and self.is_plain(text):
            return text + tail if tail else text
        number = None if self._patterns or tail or mode is not Mode.TEXT else self._plain.find_number(text)
        if number:
            if taints is not None:
                taints[text[slice(*number)]] = None
            return cut(text, [Span(*number)], hits)
        for _ in range(_MAX_ROUNDS if len(text) < _LONG_TEXT else _MAX_ROUNDS_LONG):
            out = self._once(text, mode, hits, taints)
            if out is text or out == text:
                if len(out) > MAX_STRING_CHARS - len(tail):
                    out, tail = out[: MAX_STRING_CHARS - len(TRUNCATED)], TRUNCATED
                return out + tail if tail else out
            text = out
        return FILTERED

    def _once(self, text: str, mode: Mode, hits: list[str], taints: dict[str, None] | None) -> str:
        spans = self._spans(text, mode)
        if spans:
            named = {
                text[start:end]
                for start, end, rule in spans
                if rule in _NAMED_RULES and end - start >= MIN_TAINT_CHARS
            }
            out = cut(text, spans, hits)
            for value in named:
                if taints is not None:
                    taints[value] = None
                if value in out and not value.isalpha():
                    out = taint_pattern([value]).sub(FILTERED, out)
            return out
        if mode is Mode.IDENTIFIER or mode is Mode.SOURCE:
            return text
        return self._decoded(text, mode, hits, taints)

    def _spans(self, text: str, mode: Mode) -> list[Span]:
        spans = [
            Span(m.start(), m.end(), "custom")
            for pattern in self._patterns
            for m in pattern.finditer(text)
            if m.end() > m.start()
        ]
        has_run = len(text) > 13 and RUN.search(text) is not None
        spans += find_tokens(text, has_run)
        if mode is Mode.IDENTIFIER:
            if "://" in text:
                spans += find_urls(text, has_run)
            return spans
        has_digit = _DIGIT.search(text) is not None
        if "/" in text:
            spans += find_urls(text, has_run)
        if mode is Mode.SOURCE:
            spans += find_pairs(text, self._classify, is_source=True)
            if has_digit and is_dense(text):
                spans += [Span(*span) for span in find_numbers(text, people=False)]
            return spans
        low = text.lower()
        is_sql = mode is Mode.SQL or (
            " " in text and any(verb in low for verb in SQL_VERBS) and SQL.search(text) is not None
        )
        if (":" in text and has_digit) or "@" in text:
            spans += find_logins(text, low)
        spans += find_pairs(text, self._classify, is_url=mode is Mode.URL or "?" in text or "&" in text)
        spans += find_database(text, self._classify, is_sql)
        if "{" in text or "kind:" in text:
            spans += find_documents(text)
        if (
            "<" in text
            or "\\" in text
            or "|" in text
            or "\t" in text
            or "name=" in text
            or not text.isascii()
        ):
            spans += find_markup(text, self._classify)
            if "\n" in text and ("|" in text or "\t" in text or "\u2502" in text or "\u2503" in text):
                spans += find_tables(text, self._classify)
        if " " in text or "," in text:
            spans += find_command(text, self._classify)
            if has_run or "Auth(" in text:
                spans += find_handed(text, self._classify)
            spans += find_prose(text, low, has_digit)
            spans += find_phrases(text, low, has_digit)
            if has_digit:
                spans += find_person(text)
            if ("[" in text or "(" in text) and "," in text:
                spans += find_parallel(text, self._classify)
            if "└" in text or "╰" in text:
                spans += find_drawn(text, self._classify)
            if any(word in low for word in _AUTH_WORDS):
                spans += [
                    Span(m.start(1), m.end(1), "auth")
                    for m in _AUTH.finditer(text)
                    if _is_credential(m.group(1))
                ]
        if has_digit and is_dense(text):
            spans += [
                Span(*span)
                for span in find_numbers(text, addresses=mode is not Mode.AGENT and mode is not Mode.HOST)
            ]
        spans += find_mails(text)
        return spans

    def _decoded(self, text: str, mode: Mode, hits: list[str], taints: dict[str, None] | None) -> str:
        if (
            "%" in text or "\\" in text or ("&" in text and ";" in text) or not text.isascii()
        ) and _ENCODED.search(text):
            plain = spell_out(text)
            if plain != text:
                spans = self._spans(plain, mode)
                if spans:
                    return self._once(plain, mode, hits, taints)
        if len(text) < 16 or not (RUN.search(text) or "==" in text or "+" in text) or not _LONG.search(text):
            return text
        spans = []
        for pattern, decode in ((BASE64, decode_base64), (HEX, decode_hex)):
            for i, match in enumerate(pattern.finditer(text)):
                if i > _MAX_DECODED:
                    break
                said = decode(match.group())
                if said and self._hides(said):
                    spans.append(Span(match.start(), match.end(), "encoded"))
        return cut(text, spans, hits) if spans else text

    def _hides(self, said: str) -> bool:
        if self._spans(said, Mode.TEXT):
            return True
        user, colon, rest = said.partition(":")
        return (
            bool(colon)
            and " " not in said
            and len(rest) >= 4
            and user.replace(".", "").replace("-", "").replace("_", "").isalnum()
            and not rest.isdigit()
        )


def _is_credential(value: str) -> bool:
    if value.startswith("Filtered") or (
        value.isalpha() and not (len(value) >= 16 and not value.islower() and not value.istitle())
    ):
        return False
    return (
        any(c.isdigit() for c in value)
        or value.endswith("=")
        or (not value.islower() and len(value) >= 12 and "-" not in value and "_" not in value)
    )
