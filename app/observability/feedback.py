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
from urllib.parse import parse_qs, urlsplit

import sentry_sdk
from sentry_sdk.envelope import Envelope, Item, PayloadRef
from starlette.requests import ClientDisconnect, Request
from starlette.responses import JSONResponse, PlainTextResponse, Response

from .access import RateLimit, address_of, header
from .pages import render, wants_html
from .settings import Mode, ObservabilitySettings
from .types import AsgiScope, Event

PREFIX = "/_obs"
DIALOG_PATH = f"{PREFIX}/api/embed/error-page/"
STYLE_PATH = f"{PREFIX}/dialog.css"
FORM_PATH = f"{PREFIX}/feedback"
MAX_FORM_BYTES = 16_384
MAX_MESSAGE_CHARS = 4096
MAX_NAME_CHARS = 128
MAX_EMAIL_CHARS = 75
_EVENT_ID = re.compile(r"[0-9a-f]{32}")
_STATIC = Path(__file__).parent / "static"
_STATIC_HEADERS = {"cache-control": "public, max-age=3600", "x-content-type-options": "nosniff"}


class Handle(Protocol):
    """What feedback needs of the handle that `init_sentry` returns."""

    settings: ObservabilitySettings


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
        event_id: The event it is about, 32 hex digits.
        name: Sent only with SENTRY_SEND_EMAIL=true, like the e-mail: both say who somebody is.
        email: See `name`.
        url: Where it happened.

    Raises:
        ValueError: The message is empty, or the event id is not one.
    """
    text = message.strip()
    if not text:
        raise ValueError("the feedback has no text")
    if event_id is not None and not _EVENT_ID.fullmatch(event_id):
        raise ValueError("event_id must be the 32 hex digits of an event's id")
    client = sentry_sdk.get_client()
    transport = client.transport
    if not client.is_active() or transport is None:
        return None
    feedback: dict[str, Any] = {"message": text[:MAX_MESSAGE_CHARS], "source": "streamapi"}
    if event_id is not None:
        feedback["associated_event_id"] = event_id
    if name:
        feedback["name"] = name[:MAX_NAME_CHARS]
    if email:
        feedback["contact_email"] = email[:MAX_EMAIL_CHARS]
    if url:
        feedback["url"] = url
    event = _event(feedback, client.options)
    item = Item(payload=PayloadRef(json=event), headers={"type": "feedback"})
    transport.capture_envelope(Envelope(headers={"event_id": event["event_id"]}, items=[item]))
    return str(event["event_id"])


def _event(feedback: dict[str, Any], options: dict[str, Any]) -> Event:
    scope = sentry_sdk.get_isolation_scope()
    trace = scope.get_trace_context()
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

    def endpoints(self) -> dict[str, Any]:
        """Path -> endpoint; none when OFF."""
        if self.settings.mode is Mode.OFF:
            return {}
        return {DIALOG_PATH: self.dialog, STYLE_PATH: self.style, FORM_PATH: self.form}

    async def style(self, request: Request) -> Response:
        """The dialog's style sheet."""
        return _static("dialog.css", "text/css; charset=utf-8")

    async def dialog(self, request: Request) -> Response:
        """GET: the script that `showReportDialog` loads. POST: what the user wrote into it."""
        if request.method == "GET":
            return _static("dialog.js", "text/javascript; charset=utf-8")
        event_id = request.query_params.get("eventId", "")
        return await self._take(request, event_id)

    async def form(self, request: Request) -> Response:
        """What the form on the error page sends; works without JavaScript."""
        return await self._take(request, None)

    async def _take(self, request: Request, event_id: str | None) -> Response:
        if request.method == "OPTIONS":
            return self._answer(request, 204, "")
        if request.method != "POST":
            return PlainTextResponse("Use POST.", 405, headers={"allow": "POST, OPTIONS"})
        if not is_allowed_origin(request.scope, self.settings):
            return self._answer(request, 403, "Not taken from this origin; see SENTRY_FEEDBACK_ORIGINS.")
        wait_s = self.limit.wait_s(address_of(request.scope, self.settings))
        if wait_s > 0:
            return self._answer(
                request, 429, "Too much feedback at once; try again later.", retry_after_s=wait_s
            )
        fields = await _read_form(request)
        if fields is None:
            return self._answer(request, 413, f"Feedback may have {MAX_FORM_BYTES} bytes.")
        about = event_id if event_id is not None else fields.get("event_id", "")
        try:
            report_feedback(
                fields.get("comments") or fields.get("message") or "",
                event_id=about or None,
                name=fields.get("name") if self.settings.send_email else None,
                email=fields.get("email") if self.settings.send_email else None,
            )
        except ValueError as error:
            return self._answer(request, 400, f"Not taken: {error}.")
        return self._answer(request, 200, "Thank you. Your feedback was sent.")

    def _answer(self, request: Request, status: int, text: str, *, retry_after_s: float = 0) -> Response:
        headers = {"cache-control": "no-store", "vary": "Origin"}
        origin = header(request.scope, b"origin")
        if origin in self.settings.feedback_origins:
            headers |= {"access-control-allow-origin": str(origin), "access-control-allow-methods": "POST"}
        if retry_after_s:
            headers["retry-after"] = str(int(retry_after_s) + 1)
        if wants_html(request.scope):
            page = render("thanks.html", status, text=text, is_taken=status == 200)
            page.headers.update(headers)
            return page
        return JSONResponse({"detail": text}, status_code=status, headers=headers)


async def _read_form(request: Request) -> dict[str, str] | None:
    """Fields of an urlencoded form, None if it is larger than `MAX_FORM_BYTES`."""
    body = bytearray()
    try:
        async for chunk in request.stream():
            body += chunk
            if len(body) > MAX_FORM_BYTES:
                return None
    except ClientDisconnect:
        return {}
    found = parse_qs(body.decode("utf-8", "replace"), keep_blank_values=False, max_num_fields=20)
    return {name: values[0] for name, values in found.items()}


def is_allowed_origin(scope: AsgiScope, settings: ObservabilitySettings) -> bool:
    """Whether a post comes from our own pages, from an allowed origin, or from no browser at all."""
    origin = header(scope, b"origin")
    if origin is not None and origin != "null":
        host = header(scope, b"host") or ""
        return urlsplit(origin).netloc.lower() == host.lower() or origin in settings.feedback_origins
    site = header(scope, b"sec-fetch-site")
    return site in (None, "same-origin", "none") and origin is None


def _static(name: str, media_type: str) -> Response:
    return Response((_STATIC / name).read_bytes(), media_type=media_type, headers=_STATIC_HEADERS)
