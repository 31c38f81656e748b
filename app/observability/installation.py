"""Puts the instrumentation into a FastAPI application, outermost whatever is added before or after.

`build_middleware_stack` is wrapped on the instance, so it does not matter in which order middlewares and routers are
added. Mounted applications get the same answer to unhandled errors.
"""

from collections.abc import Callable
from typing import Any, cast

from fastapi.routing import iter_route_contexts
from starlette.applications import Starlette
from starlette.middleware import Middleware
from starlette.routing import Mount

from .errorpage import answer_error
from .failure import FailureMiddleware, OutcomeMiddleware
from .httpflow import HttpOptions
from .request import Instrumentation, SentryMiddleware
from .routes import ObservabilityRoute
from .types import AsgiApp
from .user import Identify, UserTierMiddleware

HTTP_500 = (500, Exception)


class Installation:
    """What one application was given; a second `init_sentry` on it replaces the parts, never stacks them."""

    def __init__(self, app: Starlette) -> None:
        self.app = app
        self.options: HttpOptions | None = None
        self.websocket: Instrumentation | None = None
        self.lifespan: Instrumentation | None = None
        self.identify: Identify | None = None
        self.route: ObservabilityRoute | None = None
        self._earlier = app.build_middleware_stack
        app.build_middleware_stack = self.build  # type: ignore[method-assign]  # on the instance, see above

    def set_route(self, route: ObservabilityRoute) -> None:
        """Serve the module's pages, before the service's own routes."""
        routes = self.app.router.routes
        if self.route in routes:
            routes.remove(cast("Any", self.route))
        routes.insert(0, route)
        self.route = route

    def build(self) -> AsgiApp:
        """Build the stack with our layers around, just inside ServerErrorMiddleware, and innermost."""
        options = self.options
        if options is None or self.websocket is None or self.lifespan is None:
            return self._earlier()
        _answer_errors(self.app)
        chosen = list(self.app.user_middleware)
        inner = [Middleware(FailureMiddleware, options)]
        if self.identify is not None:
            inner.append(Middleware(UserTierMiddleware, self.identify))
        self.app.user_middleware = [*inner, *chosen, Middleware(OutcomeMiddleware)]
        try:
            stack = self._earlier()
        finally:
            self.app.user_middleware = chosen
        return SentryMiddleware(stack, options, websocket=self.websocket, lifespan=self.lifespan)


def _answer_errors(app: Starlette) -> None:
    """Register our answer to unhandled errors where nobody registered one, in mounted applications too."""
    if not any(key in app.exception_handlers for key in HTTP_500):
        app.exception_handlers[Exception] = cast("Callable[..., Any]", answer_error)
    for context in iter_route_contexts(app.routes):
        route = context.original_route
        mounted = route.app if isinstance(route, Mount) else None
        if isinstance(mounted, Starlette) and mounted.middleware_stack is None:
            _answer_errors(mounted)


def installation_of(app: Starlette) -> Installation:
    """Return the installation of an application that is not serving yet, made at the first call.

    Raises:
        RuntimeError: The application has begun to serve; its middleware can no longer be changed.
    """
    known = getattr(app.build_middleware_stack, "__self__", None)
    if isinstance(known, Installation):
        return known
    if app.middleware_stack is not None:
        raise RuntimeError(
            "init_sentry(app) was called after the application began to serve. "
            "Call it straight after FastAPI(), before the first request and outside the lifespan."
        )
    return Installation(app)
