"""HTTP instrumentation, pure ASGI: isolation, transaction and outcome of each request.

Three layers of one stack: `SentryMiddleware` around everything (the final answer), and the two of `failure.py` inside.
Never swallows an exception of the application.
"""

import asyncio
import sys
import time
from collections.abc import Awaitable, Callable
from typing import TypeAlias

from sentry_sdk import Scope

from .httpflow import ORIGIN, HttpFlow, HttpOptions, report_slow
from .outcome import conclude
from .state import enter_flow
from .tasks import watch_tasks
from .tracing import start_transaction
from .types import AsgiApp, AsgiScope, Receive, Send

Instrumentation: TypeAlias = Callable[[AsgiApp, AsgiScope, Receive, Send], Awaitable[None]]
"""Runs one WebSocket connection, or the lifespan, of an application."""


class SentryMiddleware:
    """Outermost layer: a flow, an isolation scope and, if the draw was won, a transaction for each request."""

    def __init__(
        self, app: AsgiApp, options: HttpOptions, *, websocket: Instrumentation, lifespan: Instrumentation
    ) -> None:
        self.app = app
        self.options = options
        self.websocket = websocket
        self.lifespan = lifespan
        self._watched: asyncio.AbstractEventLoop | None = None

    async def __call__(self, scope: AsgiScope, receive: Receive, send: Send) -> None:
        """Run one request inside its own scopes and judge how it ended; other connections have their own ways."""
        kind = scope["type"]
        if kind != "http":
            run = self.websocket if kind == "websocket" else self.lifespan
            await run(self.app, scope, receive, send)
            return
        options = self.options
        loop = asyncio.get_running_loop()
        if loop is not self._watched:
            watch_tasks(loop)
            self._watched = loop
        root = scope.get("root_path") or ""
        path = scope["path"].removeprefix(root) if root else scope["path"]
        is_quiet = path in options.quiet_paths
        rate = None if is_quiet else options.sampler.wins()
        scopes = options.scopes
        isolation: Scope
        current: Scope
        if rate is None:
            isolation, current = scopes.isolation(scope), scopes.current()
        else:
            isolation, current = scopes.sampled_isolation(scope), scopes.sampled_current()
        flow = HttpFlow(
            scope,
            isolation,
            root_path=root,
            options=options,
            current=current,
            routes=options.routes,
            outer_receive=receive,
            outer_send=send,
            started_s=time.perf_counter(),
            is_quiet=is_quiet,
            route=path if path in options.answers else None,
            loop=loop,
        )
        outer_flow = enter_flow(flow)
        outer_scopes = (Scope.get_isolation_scope(), Scope.get_current_scope())
        Scope.set_isolation_scope(isolation)
        Scope.set_current_scope(current)
        if rate is not None:
            self._start_transaction(flow, rate)
        try:
            await self.app(scope, flow.receive, flow.send)
        finally:
            self._finish(flow)
            Scope.set_isolation_scope(outer_scopes[0])
            Scope.set_current_scope(outer_scopes[1])
            enter_flow(outer_flow)

    @staticmethod
    def _start_transaction(flow: HttpFlow, rate: float) -> None:
        name = flow.template()
        if name is None:
            return
        flow.is_sampled = True
        flow.transaction = flow.current.span = start_transaction(
            flow.isolation, name=name, op="http.server", rate=rate, origin=ORIGIN
        )

    def _finish(self, flow: HttpFlow) -> None:
        if not flow.ended_s:
            flow.ended_s = time.perf_counter()
        if not flow.status and not flow.is_quiet and sys.exc_info()[1] is None:
            flow.judge_missing_answer()
        if flow.held is not None or flow.database_failures is not None:
            conclude(flow, failed=flow.failure_id is not None)
        flow.is_settled = True
        if flow.is_sampled:
            error = sys.exc_info()[1]
            flow.end_transaction(error)
            flow.end_background(error)
            flow.current.span = None
        if flow.is_quiet:
            return
        limit_ms = self.options.slow_request_ms
        if limit_ms and (flow.ended_s - flow.started_s) * 1000 >= limit_ms:
            report_slow(flow)
        self.options.on_outcome(flow, flow.status)
