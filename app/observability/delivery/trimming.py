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
TRIMMED_TAG = "delivery.trimmed"


def trim_event(event: Event) -> Event:
    """Return a copy of some tens of KB at most: no variables, source, breadcrumbs, extra, request body; texts cut.

    The tag `delivery.trimmed` says so. A transaction keeps its spans without their data.
    """
    small = {
        key: _cut(value, levels=6)
        for key, value in event.items()
        if key not in DROPPED and key not in _OWN_WAY
    }
    if isinstance(event.get("exception"), dict):
        values = event["exception"].get("values") or []
        # The last one is what was raised; its causes stand before it.
        small["exception"] = {"values": [_trim_exception(value) for value in values[-MAX_EXCEPTIONS:]]}
    if isinstance(event.get("contexts"), dict):
        contexts = event["contexts"]
        small["contexts"] = {k: _cut(contexts[k], levels=4) for k in KEPT_CONTEXTS if k in contexts}
    if isinstance(event.get("request"), dict):
        request = event["request"]
        small["request"] = {k: _cut(request[k], levels=1) for k in KEPT_OF_REQUEST if k in request}
    if isinstance(event.get("spans"), list):
        small["spans"] = [
            {key: _cut(value, levels=2) for key, value in span.items() if key != "data"}
            for span in event["spans"]
        ]
    tags = event.get("tags")
    if isinstance(tags, dict) or tags is None:
        small["tags"] = {**_cut(tags or {}, levels=1), TRIMMED_TAG: "true"}
    return small


_OWN_WAY = ("exception", "contexts", "request", "spans", "tags")


def _trim_exception(value: Any) -> Any:
    if not isinstance(value, dict):
        return _cut(value, levels=2)
    small = {key: _cut(part, levels=4) for key, part in value.items() if key != "stacktrace"}
    frames = (value.get("stacktrace") or {}).get("frames") or []
    if frames:
        # The newest frames stand last.
        small["stacktrace"] = {
            "frames": [
                {key: _cut(part, levels=1) for key, part in frame.items() if key not in DROPPED_OF_FRAME}
                for frame in frames[-MAX_FRAMES:]
            ]
        }
    return small


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
