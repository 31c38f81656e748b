"""Cuts texts where no half of a secret is left: half a card, address or token fits no rule and would leave. Pure."""

import re
from collections.abc import Mapping
from typing import Any

from .types import Event

ELLIPSIS = "..."
MAX_TORN_CHARS = 512
"""How far back a cut may go to find the beginning of what it would tear."""

_UP_TO_LAST_WORD = re.compile(r".*[\s\"'<>()\[\]{},;|&]", re.DOTALL)
_LAST_DIGITS = re.compile(r"(?:\d[\s-]*)+\Z")
_NOTE = ""  # the key under which the SDK annotates a value, beside the keys of its parts


def cut(text: str, max_chars: int) -> str:
    """Return at most `max_chars` characters, without the word or group of digits that would be torn."""
    return text if len(text) <= max_chars else without_torn_end(text[: max_chars - len(ELLIPSIS)]) + ELLIPSIS


def without_torn_end(text: str) -> str:
    """Take the last word off a text that was cut; of a word without beginning its last `MAX_TORN_CHARS`."""
    start = max(len(text) // 2, len(text) - MAX_TORN_CHARS)
    found = _UP_TO_LAST_WORD.match(text, start)
    tail = found.group() if found else ""
    return text[:start] + _LAST_DIGITS.sub("", tail)


def mend_cuts(event: Event) -> None:
    """Take torn ends off what the SDK cut before its hooks; its notes in `_meta` say where (SDK 2.75)."""
    notes = event.get("_meta")
    if isinstance(notes, Mapping):
        _mend(event, notes)


def _mend(parts: Any, notes: Mapping[str, Any]) -> None:
    for key, note in notes.items():
        if key == _NOTE or not isinstance(note, Mapping):
            continue
        at: Any = int(key) if isinstance(parts, list) and key.isdigit() else key
        try:
            part = parts[at]
        except (LookupError, TypeError):
            continue
        if isinstance(part, str):
            own = note.get(_NOTE)
            if isinstance(own, Mapping) and "len" in own:
                parts[at] = without_torn_end(part.removesuffix(ELLIPSIS)) + ELLIPSIS
        else:
            _mend(part, note)
