"""What a browser's envelope may hold, built anew from what is known to be harmless. Pure: text in, payloads out.

Nothing here is trusted, and nothing scrubbed: the pipeline's gate does that with whatever this lets through.
"""

import json
import re
import time
from collections.abc import Callable
from typing import Any

from .delivery.envelopes import RawEnvelope
from .feedback import EVENT_ID, MAX_EMAIL_CHARS, MAX_MESSAGE_CHARS, MAX_NAME_CHARS, MAX_URL_CHARS
from .types import Event

MAX_ITEMS = 20
MAX_ID_CHARS = 128
MAX_AGENT_CHARS = 512
NO_ADDRESS = {"infer_ip": "never"}
"""Without this Sentry takes the address of the connection, which is the server's, for the user's."""

_WORD = re.compile(r"[a-z_]{1,40}")
_OF_EVENT = frozenset(
    (
        *(
            "timestamp",
            "level",
            "logger",
            "transaction",
            "release",
            "dist",
            "environment",
            "message",
            "logentry",
        ),
        *("exception", "breadcrumbs", "contexts", "tags", "extra", "fingerprint", "debug_meta"),
    )
)


class RefusedError(ValueError):
    """The envelope is not taken; the message says why and repeats nothing of it."""


def parse(body: bytes) -> RawEnvelope:
    """Read an envelope; unlike ours, a browser's items may give no length: they end with their line.

    Raises:
        RefusedError: It is none, or has too many items.
    """
    try:
        header_line, _, rest = body.partition(b"\n")
        parts = [header_line]
        while rest:
            line, _, rest = rest.partition(b"\n")
            header = json.loads(line)
            length = header.get("length")
            if length is None:
                length = len(rest.partition(b"\n")[0])
            if not isinstance(length, int) or not 0 <= length <= len(rest):
                raise RefusedError("an item has no length that fits")
            parts += [json.dumps({**header, "length": length}).encode(), rest[:length]]
            rest = rest[length + 1 :]
            if len(parts) > 2 * MAX_ITEMS + 1:
                raise RefusedError("it has too many items")
        return RawEnvelope.parse(b"\n".join(parts))
    except RefusedError:
        raise
    except (ValueError, AttributeError, RecursionError):
        raise RefusedError("it is no envelope") from None


def payload_of(item_type: str, text: bytes) -> Event:
    """The payload of an item of one of `KINDS`, built anew.

    Raises:
        RefusedError: It is no JSON object, or lacks what it must have.
    """
    try:
        payload = json.loads(text)
    except (ValueError, RecursionError):
        raise RefusedError("an item is no JSON") from None
    if not isinstance(payload, dict):
        raise RefusedError("an item is no JSON object")
    return KINDS[item_type](payload)


def _error(payload: Event) -> Event:
    """An error of a page: the user's id but nothing else of him, the page's address, the browser's name."""
    event = {key: value for key, value in payload.items() if key in _OF_EVENT}
    _cut_queries(event.get("exception"))
    request, user, sdk = (_object(payload.get(key)) for key in ("request", "user", "sdk"))
    event |= {
        "event_id": _event_id(payload.get("event_id")),
        "platform": "javascript",
        "sdk": {key: sdk[key] for key in ("name", "version") if key in sdk} | {"settings": NO_ADDRESS},
    }
    agent = _object(request.get("headers")).get("User-Agent")
    about = {"url": request["url"][:MAX_URL_CHARS]} if isinstance(request.get("url"), str) else {}
    if isinstance(agent, str):
        about["headers"] = {"User-Agent": agent[:MAX_AGENT_CHARS]}
    if about:
        event["request"] = about
    if isinstance(user.get("id"), str | int):
        event["user"] = {"id": str(user["id"])[:MAX_ID_CHARS]}
    return event


def _feedback(payload: Event) -> Event:
    """What a user wrote, where, and about which event."""
    said = _object(_object(payload.get("contexts")).get("feedback"))
    message = said.get("message")
    if not isinstance(message, str) or not message.strip():
        raise RefusedError("the feedback has no text")
    longest = {
        "message": MAX_MESSAGE_CHARS,
        "url": MAX_URL_CHARS,
        "name": MAX_NAME_CHARS,
        "contact_email": MAX_EMAIL_CHARS,
        "source": MAX_NAME_CHARS,
    }
    feedback = {key: said[key][:most] for key, most in longest.items() if isinstance(said.get(key), str)}
    if said.get("associated_event_id"):
        feedback["associated_event_id"] = _event_id(said["associated_event_id"])
    kept: Event = {
        key: payload[key] for key in ("timestamp", "environment", "release", "level") if key in payload
    }
    return {
        **kept,
        "event_id": _event_id(payload.get("event_id")),
        "type": "feedback",
        "platform": "javascript",
        "sdk": {"settings": NO_ADDRESS},
        "contexts": {"feedback": feedback},
    }


def _session(payload: Event) -> Event:
    """One visit to a page, of nobody in particular."""
    attrs = _object(payload.get("attrs"))
    kept = ("sid", "init", "seq", "started", "timestamp", "status", "errors", "duration")
    session: Event = {key: payload[key] for key in kept if isinstance(payload.get(key), str | int | float)}
    session["attrs"] = {
        key: attrs[key] for key in ("release", "environment") if isinstance(attrs.get(key), str)
    }
    return session


def _client_report(payload: Event) -> Event:
    """What the page's SDK could not send: Sentry's words and numbers."""
    discarded = payload.get("discarded_events")
    return {
        "timestamp": time.time(),
        "discarded_events": [
            {"reason": entry["reason"], "category": entry["category"], "quantity": entry["quantity"]}
            for entry in (discarded if isinstance(discarded, list) else [])[:50]
            if isinstance(entry, dict)
            and all(_WORD.fullmatch(str(entry.get(key))) for key in ("reason", "category"))
            and type(entry.get("quantity")) is int
            and 0 < entry["quantity"] < 1_000_000
        ],
    }


KINDS: dict[str, Callable[[Event], Event]] = {
    "event": _error,
    "feedback": _feedback,
    "session": _session,
    "client_report": _client_report,
}
"""Kinds of items that are taken. Not transactions: each page view would take spans of the month's budget, and
whoever likes can make them up."""


def kind_of(event: Event) -> tuple[str, ...]:
    """Kind of an error for folding: exception type and last in-app frame, else its message."""
    try:
        error = event["exception"]["values"][-1]
        frames = (error.get("stacktrace") or {}).get("frames") or [{}]
        frame = next((each for each in reversed(frames) if each.get("in_app", True)), frames[-1])
        place = f"{frame.get('filename')}:{frame.get('function')}"
        return ("browser", str(error.get("type"))[:80], place[:200])
    except (KeyError, IndexError, TypeError, AttributeError):
        return ("browser", str(event.get("message") or event.get("logentry"))[:200])


def _cut_queries(exception: Any) -> None:
    """Frames of a page's inline scripts bear the page's whole address, and the scrubber spares names of files."""
    values = _object(exception).get("values")
    for value in values if isinstance(values, list) else []:
        frames = _object(_object(value).get("stacktrace")).get("frames")
        for frame in frames if isinstance(frames, list) else []:
            for key in ("filename", "abs_path"):
                if isinstance(frame, dict) and isinstance(frame.get(key), str):
                    frame[key] = re.split(r"[?#]", frame[key], maxsplit=1)[0]


def _object(value: Any) -> dict[str, Any]:
    return value if isinstance(value, dict) else {}


def _event_id(value: Any) -> str:
    found = value.replace("-", "").lower() if isinstance(value, str) else ""
    if not EVENT_ID.fullmatch(found):
        raise RefusedError("an event id is not 32 hex digits")
    return found
