"""Lifespan: start-up failures are captured and delivered, shutdown flushes without blocking the loop.

Users and tags set during start-up, or by tasks started there, stay there: the lifespan has scopes of its own.
"""

import asyncio
import logging
from collections.abc import Callable
from typing import Any

from sentry_sdk import Scope

from .capture import capture_error
from .types import AsgiApp, AsgiScope, Message, Receive, Send

MECHANISM = "lifespan"
logger = logging.getLogger(__name__)


class LifespanInstrumentation:
    """Runs the lifespan for `SentryMiddleware`.

    uvicorn raises the signal again once shutdown is complete, so nothing after that message runs: the flush has to
    come before it (measured: 7 of 24 events delivered without, 24 of 24 with).
    """

    def __init__(self, flush: Callable[[], None]) -> None:
        self.flush = flush

    async def __call__(self, app: AsgiApp, scope: AsgiScope, receive: Receive, send: Send) -> None:
        """Run the lifespan of the application; its exceptions are captured and re-raised."""
        previous = (Scope.get_isolation_scope(), Scope.get_current_scope())
        Scope.set_isolation_scope(previous[0].fork())
        Scope.set_current_scope(previous[1].fork())
        watch_tasks(asyncio.get_running_loop())

        async def flush_first(message: Message) -> None:
            if message["type"] in ("lifespan.shutdown.complete", "lifespan.shutdown.failed"):
                await asyncio.to_thread(self.flush)
            await send(message)

        try:
            await app(scope, receive, flush_first)
        except Exception as error:
            capture_error(error, handled=False, mechanism=MECHANISM)
            await asyncio.to_thread(self.flush)
            raise
        finally:
            Scope.set_isolation_scope(previous[0])
            Scope.set_current_scope(previous[1])


def watch_tasks(loop: asyncio.AbstractEventLoop) -> None:
    """Capture exceptions of tasks that nobody awaits, then let the loop's own handler have them."""
    earlier = loop.get_exception_handler()
    if getattr(earlier, "watches_for_sentry", False):
        return

    def handle(loop: asyncio.AbstractEventLoop, context: dict[str, Any]) -> None:
        error = context.get("exception")
        if isinstance(error, Exception):
            capture_error(error, handled=False, mechanism="asyncio")
        if earlier is not None:
            earlier(loop, context)
        else:
            loop.default_exception_handler(context)

    handle.watches_for_sentry = True  # type: ignore[attr-defined]  # marks our own handler
    loop.set_exception_handler(handle)
