"""The tunnel (SENTRY_TUNNEL=true): takes what @sentry/browser reports under our own host and passes it on.

No open relay: where it goes is fixed, the server's own transport, so that scrubbing, folding, budget, spool and rate
limits apply; an envelope for another project is refused. No header of the browser's request goes anywhere, and no
event of a browser gets anything of this server's requests or users.
"""

import threading
import time
from collections.abc import Callable
from typing import Any, Protocol
from urllib.parse import urlsplit

from sentry_sdk.envelope import Envelope, Item, PayloadRef
from starlette.requests import Request
from starlette.responses import JSONResponse, PlainTextResponse, Response

from .access import RateLimit, address_of, header
from .browserevents import KINDS, RefusedError, kind_of, parse, payload_of
from .browsers import cors_headers, is_allowed_origin, netloc_of, rate_headers, read_body
from .counters import Counters, Fate
from .delivery.envelopes import RawEnvelope, category_of
from .feedback import PREFIX, scrub_feedback
from .gate import ScrubbedEvent
from .pipeline import Decision, Pipeline
from .settings import Mode, ObservabilitySettings
from .types import Event

PATH = f"{PREFIX}/tunnel"
LOCAL_PROJECT = "1"
MAX_BODY_BYTES = 1_000_000
WINDOW_S = 60.0
PER_ADDRESS = 60
IN_ALL = 600
MAX_KINDS = 100
"""Kinds of errors told apart by one process: whoever makes up names cannot buy more of the month's budget."""


class Handle(Protocol):
    """What the tunnel needs of the handle that `init_sentry` returns."""

    settings: ObservabilitySettings
    pipeline: Pipeline | None
    transport: Any
    counters: Counters


class Tunnel:
    """One endpoint at `/_obs/tunnel`, and where the SDK posts to if its DSN names our host."""

    def __init__(self, handle: Handle, clock: Callable[[], float] = time.monotonic) -> None:
        self.handle = handle
        self.limit = Window(clock)
        self.feedback_limit = RateLimit(clock)
        dsn = urlsplit(handle.settings.dsn or "")
        self._key = dsn.username
        self._place = _place_of(handle.settings.dsn)
        self._project = dsn.path.rpartition("/")[2] or LOCAL_PROJECT
        self._kinds: set[tuple[str, ...]] = set()

    def endpoints(self) -> dict[str, Any]:
        """Path -> endpoint; none unless it is switched on."""
        if not self.handle.settings.tunnel or self.handle.settings.mode is Mode.OFF:
            return {}
        return {PATH: self.take, f"{PREFIX}/api/{self._project}/envelope/": self.take}

    async def take(self, request: Request) -> Response:
        """Take one envelope: 200 with the event's id, 4xx with the reason, 429 while Sentry wants nothing of it."""
        if request.method == "OPTIONS":
            return Response(status_code=204, headers=cors_headers(request.scope, self.handle.settings))
        if request.method != "POST":
            return PlainTextResponse("Use POST.", 405, headers={"allow": "POST, OPTIONS"})
        if not self._comes_from_page(request):
            return self._answer(request, 403, "Not taken from this origin; see SENTRY_FEEDBACK_ORIGINS.")
        address = address_of(request.scope, self.handle.settings)
        wait_s = self.limit.wait_s(address)
        if wait_s > 0:
            return self._answer(request, 429, "Too many envelopes; try again later.", wait_s)
        if header(request.scope, b"content-encoding") not in (None, "identity"):
            return self._answer(request, 415, "Not taken compressed.")
        body = await read_body(request, MAX_BODY_BYTES)
        if body is None:
            return self._answer(request, 413, f"An envelope may have {MAX_BODY_BYTES} bytes.")
        try:
            items, refused = self._items(request, parse(body))
        except RefusedError as error:
            return self._answer(request, 400, f"Not taken: {error}.")
        wait_s = self._limited_for(items)
        if not wait_s and any(item.type == "feedback" for item in items):
            wait_s = self.feedback_limit.wait_s(address)
        if wait_s > 0:
            return self._answer(request, 429, "Sentry, or this service, asks to wait.", wait_s)
        for category in refused:
            self.handle.counters.count(Fate.FILTERED, category)
        event_id = self._send(items)
        return self._answer(request, 200, {"id": event_id} if event_id else {})

    def _comes_from_page(self, request: Request) -> bool:
        """Stricter than for a form: something must say that a page of ours or of an allowed origin sends this."""
        is_said = any(header(request.scope, name) is not None for name in (b"origin", b"sec-fetch-site"))
        return is_said and is_allowed_origin(request.scope, self.handle.settings)

    def _items(self, request: Request, envelope: RawEnvelope) -> tuple[list[Item], list[str]]:
        """What is passed on, built anew, and the categories of what is not."""
        if not self._is_for_us(request, envelope.headers.get("dsn")):
            raise RefusedError("the DSN is not the one of this service")
        kept = [raw for raw in envelope.items if raw.headers.get("type") in KINDS]
        if not kept:
            raise RefusedError(f"it has no item of a kind that is passed on ({', '.join(KINDS)})")
        items = [
            _item(str(raw.headers["type"]), payload_of(str(raw.headers["type"]), raw.payload)) for raw in kept
        ]
        return items, [raw.category for raw in envelope.items if raw not in kept]

    def _is_for_us(self, request: Request, dsn: Any) -> bool:
        """Compare host, project and public key with the server's own DSN; our own host with `/_obs` will do as well.

        Without its `tunnel` option the SDK writes no DSN into the envelope, but its key into the address.
        """
        if dsn is None and request.scope["path"] != request.scope.get("root_path", "") + PATH:
            return self._key in (None, request.query_params.get("sentry_key"))
        place = _place_of(dsn)
        if place is None:
            return False
        url = urlsplit(dsn)
        host, _, folder = place.partition("/")
        is_here = f"/{folder}".endswith(PREFIX) and host == (header(request.scope, b"host") or "").lower()
        is_project = url.path.rpartition("/")[2] == self._project
        return (is_here or place == self._place) and is_project and self._key in (None, url.username)

    def _limited_for(self, items: list[Item]) -> float:
        limits = self._limits()
        return min(
            (max(limits.get(category_of(item.type), 0.0), limits.get("all", 0.0)) for item in items),
            default=0.0,
        )

    def _limits(self) -> dict[str, float]:
        """Category -> seconds left, as the transport knows them from Sentry; LOCAL has none."""
        status = getattr(self.handle.transport, "status", None)
        return dict(status()["rate_limits"]) if status is not None else {}

    def _send(self, items: list[Item]) -> str | None:
        event_id: str | None = None
        kept: list[Item] = []
        for item in items:
            payload: Event = item.payload.json or {}
            event_id = payload.get("event_id") or event_id
            if item.type == "event" and not self._is_due(payload):
                continue
            if item.type == "feedback":
                kept.append(_item("feedback", scrub_feedback(payload, self.handle)))
            else:
                kept.append(item)
        if kept:
            headers = {"event_id": event_id} if event_id else {}
            self.handle.transport.capture_envelope(Envelope(headers=headers, items=kept))
        return event_id

    def _is_due(self, event: Event) -> bool:
        """Judge an error by its kind. The server's are judged by exception objects; here a stand-in event is."""
        pipeline = self.handle.pipeline
        if pipeline is None or pipeline.folding is None:
            return True
        kind = kind_of(event)
        if kind not in self._kinds and len(self._kinds) >= MAX_KINDS:
            kind = ("browser", "other")
        self._kinds.add(kind)
        hint: dict[str, Any] = {}
        judged: Event = {"event_id": event["event_id"], "logger": kind[0], "fingerprint": list(kind[1:])}
        decision = pipeline.folding.decide(judged, hint)
        if decision is Decision.FOLD:
            return False
        for part in ("extra", "tags"):
            own = event.get(part)
            event[part] = {**(own if isinstance(own, dict) else {}), **judged.get(part, {})}
        gated = pipeline.gate(Envelope(items=[_item("event", event)]))
        if gated is not None:
            pipeline.folding.sent(ScrubbedEvent(gated.items[0].payload.json or {}), hint)
        return decision is Decision.SEND

    def _answer(self, request: Request, status: int, said: Any, wait_s: float = 0.0) -> Response:
        headers = {"cache-control": "no-store"} | cors_headers(request.scope, self.handle.settings)
        headers |= rate_headers(wait_s)
        limits = ", ".join(
            f"{int(seconds) + 1}:{'' if category == 'all' else category}:key"
            for category, seconds in self._limits().items()
        )
        if limits:
            headers["x-sentry-rate-limits"] = limits
        content = {"detail": said} if isinstance(said, str) else said
        return JSONResponse(content, status_code=status, headers=headers)


class Window:
    """At most `PER_ADDRESS` envelopes from one address and `IN_ALL` from everybody in each minute; thread-safe."""

    def __init__(self, clock: Callable[[], float]) -> None:
        self._clock = clock
        self._ends_s = 0.0
        self._uses: dict[str, int] = {}
        self._lock = threading.Lock()

    def wait_s(self, address: str) -> float:
        """Count a use and return 0, or return the seconds to wait and count nothing."""
        now = self._clock()
        with self._lock:
            if now >= self._ends_s:
                self._uses, self._ends_s = {}, now + WINDOW_S
            used = self._uses.get(address, 0)
            if used >= PER_ADDRESS or sum(self._uses.values()) >= IN_ALL:
                return self._ends_s - now
            self._uses[address] = used + 1
            return 0.0


def _item(item_type: str, payload: Event) -> Item:
    return Item(payload=PayloadRef(json=payload), headers={"type": item_type})


def _place_of(dsn: Any) -> str | None:
    """Host, port and folder of a DSN, without key and project; None if it is no DSN."""
    if not isinstance(dsn, str) or not netloc_of(dsn):
        return None
    return f"{netloc_of(dsn)}{urlsplit(dsn).path.rpartition('/')[0]}"
