"""Describes variables of a frame as small JSON, bounded in depth, width and length.

Pure. Strings are shown as reprs, as the SDK does. Raw ASGI scopes are named, never opened: they hold every header.
"""

from collections.abc import Mapping
from typing import Any

MAX_VARIABLES = 40
MAX_DEPTH = 4
MAX_ITEMS = 12
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


def describe_value(value: object, depth: int = 0) -> Any:
    """Describe one value: containers stay containers, so that keys can be judged; the rest becomes a repr."""
    if isinstance(value, _PLAIN):
        return value
    if isinstance(value, str):
        return repr(_shorten(value))
    if isinstance(value, (bytes, bytearray)):
        return repr(bytes(value[:MAX_CHARS]))
    kind = type(value)
    if kind not in _BULKY:
        return _safe_repr(value)
    if depth >= MAX_DEPTH:
        return f"<{kind.__name__} of {len(value)}>"  # type: ignore[arg-type]  # every bulky kind has a length
    if isinstance(value, dict):
        if "asgi" in value and "headers" in value:
            return "<ASGI scope>"
        return _describe_dict(value, depth)
    items = [describe_value(item, depth + 1) for item, _ in zip(value, range(MAX_ITEMS), strict=False)]  # type: ignore[call-overload]
    if len(value) > MAX_ITEMS:  # type: ignore[arg-type]
        items.append(f"... {len(value) - MAX_ITEMS} more")  # type: ignore[arg-type]
    return items


def _describe_dict(value: dict[Any, Any], depth: int) -> dict[str, Any]:
    described: dict[str, Any] = {}
    for (key, item), _ in zip(value.items(), range(MAX_ITEMS), strict=False):
        name = _shorten(key) if isinstance(key, str) else _safe_repr(key)
        described[name] = describe_value(item, depth + 1)
    if len(value) > MAX_ITEMS:
        described["..."] = f"{len(value) - MAX_ITEMS} more"
    return described


def _shorten(text: str) -> str:
    return text if len(text) <= MAX_CHARS else text[: MAX_CHARS - 3] + "..."


def _safe_repr(value: object) -> str:
    try:
        return _shorten(repr(value))
    except Exception:  # noqa: BLE001 - a foreign __repr__ may raise anything
        return f"<{type(value).__name__} whose repr failed>"
