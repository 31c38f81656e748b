"""Describes variables of a frame as small JSON, bounded in depth, width, length and number.

Pure. Strings are shown in quotes, as the SDK does, but without escapes: two layers of them hide where a password in
JSON ends. Raw ASGI scopes are named, never opened: they hold every header.
"""

import itertools
from collections.abc import Mapping
from enum import Enum
from typing import Any

from .cutting import cut
from .fieldnames import fields_of

MAX_VARIABLES = 40
MAX_DEPTH = 4
MAX_ITEMS = 12
MAX_NODES = 200
MAX_CHARS = 1024
_PLAIN = (bool, int, float, type(None))
_BULKY = (dict, list, tuple, set, frozenset)


def describe_variables(variables: Mapping[str, object]) -> dict[str, Any]:
    """Describe at most `MAX_VARIABLES` variables; dunder names are left out."""
    described: dict[str, Any] = {}
    for name, value in list(variables.items()):
        if name.startswith("__") and name.endswith("__"):
            continue
        if len(described) >= MAX_VARIABLES:
            break
        described[name] = describe_value(value)
    return described


def describe_value(value: object) -> Any:
    """Describe one value: containers stay containers, so that keys can be judged; the rest becomes a repr."""
    try:
        return _describe(value, 0, [MAX_NODES])
    except RuntimeError:  # another thread changed it while we looked
        return f"<{type(value).__name__} that changes>"
    except Exception:  # noqa: BLE001 - a foreign class may raise anything when it is only asked what it is
        return f"<{type(value).__name__} not readable>"


def _describe(value: object, depth: int, room: list[int]) -> Any:
    room[0] -= 1
    if isinstance(value, _PLAIN):
        return value
    if isinstance(value, Enum):
        return _safe_repr(value)  # a member that is a text has a name that may tell what it is
    if isinstance(value, str):
        return f"'{cut(str.__str__(value), MAX_CHARS)}'"
    if isinstance(value, (bytes, bytearray)):
        text = bytes(value[: MAX_CHARS + 1]).decode("utf-8", "backslashreplace")
        return f"b'{cut(text, MAX_CHARS)}'"
    if type(value) not in _BULKY:
        fields = fields_of(value)
        if fields is None:
            return _safe_repr(value)
        value = fields
    if isinstance(value, dict):
        if "asgi" in value and "headers" in value:
            return "<ASGI scope>"
        if depth < MAX_DEPTH and room[0] > 0:
            return _describe_dict(value, depth, room)
    elif isinstance(value, (list, tuple, set, frozenset)) and depth < MAX_DEPTH and room[0] > 0:
        items = [_describe(item, depth + 1, room) for item in itertools.islice(value, MAX_ITEMS)]
        if len(value) > MAX_ITEMS:
            items.append(f"... {len(value) - MAX_ITEMS} more")
        return items
    return f"<{type(value).__name__} of {len(value)}>"  # type: ignore[arg-type]  # every bulky kind has a length


def _describe_dict(value: dict[Any, Any], depth: int, room: list[int]) -> dict[str, Any]:
    described: dict[str, Any] = {}
    for key, item in itertools.islice(value.items(), MAX_ITEMS):
        name = cut(key, MAX_CHARS) if isinstance(key, str) else _safe_repr(key)
        described[name] = _describe(item, depth + 1, room)
    if len(value) > MAX_ITEMS:
        described["..."] = f"{len(value) - MAX_ITEMS} more"
    return described


def _safe_repr(value: object) -> str:
    try:
        return cut(repr(value), MAX_CHARS)
    except Exception:  # noqa: BLE001 - a foreign __repr__ may raise anything
        return f"<{type(value).__name__} whose repr failed>"
