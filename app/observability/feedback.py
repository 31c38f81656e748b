"""User feedback: the crash-report dialog under our own host, a form without JavaScript, and `report_feedback()`.

`Sentry.showReportDialog()` loads its dialog from the host of the DSN. Given a DSN that names our host
(`https://KEY@our.host/_obs/1`), it works under a strict Content-Security-Policy and past content blockers. Nothing
that a client sends is reflected; everything is scrubbed, limited in size and rate, and sent as Sentry's feedback item.
"""

import re
import uuid
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, Protocol
from urllib.parse import parse_qs

import sentry_sdk
from sentry_sdk.envelope import Envelope, Item, PayloadRef
from starlette.requests import Request
from starlette.responses import JSONResponse, Response

from .access import RateLimit, address_of
from .browsers import cors_headers, first, is_allowed_origin, rate_headers, read_body
from .gate import ScrubbedEvent
from .pages import refusal, wants_html
from .pipeline import Pipeline
from .settings import Mode, ObservabilitySettings
from .types import Event
from .version import PACKAGE
from .visitors import visitor_page

PREFIX = "/_obs"
DIALOG_PATH = f"{PREFIX}/api/embed/error-page/"
STYLE_PATH = f"{PREFIX}/api/embed/dialog.css"
FORM_PATH = f"{PREFIX}/feedback"
MAX_FORM_BYTES = 16_384
MAX_MESSAGE_CHARS = 4096
MAX_NAME_CHARS = 128
MAX_EMAIL_CHARS = 75
MAX_URL_CHARS = 1024
EVENT_ID = re.compile(r"[0-9a-f]{32}")
_EMAIL = re.compile(r"[^@\s<>\"]+@[^@\s<>\"]+")
_STATIC = Path(__file__).parent / "static"


class Handle(Protocol):
    """What feedback needs of the handle that `init_sentry` returns."""

    settings: ObservabilitySettings
    pipeline: Pipeline | None


_handle: Handle | None = None


def use(handle: Handle) -> None:
    """Let `report_feedback` follow these settings from now on; `init_sentry` calls it."""
    global _handle
    _handle = handle


def report_feedback(
    message: str,
    *,
    event_id: str | None = None,
    name: str | None = None,
    email: str | None = None,
    url: str | None = None,
) -> str | None:
    """Send what a user says about a failure to Sentry, scrubbed; return the feedback's id, None when OFF.

    Args:
        message: At most `MAX_MESSAGE_CHARS` characters are sent.
        event_id: The event it is about, 32 hex digits; dashes and capitals of a UUID do no harm.
        name: Sent only with SENTRY_SEND_EMAIL=true, like the e-mail: both say who somebody is.
        email: See `name`; left out if it is no e-mail address.
        url: Where it happened.

    Raises:
        ValueError: The message is empty, or the event id is not one.
    """
    text = message.strip()
    if not text:
        raise ValueError("the feedback has no text")
    if event_id is not None:
        event_id = event_id.replace("-", "").lower()
        if not EVENT_ID.fullmatch(event_id):
            raise ValueError("event_id must be the 32 hex digits of an event's id")
    client = sentry_sdk.get_client()
    transport = client.transport
    if not client.is_active() or transport is None:
        return None
    feedback: dict[str, Any] = {
        "message": text[:MAX_MESSAGE_CHARS],
        "name": name,
        "contact_email": email,
        "associated_event_id": event_id,
        "url": (url or "")[:MAX_URL_CHARS],
        "source": PACKAGE,
    }
    event = _event(feedback, client.options)
    payload = scrub_feedback(event, _handle)
    item = Item(payload=PayloadRef(json=payload), headers={"type": "feedback"})
    transport.capture_envelope(Envelope(headers={"event_id": event["event_id"]}, items=[item]))
    return str(event["event_id"])


def scrub_feedback(event: Event, handle: Handle | None) -> Event:
    """Scrub a feedback event; name and e-mail stay only where settings send them, the e-mail then as it was typed.

    The last gate scrubs what this leaves alone: a fault here sends less, never more.
    """
    said = event["contexts"]["feedback"]
    person = _person(said) if handle is not None and handle.settings.send_email else {}
    kept = {
        key: value
        for key, value in said.items()
        if value and key not in ("name", "contact_email") and isinstance(value, str)
    }
    event = {**event, "contexts": {**event["contexts"], "feedback": {**kept, **person}}}
    if handle is None or handle.pipeline is None or "contact_email" not in person:
        return event
    event["contexts"]["feedback"].pop("contact_email")
    scrubbed: Event = handle.pipeline.scrubber.scrub(event, "feedback").payload
    scrubbed["contexts"]["feedback"]["contact_email"] = person["contact_email"]
    return ScrubbedEvent(scrubbed)


def _person(said: dict[str, Any]) -> dict[str, str]:
    name, email = str(said.get("name") or "").strip(), str(said.get("contact_email") or "").strip()
    person = {"name": name[:MAX_NAME_CHARS]} if name else {}
    if len(email) <= MAX_EMAIL_CHARS and _EMAIL.fullmatch(email):
        person["contact_email"] = email
    return person


def _event(feedback: dict[str, Any], options: dict[str, Any]) -> Event:
    trace = sentry_sdk.get_isolation_scope().get_trace_context()
    return {
        "event_id": uuid.uuid4().hex,
        "type": "feedback",
        "timestamp": datetime.now(UTC).strftime("%Y-%m-%dT%H:%M:%S.%fZ"),
        "platform": "python",
        "level": "info",
        "environment": options["environment"],
        "release": options["release"],
        "contexts": {
            "feedback": feedback,
            "trace": {"trace_id": trace["trace_id"], "span_id": trace["span_id"]},
        },
    }


class FeedbackPages:
    """Endpoints of the dialog and the form; public, because whoever met an error may tell about it."""

    def __init__(self, handle: Handle) -> None:
        self.settings = handle.settings
        self.limit = RateLimit()
        sends_person = b"true" if self.settings.send_email else b"false"
        self._script = (_STATIC / "dialog.js").read_bytes().replace(b"SENDS_PERSON", sends_person)
        self._style = (_STATIC / "dialog.css").read_bytes()

    def endpoints(self) -> dict[str, Any]:
        """Path -> endpoint; none when OFF."""
        if self.settings.mode is Mode.OFF:
            return {}
        return {DIALOG_PATH: self.dialog, STYLE_PATH: self.style, FORM_PATH: self.form}

    async def style(self, request: Request) -> Response:
        """The dialog's style sheet."""
        return self._asset(request, self._style, "text/css")

    async def dialog(self, request: Request) -> Response:
        """GET: the script that `showReportDialog` loads. POST: what the user wrote into it."""
        about = request.query_params.get("eventId", "")
        # The SDK writes name and e-mail into this address. The server's access log is written after this and from
        # this very dictionary; it must not get them.
        request.scope["query_string"] = b""
        if request.method in ("GET", "HEAD"):
            return self._asset(request, self._script, "text/javascript")
        return await self._take(request, about, is_about_required=True)

    async def form(self, request: Request) -> Response:
        """What the form on the error page sends; works without JavaScript."""
        return await self._take(request, "", is_about_required=False)

    async def _take(self, request: Request, about: str, *, is_about_required: bool) -> Response:
        if request.method == "OPTIONS":
            return Response(status_code=204, headers=cors_headers(request.scope, self.settings))
        if request.method != "POST":
            return refusal(request.scope, 405, "Use POST.", {"allow": "POST, OPTIONS"})
        if not is_allowed_origin(request.scope, self.settings):
            return self._answer(request, 403, "Not taken from this origin; see SENTRY_FEEDBACK_ORIGINS.")
        wait_s = self.limit.wait_s(address_of(request.scope, self.settings))
        if wait_s > 0:
            return self._answer(request, 429, "Too much feedback at once; please try again later.", wait_s)
        body = await read_body(request, MAX_FORM_BYTES)
        if body is None:
            return self._answer(request, 413, f"Feedback may have {MAX_FORM_BYTES} bytes.")
        try:
            fields = parse_qs(body.decode("utf-8", "replace"), max_num_fields=20)
            about = first(fields, "event_id") or about
            if is_about_required and not about:
                raise ValueError("eventId is missing")
            report_feedback(
                first(fields, "comments", "message"),
                event_id=about or None,
                name=first(fields, "name"),
                email=first(fields, "email"),
            )
        except ValueError as error:
            return self._answer(request, 400, f"Not taken: {error}.")
        return self._answer(request, 200, "Your feedback was sent.")

    def _answer(self, request: Request, status: int, text: str, wait_s: float = 0.0) -> Response:
        headers = {"cache-control": "no-store"} | cors_headers(request.scope, self.settings)
        headers |= rate_headers(wait_s)
        if wants_html(request.scope):
            page = visitor_page("thanks.html", status, text=text, is_taken=status == 200)
            page.headers.update(headers)
            return page
        return JSONResponse({"detail": text}, status_code=status, headers=headers)

    def _asset(self, request: Request, content: bytes, media_type: str) -> Response:
        if request.method not in ("GET", "HEAD"):
            return refusal(request.scope, 405, "Use GET.", {"allow": "GET, HEAD"})
        headers = cors_headers(request.scope, self.settings)
        headers |= {"cache-control": "public, max-age=3600", "x-content-type-options": "nosniff"}
        return Response(content, media_type=f"{media_type}; charset=utf-8", headers=headers)
