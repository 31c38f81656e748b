"""Dicts that need a closer look: telling keys, fields that name other fields, lists of names beside lists of values."""

from __future__ import annotations

from collections.abc import Mapping
from itertools import islice
from typing import TYPE_CHECKING, Any, Final

from .bounds import MAX_NODES
from .fields import COLUMN_KEYS, VALUE_KEYS, inherits
from .keys import KeyClass
from .marker import marker
from .scan import as_text
from .text import Mode

if TYPE_CHECKING:
    from .walk import Walk

_NONE: Final = KeyClass.NONE
# Names that say less than the one they stand under.
_OUTRANKED: Final = (KeyClass.WEAK, KeyClass.RANDOM)


def telling_dict(walk: Walk, value: Mapping[Any, Any], outer: Mode, kind: KeyClass) -> dict[str, Any]:
    """Scrub a dict field by field; `kind` is what the key that it stands under tells."""
    out: dict[str, Any] = {}
    siblings = _NONE if VALUE_KEYS.isdisjoint(value) else walk.scan.named_kind(value)
    columns = [] if COLUMN_KEYS.isdisjoint(value) else _columns(walk, value)
    path = walk.path
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
    is_special = bool(kind or siblings or columns)
    for key, item in value.items():
        info = infos.get(key) or scan.info(key, walk.found)
        name, own, mode, hits, is_plain = info
        if is_plain and not is_special:
            if type(item) is not str or key == "value" or item not in fields.get(key, text):
                path[-1] = name
                item = walk.value(item, outer if key == "value" else mode, _NONE)
            out[key] = item
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
        if columns and not own and isinstance(item, list | tuple):
            out[name] = _row(walk, item, columns, mode)
        else:
            out[name] = walk.value(item, mode, own)
    path.pop()
    return out


def _columns(walk: Walk, value: Mapping[Any, Any]) -> list[KeyClass]:
    """The kinds of a list of names beside which lists of their values stand."""
    for key in COLUMN_KEYS.intersection(value):
        item = value[key]
        if isinstance(item, list | tuple):
            names = [as_text(name) for name in item]
            kinds = [
                walk.scan.classify(name)
                for name in names
                if name is not None and not name.startswith("[Filtered")
            ]
            if len(kinds) == len(item) and any(kinds):
                return kinds
    return []


def _row(walk: Walk, items: Any, columns: list[KeyClass], mode: Mode) -> list[Any]:
    if items and all(isinstance(item, list | tuple) for item in items) and walk.nodes < MAX_NODES:
        walk.nodes += len(items)
        return [
            _row(walk, item, columns, mode) if len(item) == len(columns) else walk.list_(item, mode, _NONE)
            for item in items
        ]
    if len(items) != len(columns):
        return walk.list_(items, mode, _NONE)
    walk.nodes += len(items)
    names = [as_text(item) for item in items]
    if [_NONE if name is None else walk.scan.classify(name) for name in names] == columns:
        return walk.list_(items, mode, _NONE)
    return [walk.value(item, mode, columns[i]) for i, item in enumerate(items)]
