"""Dicts that need a closer look: telling keys, fields that name other fields, lists of names beside lists of values."""

from __future__ import annotations

from collections.abc import Mapping
from itertools import islice
from typing import TYPE_CHECKING, Any, Final, NamedTuple

from .bounds import MAX_NODES
from .documents import MARKS, document_kinds
from .fields import COLUMN_KEYS, VALUE_KEYS, inherits
from .keys import KeyClass
from .marker import marker
from .scan import as_text
from .text import Mode

if TYPE_CHECKING:
    from .walk import Walk

_NONE: Final = KeyClass.NONE
# Names that say less than the one they stand under.
_NO_DOCUMENT: Final[dict[str, KeyClass]] = {}
_OUTRANKED: Final = (KeyClass.WEAK, KeyClass.RANDOM)


def telling_dict(walk: Walk, value: Mapping[Any, Any], outer: Mode, kind: KeyClass) -> dict[str, Any]:
    """Scrub a dict field by field; `kind` is what the key that it stands under tells."""
    out: dict[str, Any] = {}
    siblings = _NONE if VALUE_KEYS.isdisjoint(value) else walk.scan.named_kind(value)
    columns = None if COLUMN_KEYS.isdisjoint(value) else _columns(walk, value)
    path = walk.path
    document = _NO_DOCUMENT if MARKS.isdisjoint(value) else document_kinds(value, path)
    left = MAX_NODES - walk.nodes
    walk.nodes += len(value)
    if left < len(value):
        value = dict(islice(value.items(), max(left, 0)))
        out[marker("budget")] = marker("budget")
        walk.note("budget")
    path.append("")
    scan = walk.scan
    infos = scan.keys
    fields, text = scan.fields, scan.clean[Mode.TEXT]
    is_special = bool(kind or siblings or columns or document)
    for key, item in value.items():
        info = infos.get(key) or scan.info(key, walk.found)
        name, own, mode, hits, is_plain = info
        if is_plain and not is_special:
            if type(item) is not str or key == "value" or item not in fields.get(key, text):
                path[-1] = name
                item = walk.value(item, outer if key == "value" else mode, _NONE)
            if name is not key:
                while name in out:
                    name += "+"
            out[name] = item
            continue
        path[-1] = name
        if key == "value":
            mode = outer
        for hit in hits:
            walk.note(hit)
        while name in out:
            name += "+"
        if kind and (not own or own in _OUTRANKED) and inherits(key, kind):
            own = kind
        if siblings and key in VALUE_KEYS:
            own = siblings
        if document and key in document:
            own = document[key]
        if columns and not own and isinstance(item, list | tuple):
            out[name] = row(walk, item, columns, mode)
        else:
            out[name] = walk.value(item, mode, own)
    path.pop()
    return out


class Columns(NamedTuple):
    """The names of columns and what they promise."""

    names: list[str | None]
    kinds: list[KeyClass]


def _columns(walk: Walk, value: Mapping[Any, Any]) -> Columns | None:
    """The list of names beside which lists of their values stand."""
    for key in COLUMN_KEYS.intersection(value):
        columns = _as_columns(walk, value[key])
        if columns:
            return columns
    return None


def header(walk: Walk, rows: list[Any] | tuple[Any, ...]) -> Columns | None:
    """The names in a first row above rows of as many values; None if it holds no names."""
    first = rows[0]
    if len(first) < 2 or len(rows[1]) != len(first):
        return None
    columns = _as_columns(walk, first)
    if not columns or (len(first) == 2 and not columns.kinds[1]):
        return None  # pairs of names and values
    second = as_text(rows[1][0])
    is_name = second is not None and second.isidentifier() and walk.scan.classify(second)
    return None if is_name else columns


def _as_columns(walk: Walk, item: Any) -> Columns | None:
    if not isinstance(item, list | tuple):
        return None
    names = [as_text(name) for name in item]
    kinds = [
        walk.scan.classify(name) for name in names if name is not None and not name.startswith("[Filtered")
    ]
    return Columns(names, kinds) if len(kinds) == len(item) and any(kinds) else None


def row(walk: Walk, items: Any, columns: Columns, mode: Mode) -> list[Any]:
    """Scrub a row of values, or rows of them, by the names of their columns."""
    if items and all(isinstance(item, list | tuple) for item in items) and walk.nodes < MAX_NODES:
        rows: list[Any] = []
        for item in items:
            if walk.nodes > MAX_NODES:
                rows.append(walk.remove("budget"))
                break
            walk.nodes += 1
            fits = len(item) == len(columns.kinds)
            rows.append(row(walk, item, columns, mode) if fits else walk.list_(item, mode, _NONE))
        return rows
    if len(items) != len(columns.kinds) or [as_text(item) for item in items] == columns.names:
        return walk.list_(items, mode, _NONE)
    walk.nodes += len(items)
    return [walk.value(item, mode, columns.kinds[i]) for i, item in enumerate(items)]
