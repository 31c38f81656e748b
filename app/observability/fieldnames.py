"""Gives values their field names back before the SDK makes plain lists or texts of them.

The SDK serializes an event before its hooks see it. A named tuple is a list by then, a database row the text of a
tuple, and no scrubber can tell which part was the password. Pure; must not import the SDK. Total: what cannot be
read becomes a placeholder, and values of the service are never changed. An event of plain values costs one look at
the types in it.
"""

from array import array
from collections import UserList, deque
from collections.abc import Callable, ItemsView, Iterable, KeysView, Mapping, Set, ValuesView
from datetime import date, datetime
from enum import Enum
from itertools import islice
from typing import Any, TypeAlias
from uuid import UUID

from .scrubbing import scrub_text
from .types import Event

MAX_DEPTH = 24
MAX_ITEMS = 1_000
MAX_TYPES = 1_024
MAX_CHAINED = 100
MAX_PLAIN_CONTAINERS = 5_000
MAX_ENTRIES = 50_000
"""Of one event: what the SDK is given to serialize is bounded, however large a context is."""

SCOPE = "<ASGI scope>"
_CYCLE = "<cyclic>"
_PLAIN = frozenset({str, int, float, bool, type(None), bytes, datetime, date, UUID})
_PLAIN_OR_OPEN = _PLAIN | {dict, list}
_TEXT = (str, bytes, bytearray, memoryview)
_SEQUENCES = (list, tuple, Set, deque, array, UserList, KeysView, ValuesView, ItemsView)

Reader: TypeAlias = Callable[[Any], Any]
_readers: dict[type, Reader | None] = {}


class FieldNames:
    """What the SDK takes for its `event_scrubber`, called between the scopes' data and serialization (SDK 2.75)."""

    def scrub_event(self, event: Event) -> None:
        """Replace what would lose its names, field by field; the scrubbing itself is done by the hooks."""
        exception = event.get("exception")
        if type(exception) is dict and type(exception.get("values")) is list:
            # of a group of thousands the last hundred; the exception itself comes last
            event["exception"] = {**exception, "values": exception["values"][-MAX_CHAINED:]}
        for key, value in list(event.items()):
            if type(value) in _PLAIN:
                continue
            try:
                named = entries_with_field_names(value) if type(value) is dict else with_field_names(value)
            except Exception:  # noqa: BLE001 - keys that cannot be compared; nothing of them leaves
                named = {}
            event[key] = named


def entries_with_field_names(entries: dict[str, Any]) -> dict[str, Any]:
    """The same for each entry of a field or of attributes, so that a huge one costs the others nothing."""
    if _is_scope(entries):
        return {"scope": SCOPE}
    if len(entries) <= MAX_ITEMS and _is_plain_or_false(entries):
        return entries
    return {key: with_field_names(value) for key, value in list(entries.items())[:MAX_ITEMS]}


def with_field_names(value: object) -> Any:
    """Return the value with dictionaries for what has names; the same object if there is nothing to do."""
    return value if _is_plain_or_false((value,)) else _Naming().read(value)


def _is_plain_or_false(value: dict[str, Any] | tuple[object]) -> bool:
    try:
        return _is_plain(value.values() if type(value) is dict else value, [MAX_PLAIN_CONTAINERS])
    except Exception:  # noqa: BLE001 - another thread may change it while we look
        return False


def _is_plain(parts: Iterable[Any], room: list[int]) -> bool:
    """Whether nothing in here needs a closer look: the way of nearly every value, so it is kept short."""
    kinds = set(map(type, parts))
    if kinds <= _PLAIN:
        return True
    room[0] -= 1
    if not kinds <= _PLAIN_OR_OPEN or room[0] < 0:
        return False
    for part in parts:
        kind = type(part)
        if kind is dict:
            if len(part) > MAX_ITEMS or _is_scope(part) or not _is_plain(part.values(), room):
                return False
        elif kind is list and (len(part) > MAX_ITEMS or not _is_plain(part, room)):
            return False
    return True


class _Naming:
    """One pass over one value that needs a closer look."""

    def __init__(self) -> None:
        self._room = MAX_ENTRIES
        self._open: set[int] = set()

    def read(self, value: object) -> Any:
        kind = type(value)
        try:
            reader = None if kind in _PLAIN else reader_of(kind)
            if reader is None:
                return value
            if id(value) in self._open:
                return _CYCLE
            if self._room <= 0 or len(self._open) > MAX_DEPTH:
                return f"<{kind.__name__} not shown>"
            self._open.add(id(value))
            try:
                return self._contents(reader(value))
            finally:
                self._open.discard(id(value))
        except Exception:  # noqa: BLE001 - foreign containers may raise anything, or change while they are read
            return f"<{kind.__name__} not readable>"

    def _contents(self, parts: Any) -> Any:
        kind = type(parts)
        if kind is dict:
            self._room -= len(parts)
            if _is_scope(parts):
                return SCOPE
            named = {key: self.read(item) for key, item in islice(parts.items(), MAX_ITEMS)}
            if len(parts) > MAX_ITEMS:
                named["..."] = f"... {len(parts) - MAX_ITEMS} more"
            return named
        if kind is list or kind is tuple:
            self._room -= len(parts)
            return kind(self.read(item) for item in islice(parts, MAX_ITEMS))
        return parts


def fields_of(value: Any) -> dict[Any, Any] | None:
    """The fields of a value that has names for them, such as a named tuple or a database row; else None."""
    try:
        return _fields(value) if callable(getattr(type(value), "_asdict", None)) else None
    except Exception:  # noqa: BLE001 - a foreign method may raise anything
        return None


def reader_of(kind: type) -> Reader | None:
    """How values of a type are taken apart; None for those whose text says all that may be said."""
    try:
        return _readers[kind]
    except KeyError:
        if len(_readers) >= MAX_TYPES:
            _readers.clear()
        return _readers.setdefault(kind, _choose_reader(kind))


def _choose_reader(kind: type) -> Reader | None:
    if issubclass(kind, Enum):
        return _member
    if issubclass(kind, _TEXT):
        return None
    if issubclass(kind, tuple) and callable(getattr(kind, "geturl", None)):
        return _url
    if callable(getattr(kind, "_asdict", None)):
        return _fields
    if hasattr(kind, "n_sequence_fields"):
        return _struct_fields
    if kind in (dict, list, tuple):
        return _itself
    if issubclass(kind, Mapping):
        return _mapping
    return _sequence if issubclass(kind, _SEQUENCES) else None


def _itself(value: Any) -> Any:
    return value


def _member(value: Enum) -> Any:
    """A member that is a text would leave as such, without its name: with it, if that tells a secret."""
    if not isinstance(value.value, str):
        return value
    named = f"{value.name}={value.value}"
    return value if scrub_text(named) == named else named


def _url(value: Any) -> Any:
    text = value.geturl()
    return text.decode("utf-8", "replace") if isinstance(text, bytes) else text


def _fields(value: Any) -> dict[Any, Any]:
    return dict(value._asdict())


def _struct_fields(value: Any) -> dict[str, Any]:
    return dict(zip(type(value).__match_args__, value, strict=False))


def _mapping(value: Any) -> Any:
    return SCOPE if _is_scope(value) else _cut(value.items(), len(value), dict)


def _sequence(value: Any) -> Any:
    return _cut(value, len(value), list)


def _cut(items: Iterable[Any], count: int, kind: type) -> Any:
    """One more than is shown, so that the cut is seen and noted where it is made."""
    return kind(items) if count <= MAX_ITEMS else kind(islice(items, MAX_ITEMS + 1))


def _is_scope(value: Mapping[Any, Any]) -> bool:
    return "asgi" in value and "headers" in value
