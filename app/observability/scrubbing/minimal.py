"""The smallest event that still says what broke: built from an allow-list, for when scrubbing itself failed."""

import re
from collections.abc import Mapping
from typing import Any, Final

_IDS: Final = frozenset("0123456789abcdefABCDEF-")
_PLAIN: Final = (
    "level",
    "platform",
    "release",
    "environment",
    "type",
    "logger",
    "dist",
)
_FRAME: Final = ("filename", "function", "module", "lineno", "colno", "in_app")
_TRACE: Final = ("trace_id", "span_id", "parent_span_id")
_RELEASE: Final = re.compile(r"[\w.\-/]{1,100}@(?:v?\d[\w.\-+]{0,80}|[0-9a-f]{7,40})")
_MAX_CHARS: Final = 200
_MAX_VALUES: Final = 20
_MAX_FRAMES: Final = 100


def minimal_event(event: object) -> dict[str, Any]:
    """Return ids, times, level, release, exception types and bare frames; total, whatever it is given."""
    source: Mapping[str, Any] = event if isinstance(event, Mapping) else {}
    out: dict[str, Any] = {"tags": {"scrub.failed": "true"}}
    for key in ("event_id",):
        if _is_id(source.get(key)):
            out[key] = source[key]
    for key in ("timestamp", "start_timestamp"):
        if _is_time(source.get(key)):
            out[key] = source[key]
    for key in _PLAIN:
        if _is_short(source.get(key)) or (key == "release" and _is_release(source.get(key))):
            out[key] = source[key]
    exceptions = _values(source.get("exception"))
    if exceptions:
        out["exception"] = {"values": [_exception(value) for value in exceptions]}
    contexts = source.get("contexts")
    trace = contexts.get("trace") if isinstance(contexts, Mapping) else None
    if isinstance(trace, Mapping):
        kept = {key: trace[key] for key in _TRACE if _is_id(trace.get(key))}
        if kept:
            out["contexts"] = {"trace": kept}
    return out


def _exception(value: Mapping[str, Any]) -> dict[str, Any]:
    out: dict[str, Any] = {key: value[key] for key in ("type", "module") if _is_name(value.get(key))}
    stack = value.get("stacktrace")
    frames = stack.get("frames") if isinstance(stack, Mapping) else None
    if isinstance(frames, list):
        out["stacktrace"] = {
            "frames": [
                {key: frame[key] for key in _FRAME if _is_short(frame.get(key)) or _is_number(frame.get(key))}
                for frame in frames[-_MAX_FRAMES:]
                if isinstance(frame, Mapping)
            ]
        }
    return out


def _values(container: object) -> list[Mapping[str, Any]]:
    values = container.get("values") if isinstance(container, Mapping) else container
    if not isinstance(values, list):
        return []
    return [value for value in values[:_MAX_VALUES] if isinstance(value, Mapping)]


def _is_id(value: object) -> bool:
    return isinstance(value, str) and len(value) <= 36 and _IDS.issuperset(value)


def _is_time(value: object) -> bool:
    return _is_number(value) or (
        isinstance(value, str) and len(value) <= 40 and not set(value) - set("0123456789-:.TZ+ ")
    )


def _is_short(value: object) -> bool:
    return isinstance(value, str) and len(value) <= _MAX_CHARS and "@" not in value and "://" not in value


def _is_release(value: object) -> bool:
    """True for a package and its version or commit, `name@1.2.3`; no address of a person has such a domain."""
    return isinstance(value, str) and len(value) <= _MAX_CHARS and _RELEASE.fullmatch(value) is not None


def _is_name(value: object) -> bool:
    return (
        isinstance(value, str)
        and len(value) <= _MAX_CHARS
        and value.replace(".", "_").replace("<", "").replace(">", "").isidentifier()
    )


def _is_number(value: object) -> bool:
    return isinstance(value, int | float)
