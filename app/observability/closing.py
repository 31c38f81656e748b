"""How a WebSocket connection ends: what its close code means, what is counted of it and what is reported.

1000 and 1001 are clean. 1005 and 1006 mean "gone" and cannot be told apart. All four are counted, none is an event;
what refuses authentication is counted as that. Every other end is a warning event, grouped by route and code.
"""

import asyncio
import sys
import time
from collections.abc import Callable
from dataclasses import dataclass, field

import sentry_sdk
from fastapi.exceptions import WebSocketRequestValidationError
from starlette.exceptions import WebSocketException
from starlette.websockets import WebSocketDisconnect

from .authentication import STATUSES
from .capture import capture_error
from .measures import COUNTER, DISTRIBUTION, measure
from .state import Flow
from .types import Message

MECHANISM = "websocket"
CLEAN_CODES = frozenset({1000, 1001})
GONE_CODES = frozenset({1005, 1006})
"""Normal and abnormal ends cannot be told apart by these: a clean close during a send arrives as 1006."""
AUTH_CODES = frozenset({1008, 4401, 4403})
TOO_LATE = ("Unexpected ASGI message", 'Cannot call "send"', "Cannot call 'send'")
"""How Starlette's errors begin when an application sends to, or closes, what the client has closed."""


def is_harmless(code: int) -> bool:
    """Whether a close code is no event of its own: clean, gone, or counted as refused authentication."""
    return code in CLEAN_CODES or code in GONE_CODES or code in AUTH_CODES


def is_disconnect(error: BaseException) -> bool:
    """Whether an exception says only that the client is gone, also from a task group."""
    if isinstance(error, BaseExceptionGroup):
        return all(map(is_disconnect, error.exceptions))
    return isinstance(error, WebSocketDisconnect)


@dataclass(slots=True, eq=False, kw_only=True)
class ConnectionFlow(Flow):
    """One connection: the flow plus what is needed to judge how it ends."""

    opened_s: float = field(default_factory=time.perf_counter)
    messages_in: int = 0
    messages_out: int = 0
    bytes_in: int = 0
    bytes_out: int = 0
    is_accepted: bool = False
    denied_status: int = 0
    is_invalid: bool = False
    close_code: int | None = None
    is_closed_by_app: bool = False

    def note_answer(self, message: Message) -> None:
        """Learn from what the application sends, other than data, how it treats the connection."""
        kind = message["type"]
        if kind == "websocket.accept":
            self.is_accepted = True
        elif kind == "websocket.close" and self.close_code is None:
            self.close_code = message.get("code") or 1000
            self.is_closed_by_app = True
            self._judge(sys.exc_info()[1], failed=not is_harmless(self.close_code))
        elif kind == "websocket.http.response.start":
            self.denied_status = message["status"]
            self._judge(sys.exc_info()[1], failed=self.denied_status >= 500)

    def _judge(self, error: BaseException | None, *, failed: bool) -> None:
        """Keep the exception that an end is the answer to, while it is still at hand."""
        if not isinstance(error, Exception) or is_disconnect(error):
            return
        self.is_invalid = isinstance(error, WebSocketRequestValidationError)
        if failed and self.failure_id is None and not isinstance(error, WebSocketException):
            self.failure_id = capture_error(error, handled=True, mechanism=MECHANISM, tags=self.end_tags())

    def failed(self, error: Exception) -> None:
        """Capture what left the handler; a disconnect is how plain handlers end."""
        if isinstance(error, WebSocketDisconnect):
            self.close_code = self.close_code or error.code
        is_late = (
            isinstance(error, RuntimeError)
            and self.close_code is not None
            and not self.is_closed_by_app
            and str(error).startswith(TOO_LATE)
        )
        if is_late or is_disconnect(error):
            self.close_code = self.close_code or 1006
            return
        self.failure_id = capture_error(error, handled=False, mechanism=MECHANISM) or self.failure_id

    def end_tags(self) -> dict[str, str]:
        """How the connection ended, for an event about it."""
        if self.close_code is None:
            return {"http.status_code": str(self.denied_status)}
        by = "app" if self.is_closed_by_app else "client"
        return {"websocket.code": str(self.close_code), "websocket.closed_by": by}


def report_end(
    flow: ConnectionFlow,
    error: BaseException | None,
    on_refused: Callable[[Flow, str], None],
    *,
    with_metrics: bool,
) -> None:
    """Count a connection that has ended and report an end that means trouble.

    Args:
        flow: The connection.
        error: What leaves the application with it, if anything.
        on_refused: Told of refused authentication.
        with_metrics: Whether metrics are wanted at all.
    """
    route = flow.template()
    if route is None:
        return
    is_answered = flow.is_accepted or flow.denied_status or flow.close_code is not None
    code = flow.close_code or (1000 if error is None else 1011)
    if with_metrics:
        _count(flow, route, str(flow.denied_status or code))
    refused = not flow.is_accepted and (flow.denied_status in STATUSES or flow.is_closed_by_app)
    if (refused or (code in AUTH_CODES and flow.is_closed_by_app)) and not flow.is_invalid:
        reason = str(flow.denied_status or (code if code in AUTH_CODES else "denied"))
        on_refused(flow, reason)
    elif flow.failure_id is not None or isinstance(error, asyncio.CancelledError):
        return
    elif not is_answered:
        _capture_end(flow, route, f"WebSocket {route} left the handshake unanswered", "unanswered")
    elif flow.denied_status >= 500:
        _capture_end(flow, route, f"WebSocket {route} answered {flow.denied_status}", "denied")
    elif not is_harmless(code) and not flow.is_invalid:
        _capture_end(flow, route, f"WebSocket {route} closed with {code}", str(code))


def _count(flow: ConnectionFlow, route: str, code: str) -> None:
    duration_s = time.perf_counter() - flow.opened_s
    measure(
        {"route": route, "code": code},
        (COUNTER, "websocket.closed", 1, None),
        (DISTRIBUTION, "websocket.connection.duration", duration_s, "second"),
    )
    measure(
        {"route": route},
        (DISTRIBUTION, "websocket.messages.in", flow.messages_in, None),
        (DISTRIBUTION, "websocket.messages.out", flow.messages_out, None),
        (DISTRIBUTION, "websocket.bytes.in", flow.bytes_in, "byte"),
        (DISTRIBUTION, "websocket.bytes.out", flow.bytes_out, "byte"),
    )


def _capture_end(flow: ConnectionFlow, route: str, message: str, kind: str) -> None:
    """Report an end that means trouble as a warning grouped by route and kind of end."""
    sentry_sdk.capture_event(
        {
            "level": "warning",
            "message": message,
            "fingerprint": ["websocket-close", route, kind],
            "tags": {"failure": "websocket_close", **flow.end_tags()},
        }
    )
