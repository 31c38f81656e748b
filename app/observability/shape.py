"""Puts fields that an application fills freely into the shape that the hooks, the SDK and Sentry rely on. Pure."""

from typing import Any

from .types import Event

LEVELS = frozenset({"fatal", "critical", "error", "warning", "info", "debug", "log", "sample"})


def put_into_shape(event: Event) -> None:
    """Mend level, tags and contexts; what cannot be mended is left out, so that the rest arrives."""
    level = event.get("level")
    if level is not None and not (isinstance(level, str) and level in LEVELS):
        event["level"] = "error"
    tags = event.get("tags")
    if tags is not None and not isinstance(tags, dict):
        event["tags"] = _pairs(tags)
    contexts = event.get("contexts")
    if isinstance(contexts, dict):
        _mend_trace(contexts)


def _pairs(tags: Any) -> dict[str, Any]:
    """Tags as Sentry takes them too: a list of pairs."""
    pairs = tags if isinstance(tags, list | tuple) else ()
    return {
        pair[0]: pair[1]
        for pair in pairs
        if isinstance(pair, list | tuple) and len(pair) == 2 and isinstance(pair[0], str)
    }


def _mend_trace(contexts: dict[str, Any]) -> None:
    """The SDK takes the trace apart after the hooks and raises if it is anything else (SDK 2.75)."""
    trace = contexts.get("trace")
    if trace is None:
        return
    if not isinstance(trace, dict):
        del contexts["trace"]
    elif not isinstance(trace.get("dynamic_sampling_context", {}), dict):
        del trace["dynamic_sampling_context"]
