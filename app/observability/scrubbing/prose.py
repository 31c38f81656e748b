"""Secrets in sentences: a noun that says what follows, a few linking words, and something that looks like a value."""

import re
from typing import Final

from .credible import NOISE, looks_secret
from .harmless import is_word
from .heads import (
    BOTH,
    CODE_BEFORE,
    HEADS,
    ID_BEFORE,
    INVITE_BEFORE,
    KEY_BEFORE,
    LINK_WORDS,
    NAME_BEFORE,
    NUMBER_BEFORE,
    ONE_TIME,
    OTHER_CODES,
)
from .spans import Span
from .tails import (
    BIRTH_TAIL,
    CODE_TAIL,
    LONG_KEY,
    MORE_CODES,
    NAME_TAIL,
    NEXT,
    NUMBER_TAIL,
    OPAQUE_CODE,
    REVERSE,
    REVERSED,
    SECRET_TAIL,
    SENT_CODE,
    SHORT_ID,
    TO_OTHER,
    USER_BEFORE,
    is_plain_code,
    number_end,
)

_PUNCTUATION: Final = {ord(char): " " for char in "\t\r\n:;,.!?()[]{}<>\"'`=/\\|&#*-+_%$@~^"}
_MAX_HEADS: Final = 2000


def find_prose(text: str, low: str, has_digit: bool) -> list[Span]:
    """Spans of values in sentences.

    Args:
        text: the text.
        low: the same in lower case.
        has_digit: whether it holds any digit.
    """
    spans: list[Span] = []
    if len(low) != len(text):
        low = text
    if not has_digit and low == text and not _SYMBOL.search(text):
        return spans
    present = HEADS.keys() & low.translate(_PUNCTUATION).split()
    left = _MAX_HEADS
    for word in present:
        at = low.find(word)
        size = len(word)
        role = HEADS[word]
        while at >= 0 and left > 0:
            end = at + size
            if not (low[at - 1 : at].isalnum() or low[end : end + 1].isalnum()):
                left -= 1
                _add_at(spans, text, low, at, end, role, has_digit)
            at = low.find(word, end)
    if has_digit and present and REVERSED.search(low):
        for match in REVERSE.finditer(text):
            value = match.group(1)
            if looks_secret(value) or (value.isdigit() and 4 <= len(value) <= 10):
                spans.append(Span(match.start(1), match.end(1), "prose"))
    return spans


_SYMBOL: Final = re.compile(r"[!#$%^&*+?~@=]")


def _follows(low: str, at: int, before: tuple[str, ...]) -> bool:
    return low[max(0, at - 24) : at].rstrip(" -_").endswith(before)


def _add_at(
    spans: list[Span],
    text: str,
    low: str,
    at: int,
    end: int,
    role: str,
    has_digit: bool,
) -> None:
    """Look at what follows one head noun."""
    if at and (low[at - 1] in "/.-_" or low.startswith("[filtered:", at - 10)):
        return
    if role == "s" and low.startswith("pass", at) and _follows(low, at, ONE_TIME):
        role = "c"
    if role == "s" or (role == "k" and _follows(low, at, KEY_BEFORE)):
        if low.startswith(BOTH, at):
            user = USER_BEFORE.match(text, end)
            end = user.end() if user else end
        elif low.startswith("session", at) and SHORT_ID.match(text, end):
            return
        _add_secret(spans, text, end, low.startswith("p", at))
    elif role == "k":
        match = LONG_KEY.match(text, end)
        if match and is_random(match.group(1)):
            spans.append(Span(match.start(1), match.end(1), "prose"))
    elif role == "f":
        match = (
            NAME_TAIL.match(text, end)
            if _follows(low, at, NAME_BEFORE) or low.startswith("surname", at)
            else None
        )
        if match and not is_word(match.group(1)):
            spans.append(Span(match.start(1), match.end(1), "name"))
    elif not has_digit:
        return
    elif role == "c" or (role == "d" and _follows(low, at, CODE_BEFORE)):
        match = CODE_TAIL.match(text, end)
        if (
            match
            and any(c.isdigit() for c in match.group(1))
            and not is_plain_code(low[at:end], match.group(1))
        ):
            spans.append(Span(match.start(1), match.end(1), "prose"))
            more = MORE_CODES.match(text, match.end(1))
            while more:
                spans.append(Span(more.start(1), more.end(1), "prose"))
                more = MORE_CODES.match(text, more.end(1))
        elif role == "d" and not match and _follows(low, at, INVITE_BEFORE):
            opaque = OPAQUE_CODE.match(text, end)
            if opaque and sum(c.isdigit() for c in opaque.group(1)) > 1:
                spans.append(Span(opaque.start(1), opaque.end(1), "prose"))
    elif role == "d":
        match = SENT_CODE.match(text, end)
        if match and not _follows(low, at, OTHER_CODES):
            spans.append(Span(match.start(1), match.end(1), "prose"))
    elif role == "b":
        match = BIRTH_TAIL.match(text, end)
        if match:
            spans.append(Span(match.start(1), match.end(1), "birth_date"))
    elif role == "n" or (role == "m" and _follows(low, at, NUMBER_BEFORE)):
        if low.startswith(
            ("id", "security", "insurance", "plate", "license", "licence"), at
        ) and not _follows(
            low,
            at,
            (
                *ID_BEFORE,
                "social",
                "national",
                "driver",
                "drivers",
                "driver's",
                "driving",
                "license",
                "licence",
                "health",
            ),
        ):
            return
        match = NUMBER_TAIL.match(text, end)
        size = number_end(match.group(1)) if match else 0
        if match and size:
            spans.append(Span(match.start(1), match.start(1) + size, "national_id"))


def is_random(value: str) -> bool:
    """True for a run that mixes upper case, lower case and digits as no identifier does."""
    return (
        any(c.isdigit() for c in value)
        and any(c.isupper() for c in value)
        and any(c.islower() for c in value)
    )


def _add_secret(spans: list[Span], text: str, end: int, is_password: bool) -> None:
    following = NEXT.match(text, end)
    if not following:
        return
    word = following.group(1)
    if word.isalpha() and word.islower() and word not in LINK_WORDS:
        return
    match = SECRET_TAIL.match(text, end)
    if not match:
        return
    group = "quoted" if match.group("quoted") else "bare"
    value = match.group(group)
    stripped = value.rstrip(NOISE)
    if (group == "quoted" and " " in value.strip()) or not looks_secret(stripped):
        return
    if not stripped.isdigit() or is_password:
        lead = len(value) - len(value.lstrip("(["))
        spans.append(Span(match.start(group) + lead, match.start(group) + len(stripped), "prose"))
        other = TO_OTHER.match(text, match.end(group)) if is_password else None
        if other and looks_secret(other.group(1)):
            spans.append(
                Span(
                    other.start(1),
                    other.start(1) + len(other.group(1).rstrip(NOISE)),
                    "prose",
                )
            )
