"""Values that stood under telling names, removed from wherever else they stand in the same payload."""

import marshal
import re
from collections.abc import Callable, Iterable, Iterator
from typing import Any, Final
from urllib.parse import quote

from .fields import MODES
from .marker import FILTERED
from .scan import LEAF_ERRORS, Scan
from .text import MIN_TAINT_CHARS, Mode, taint_pattern

MAX_TAINTS: Final = 50
_MAX_TAINT_CHARS: Final = 4096
_NAMES: Final = (Mode.IDENTIFIER, Mode.NAME)


class Taints(dict[str, None]):
    """The values of one payload that must go; kept no longer than the walk that found them."""

    def add(self, bare: str) -> None:
        """Remember a value, unless it is too short to be told from a word or there are too many."""
        if MIN_TAINT_CHARS <= len(bare) <= _MAX_TAINT_CHARS and len(self) < MAX_TAINTS and not bare.isspace():
            self[bare] = None

    def remove(self, out: Any, scan: Scan, note: Callable[[str, list[Any]], None]) -> Any:
        """Return the scrubbed payload without the values, the same object if none of them is in it."""
        present = _present(self, out)
        return _Removal(taint_pattern(present), scan, note).value(out) if present else out


def _present(values: Iterable[str], out: Any) -> set[str]:
    """How those values that may be in the payload are written there; a search in its bytes is cheaper than a walk."""
    try:
        seen = marshal.dumps(out)
    except ValueError:  # something that only looks like a number
        return {spelling for value in values for spelling in _spellings(value, b"%\\")}
    return {
        spelling
        for value in values
        for spelling in _spellings(value, seen)
        if spelling.encode("utf-8", "surrogatepass") in seen
    }


def _spellings(value: str, seen: bytes) -> Iterator[str]:
    yield value
    if b"%" in seen:
        yield quote(value)
        yield quote(value, safe="")
    if b"\\" in seen and "\\" not in value and not value.isascii():
        yield ascii(value)[1:-1]


class _Removal:
    def __init__(
        self,
        pattern: re.Pattern[str],
        scan: Scan,
        note: Callable[[str, list[Any]], None],
    ) -> None:
        self._pattern = pattern
        self._scan = scan
        self._note = note
        self._path: list[Any] = []

    def value(self, value: Any) -> Any:
        if type(value) is str:
            new = self._pattern.sub(FILTERED, value)
            if new == value:
                return value
            self._note("taint", self._path)
            self._scan.forget(value)
            try:
                return self._scan.text.scrub(new, Mode.TEXT, [])
            except LEAF_ERRORS:
                return FILTERED
        if type(value) is dict:
            out: dict[str, Any] = {}
            self._path.append("")
            for key, item in value.items():
                name = self._path[-1] = self._pattern.sub(FILTERED, key)
                is_name = MODES.get(key) in _NAMES and type(item) is str and item.isidentifier()
                out[name] = item if is_name else self.value(item)
            self._path.pop()
            return out
        if type(value) is list:
            rows = []
            self._path.append(0)
            for i, item in enumerate(value):
                self._path[-1] = i
                rows.append(self.value(item))
            self._path.pop()
            return rows
        return value
