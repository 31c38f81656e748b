"""Pieces of text that must go, and how they are cut out."""

from collections.abc import Callable, Iterable
from typing import NamedTuple

from .keys import KeyClass
from .marker import FILTERED, marker

Classify = Callable[[str], KeyClass]


class Span(NamedTuple):
    """A piece of text that must go; a span without a rule was found by the name before it."""

    start: int
    end: int
    rule: str = ""


def cut(text: str, spans: Iterable[Span], hits: list[str]) -> str:
    """Replace the spans by markers; where two overlap the one that starts first wins and takes the rest along."""
    pieces: list[str] = []
    at = 0
    for start, end, rule in sorted(spans):
        if start < at:
            at = max(at, end)
            continue
        pieces.append(text[at:start])
        pieces.append(marker(rule) if rule else FILTERED)
        hits.append(rule or "key")
        at = end
    pieces.append(text[at:])
    return "".join(pieces)
