"""The module's own pages: /test-sentry, /observability and /observability/status.

One route object that compares the path with a set, so that requests of the service pass it at once. Works in every
mode; when OFF, /test-sentry says so and changes nothing.
"""

import asyncio
import logging
import math
from collections.abc import Awaitable, Callable
from typing import Any, Protocol, TypeAlias

from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import BaseRoute, Match

from .access import Access, RateLimit, address_of
from .pages import refusal, render, wants_html
from .reasons import in_words
from .recording import RecordingTransport
from .settings import Mode, ObservabilitySettings
from .state import Flow, UserContext, current_flow
from .testerror import SentryTestError, raise_test_error
from .types import AsgiScope, Event, Receive, Send
from .user import bind_user

TEST_PATH = "/test-sentry"
OVERVIEW_PATH = "/observability"
STATUS_PATH = "/observability/status"
ANSWER_WAIT_S = 5.0
TEST_USER = UserContext("sentry-test", "premium")

Endpoint: TypeAlias = Callable[[Request], Awaitable[Response]]
logger = logging.getLogger(__name__)


class Handle(Protocol):
    """What the pages need of the handle that `init_sentry` returns."""

    settings: ObservabilitySettings
    transport: Any

    def status(self) -> dict[str, Any]:
        """Everything that /observability shows."""

    def refuse_test(self) -> str | None:
        """Pay for a test error; in words why it must not be sent, if that is so."""


NO_MATCH: tuple[Match, AsgiScope] = (Match.NONE, {})
"""Every request of the service asks first whether it is for us."""


class ObservabilityRoute(BaseRoute):
    """All pages of the module as one route."""

    def __init__(self, endpoints: dict[str, Endpoint]) -> None:
        self.endpoints = endpoints

    def matches(self, scope: AsgiScope) -> tuple[Match, AsgiScope]:
        """Match a known path below the application's root path, whatever the method."""
        path, root = scope["path"], scope.get("root_path")
        endpoint = self.endpoints.get(path.removeprefix(root) if root else path)
        if endpoint is None or scope["type"] != "http":
            return NO_MATCH
        return Match.FULL, {"endpoint": endpoint}

    async def handle(self, scope: AsgiScope, receive: Receive, send: Send) -> None:
        """Answer; HEAD counts as GET, another method than the page's is refused by its endpoint."""
        endpoint: Endpoint = scope["endpoint"]
        response = await endpoint(Request(scope, receive, send))
        await response(scope, receive, send)


class Pages:
    """Endpoints of one application, bound to the handle of its `init_sentry` call."""

    def __init__(self, handle: Handle) -> None:
        self.handle = handle
        self.access = Access(handle.settings)
        self.test_limit = RateLimit()

    def endpoints(self) -> dict[str, Endpoint]:
        """Path -> endpoint."""
        return {TEST_PATH: self.test, OVERVIEW_PATH: self.overview, STATUS_PATH: self.status}

    async def test(self, request: Request) -> Response:
        """Raise the test error through the real path, once it is paid for; `answer_test` reports its fate."""
        refused = self._refused(request, self.access.to_test(request.scope), limit=self.test_limit)
        if refused is not None:
            return refused
        if self.handle.settings.mode is Mode.OFF:
            return self._respond(
                request.scope, self._report(None, None, OFF_REASON, ()), None, _root(request)
            )
        reason = self.handle.refuse_test()
        if reason is not None:
            return refusal(request.scope, 429, reason)
        flow = current_flow()
        if flow is not None and flow.user is None:
            bind_user(TEST_USER)
        return raise_test_error()

    async def overview(self, request: Request) -> Response:
        """Show counters, and in LOCAL mode the recorded envelopes."""
        refused = self._refused(request, self.access.to_insides(request.scope))
        if refused is not None:
            return refused
        transport = self.handle.transport
        items = transport.items()[::-1] if isinstance(transport, RecordingTransport) else []
        status = self.handle.status()
        return render("overview.html", 200, status=status, items=items, root_path=_root(request))

    async def status(self, request: Request) -> Response:
        """The same as JSON."""
        refused = self._refused(request, self.access.to_insides(request.scope))
        return refused or JSONResponse(self.handle.status(), headers={"cache-control": "no-store"})

    def _refused(self, request: Request, verdict: int, limit: RateLimit | None = None) -> Response | None:
        if verdict == 404:
            return JSONResponse({"detail": "Not Found"}, status_code=404)
        if request.method not in ("GET", "HEAD"):
            return refusal(request.scope, 405, "Use GET.", {"allow": "GET, HEAD"})
        wait_s = limit.wait_s(address_of(request.scope, self.handle.settings)) if limit else 0.0
        if wait_s > 0:
            seconds = str(math.ceil(wait_s))
            text = f"Too many tests; try again in {seconds} s."
            return refusal(request.scope, 429, text, {"retry-after": seconds})
        if verdict == 401:
            challenge = {"www-authenticate": 'Basic realm="Sentry test", charset="UTF-8"'}
            text = "Needs SENTRY_TEST_TOKEN, as password or as Bearer token."
            return refusal(request.scope, 401, text, challenge)
        return None

    async def answer_test(
        self, scope: AsgiScope, receive: Receive, send: Send, flow: Flow, error: BaseException
    ) -> bool:
        """Answer the captured test error with what happened to it; any other error is not ours to answer."""
        if not isinstance(error, SentryTestError):
            return False
        event_id, removed = flow.failure_id, flow.removed
        transport = self.handle.transport
        recorded: Event | None = None
        if isinstance(transport, RecordingTransport):
            recorded = transport.event(event_id or "")
            report = self._report(event_id, None, LOCAL_REASON, removed)
        else:
            outcome = await _outcome(transport, event_id)
            report = self._report(
                event_id,
                outcome.accepted is True,
                in_words(outcome.reason),
                removed,
                spooled=outcome.spooled,
            )
        # the flow's root path, as in a mounted application the scope's ends in the mount's path
        await self._respond(scope, report, recorded, flow.root_path)(scope, receive, send)
        return True

    def _report(
        self,
        event_id: str | None,
        accepted: bool | None,
        reason: str,
        removed: tuple[Any, ...],
        *,
        spooled: bool = False,
    ) -> dict[str, Any]:
        settings = self.handle.settings
        return {
            "mode": str(settings.mode),
            "event_id": event_id,
            "environment": settings.environment,
            "release": settings.release,
            "accepted": accepted,
            "reason": reason,
            "scrubbed": [{"where": each.path, "what": each.kind} for each in removed],
            "issue_url": issue_url(settings, event_id) if accepted is not False else None,
            "spooled": spooled,
        }

    @staticmethod
    def _respond(scope: AsgiScope, report: dict[str, Any], event: Event | None, root_path: str) -> Response:
        status = 500
        if wants_html(scope):
            return render("test.html", status, report=report, event=event, root_path=root_path)
        return JSONResponse(report, status_code=status, headers={"cache-control": "no-store"})


OFF_REASON = (
    "The module is off: SENTRY_ENABLED is false, or not set outside development. "
    "Set SENTRY_ENABLED=true and SENTRY_DSN to send to Sentry."
)
LOCAL_REASON = (
    "LOCAL mode: the event was recorded in memory and nothing left the process. "
    "Set SENTRY_ENABLED=true and SENTRY_DSN to send to Sentry."
)


def _root(request: Request) -> str:
    return str(request.scope.get("root_path") or "")


async def _outcome(transport: Any, event_id: str | None) -> Any:
    """Wait for Sentry's answer without blocking the loop; after `ANSWER_WAIT_S` say what is known."""
    from .delivery import Outcome

    if event_id is None:
        return Outcome(
            accepted=False, reason="The event was not captured; see /observability.", spooled=False
        )
    future = asyncio.wrap_future(transport.outcome(event_id))
    try:
        return await asyncio.wait_for(asyncio.shield(future), ANSWER_WAIT_S)
    except TimeoutError:
        future.cancel()
        return Outcome(
            accepted=False,
            reason=f"No answer from Sentry within {ANSWER_WAIT_S:.0f} s; it is tried again in the background.",
            spooled=transport.status()["spooled"] > 0,
        )


def issue_url(settings: ObservabilitySettings, event_id: str | None) -> str | None:
    """Where people find the event: SENTRY_ISSUE_URL, or Sentry's search if the DSN is Sentry's own."""
    if event_id is None or settings.mode is not Mode.LIVE or not settings.dsn:
        return None
    if settings.issue_url:
        return settings.issue_url.replace("{event_id}", event_id)
    host, _, project = settings.dsn.partition("@")[2].rpartition("/")
    if not host.split(":")[0].split("/")[0].endswith(".sentry.io"):
        return None
    return f"https://sentry.io/issues/?project={project}&query={event_id}"
