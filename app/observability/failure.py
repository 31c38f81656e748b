"""The two inner layers of the HTTP instrumentation: what failed, seen while its exception is still at hand.

`FailureMiddleware` stands just inside Starlette's ServerErrorMiddleware and captures before the 500 is written.
`OutcomeMiddleware` is innermost: it sees exceptions while they are being handled (Starlette 1.10 wipes their traceback
afterwards) and the scope that routing writes to. Neither swallows an exception of the application; a cancellation
that nobody asked of the request goes on as `StrayCancellationError`, because a cancellation is not answered.
"""

import asyncio
import sys
from collections.abc import Awaitable
from typing import Any

import sentry_sdk
from fastapi.exceptions import RequestValidationError
from starlette.exceptions import HTTPException
from starlette.middleware.errors import ServerErrorMiddleware
from starlette.requests import ClientDisconnect

from .capture import capture_error
from .httpflow import MECHANISM, HttpFlow, HttpOptions
from .state import Flow, causes_of, current_flow
from .types import AsgiApp, AsgiScope, Message, Receive, Send

LATE_ANSWER = "Caught handled exception, but response already started."
NO_ANSWER = "No response returned."
"""All that is left of a cancellation behind Starlette's BaseHTTPMiddleware."""
MAX_FIELDS = 20


class StrayCancellationError(RuntimeError):
    """Stands for the cancellation that ended a request which nobody cancelled, so that it is answered with 500."""


class FailureMiddleware:
    """Just inside ServerErrorMiddleware: captures what nobody handled, before the 500 is written."""

    def __init__(self, app: AsgiApp, options: HttpOptions) -> None:
        self.app = app
        self.options = options

    async def __call__(self, scope: AsgiScope, receive: Receive, send: Send) -> None:
        """Capture what the application raises, then let it go on its way."""
        if scope["type"] != "http":
            await self.app(scope, receive, send)
            return
        try:
            await self.app(scope, receive, send)
        except asyncio.CancelledError as error:
            flow = current_flow()
            if not isinstance(flow, HttpFlow) or not is_stray(error) or is_client_gone(error, flow):
                raise
            flow.failure_id = capture_error(error, handled=False, mechanism=MECHANISM) or flow.failure_id
            if flow.status:  # nothing can be answered any more
                raise
            raise StrayCancellationError("a task that the request awaited was cancelled") from error
        except Exception as error:
            flow = current_flow()
            if isinstance(flow, HttpFlow) and await self._answered(scope, receive, send, flow, error):
                return
            raise
        except (KeyboardInterrupt, GeneratorExit):
            raise
        except BaseException as error:  # `sys.exit()` in a handler ends the server
            flow = current_flow()
            if isinstance(flow, HttpFlow):
                flow.failure_id = capture_error(error, handled=False, mechanism=MECHANISM) or flow.failure_id
            raise

    async def _answered(
        self, scope: AsgiScope, receive: Receive, send: Send, flow: HttpFlow, error: Exception
    ) -> bool:
        failure = behind(error, flow)
        if is_client_gone(failure, flow):
            flow.is_client_gone = True
            return False
        flow.failure_id = capture_error(failure, handled=False, mechanism=MECHANISM) or flow.failure_id
        answer = self.options.answers.get(flow.route) if flow.is_quiet and flow.route else None
        return answer is not None and await answer(scope, receive, send, flow, error)


def is_stray(error: BaseException) -> bool:
    """Whether it is a cancellation that nobody asked of this task: it awaited one that somebody else cancelled.

    A server that stops, a client that is gone or a time limit cancels the task itself.
    """
    task = asyncio.current_task()
    return isinstance(error, asyncio.CancelledError) and task is not None and not task.cancelling()


def behind(error: Exception, flow: Flow | None) -> BaseException:
    """The failure itself, where Starlette raises an error of its own in its place."""
    text = str(error) if type(error) is RuntimeError else ""  # a foreign `__str__` may raise
    if error.__cause__ is not None and text == LATE_ANSWER:
        return error.__cause__
    raised = flow.raised if flow is not None else None
    return raised if isinstance(raised, asyncio.CancelledError) and text == NO_ANSWER else error


def is_client_gone(error: BaseException, flow: Flow | None = None) -> bool:
    """Whether the failure is nothing but a client that hung up, also if wrapped on purpose or in a group.

    A service that looks for that itself cancels its work, which ends its request with a cancellation.
    """
    if isinstance(error, asyncio.CancelledError) and isinstance(flow, HttpFlow) and flow.is_client_gone:
        return True
    for link in causes_of(error):
        if isinstance(link, ClientDisconnect):
            return True
        if isinstance(link, BaseExceptionGroup):
            return all(isinstance(member, ClientDisconnect) for member in link.exceptions)
    return False


class OutcomeMiddleware:
    """Innermost: in the handlers' own task, so that an exception being handled is still at hand."""

    def __init__(self, app: AsgiApp) -> None:
        self.app = app

    async def __call__(self, scope: AsgiScope, receive: Receive, send: Send) -> None:
        """Watch how the handlers answer."""
        flow = current_flow()
        if scope["type"] != "http" or not isinstance(flow, HttpFlow):
            if flow is not None:
                flow.inner = scope
            await self.app(scope, receive, send)
            return
        flow.inner = scope
        inside: HttpFlow = flow

        def watch(message: Message) -> Awaitable[None]:
            if message["type"] == "http.response.start":
                status = message["status"]
                if status >= 500:
                    _capture_handled(inside)
                elif status == 422 and inside.options.capture_422:
                    _capture_invalid(inside)
            return send(message)

        try:
            await self.app(scope, receive, watch)
        except BaseException as error:
            if isinstance(error, Exception) or is_stray(error):
                flow.raised = error
            raise


def _capture_handled(flow: HttpFlow) -> None:
    error = sys.exc_info()[1]
    if error is None or flow.failure_id is not None or flow.is_quiet:
        return
    if isinstance(error, Exception) and not is_client_gone(error):
        unhandled = not isinstance(error, HTTPException) and frames_contain_server_error(error)
        flow.failure_id = capture_error(error, handled=not unhandled, mechanism=MECHANISM)


def frames_contain_server_error(error: BaseException) -> bool:
    """Whether a mounted application's own ServerErrorMiddleware is answering: the failure was not handled."""
    frame = sys._getframe()
    code = ServerErrorMiddleware.__call__.__code__
    while frame.f_back is not None:
        frame = frame.f_back
        if frame.f_code is code and frame.f_locals.get("exc") is error:
            return True
    return False


def _capture_invalid(flow: Flow) -> None:
    """Report a 422 as a warning grouped by route: which fields were refused and why, never their values."""
    error = sys.exc_info()[1]
    fields: dict[str, Any] = {}
    if isinstance(error, RequestValidationError):
        for fault in error.errors()[:MAX_FIELDS]:
            fields[".".join(str(part) for part in fault.get("loc", ()))] = fault.get("type")
    route = flow.template() or "unmatched"
    sentry_sdk.capture_event(
        {
            "level": "warning",
            "message": f"{flow.asgi['method']} {route} answered 422",
            "fingerprint": ["invalid-request", flow.asgi["method"], route],
            "tags": {"failure": "invalid_request", "http.status_code": "422"},
            "contexts": {"validation": {"fields": fields}},
        }
    )
