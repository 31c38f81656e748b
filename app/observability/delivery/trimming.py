"""Make an event small enough for Sentry after it was too large, keeping what tells where it failed.

Pure. Works on payloads that were scrubbed already: it only removes and cuts.
"""

from typing import Any

from ..types import Event

MAX_TEXT = 1_000
MAX_FRAMES = 50
MAX_EXCEPTIONS = 10
MAX_ENTRIES = 50
KEPT_CONTEXTS = ("trace", "runtime", "feedback")
DROPPED = ("breadcrumbs", "extra", "modules", "threads", "debug_meta", "_meta")
KEPT_OF_REQUEST = ("method", "url")
DROPPED_OF_FRAME = ("vars", "pre_context", "context_line", "post_context")
CUT_APART = ("exception", "contexts", "request", "spans", "tags")
TRIMMED_TAG = "delivery.trimmed"


def trim_event(event: Event) -> Event:
    """Return a copy of some tens of KB at most: no variables, source, breadcrumbs, extra, request body; texts cut.

    The tag `delivery.trimmed` says so. A transaction keeps its spans without their data. Takes any JSON.
    """
    small = {key: _cut(value, levels=6) for key, value in event.items() if key not in (*DROPPED, *CUT_APART)}
    if "exception" in event:
        # The last one is what was raised; its causes stand before it.
        values = _entries(_part(event, "exception").get("values"))[-MAX_EXCEPTIONS:]
        small["exception"] = {"values": [_trim_exception(value) for value in values]}
    contexts, request = _part(event, "contexts"), _part(event, "request")
    small["contexts"] = {key: _cut(contexts[key], levels=4) for key in KEPT_CONTEXTS if key in contexts}
    if request:
        small["request"] = {key: _cut(request[key], levels=1) for key in KEPT_OF_REQUEST if key in request}
    if "spans" in event:
        small["spans"] = [_without(span, ("data",)) for span in _entries(event["spans"])]
    small["tags"] = {**_cut(_part(event, "tags"), levels=1), TRIMMED_TAG: "true"}
    return small


def _trim_exception(value: Event) -> Event:
    small = _without(value, ("stacktrace",))
    # The newest frames stand last.
    frames = _entries(_part(value, "stacktrace").get("frames"))[-MAX_FRAMES:]
    if frames:
        small["stacktrace"] = {"frames": [_without(frame, DROPPED_OF_FRAME) for frame in frames]}
    return small


def _without(value: Event, dropped: tuple[str, ...]) -> Event:
    return {key: _cut(part, levels=3) for key, part in value.items() if key not in dropped}


def _part(value: Event, key: str) -> Event:
    part = value.get(key)
    return part if isinstance(part, dict) else {}


def _entries(value: Any) -> list[Event]:
    return [each for each in value if isinstance(each, dict)] if isinstance(value, list) else []


def _cut(value: Any, *, levels: int) -> Any:
    """Return a copy with long texts cut and long lists ended; what lies deeper than `levels` is left out."""
    if isinstance(value, str):
        return value if len(value) <= MAX_TEXT else value[: MAX_TEXT - 3] + "..."
    if isinstance(value, dict):
        if levels == 0:
            return {}
        return {k: _cut(v, levels=levels - 1) for k, v in list(value.items())[:MAX_ENTRIES]}
    if isinstance(value, list):
        if levels == 0:
            return []
        return [_cut(each, levels=levels - 1) for each in value[:MAX_ENTRIES]]
    return value
