"""What the HTTP and WebSocket layers rely on in Starlette and FastAPI."""

import inspect
import sys
from typing import Any

import httpx
import pytest
from fastapi import APIRouter, FastAPI, Request
from fastapi.responses import JSONResponse
from fastapi.routing import APIRoute, iter_route_contexts
from starlette._exception_handler import wrap_app_handling_exceptions
from starlette.applications import Starlette
from starlette.middleware.base import BaseHTTPMiddleware
from starlette.middleware.errors import ServerErrorMiddleware
from starlette.requests import ClientDisconnect
from starlette.routing import Mount
from starlette.websockets import WebSocketDisconnect

from app.observability.closing import TOO_LATE
from app.observability.failure import LATE_ANSWER, NO_ANSWER

pytestmark = pytest.mark.anyio


async def get(app: Any, path: str) -> httpx.Response:
    transport = httpx.ASGITransport(app, raise_app_exceptions=False)
    async with httpx.AsyncClient(transport=transport, base_url="http://testserver") as client:
        return await client.get(path)


def test_the_stack_is_built_by_a_method_that_can_be_replaced_on_the_instance() -> None:
    app = FastAPI()
    assert app.middleware_stack is None
    assert "build_middleware_stack" in inspect.getsource(Starlette.__call__)
    assert isinstance(app.user_middleware, list)


def test_server_error_middleware_calls_its_exception_exc() -> None:
    assert "exc" in ServerErrorMiddleware.__call__.__code__.co_varnames


async def test_an_exception_that_is_handled_has_its_traceback_when_the_answer_starts() -> None:
    """Starlette 1.10 wipes it soon after, which is why we look then."""
    error = KeyError("lost")
    seen: list[Any] = []
    app = FastAPI()

    class Watching:
        def __init__(self, app: Any) -> None:
            self.app = app

        async def __call__(self, scope: Any, receive: Any, send: Any) -> None:
            async def watch(message: Any) -> None:
                if message["type"] == "http.response.start":
                    seen.append((sys.exc_info()[1], error.__traceback__ is not None))
                await send(message)

            await self.app(scope, receive, watch)

    async def handler(request: Request, error: Exception) -> JSONResponse:
        return JSONResponse({}, 503)

    @app.get("/")
    async def _() -> None:
        raise error

    app.add_middleware(Watching)
    app.add_exception_handler(KeyError, handler)
    await get(app, "/")
    assert seen == [(error, True)]


def test_the_late_answer_says_what_we_look_for() -> None:
    assert LATE_ANSWER in inspect.getsource(wrap_app_handling_exceptions)


def test_what_base_middleware_makes_of_a_cancellation_says_what_we_look_for() -> None:
    assert f'raise RuntimeError("{NO_ANSWER}")' in inspect.getsource(BaseHTTPMiddleware)


def test_sends_that_come_too_late_say_what_we_look_for() -> None:
    import starlette.websockets
    import uvicorn.protocols.websockets.websockets_sansio_impl as server

    said = inspect.getsource(starlette.websockets) + inspect.getsource(server)
    assert sum(text in said for text in TOO_LATE) >= 2


async def test_a_send_to_a_client_that_is_gone_is_a_disconnect_with_1006() -> None:
    from starlette.websockets import WebSocket

    async def receive() -> Any:
        return {"type": "websocket.connect"}

    async def send(message: Any) -> None:
        if message["type"] == "websocket.send":
            raise OSError

    socket = WebSocket({"type": "websocket", "path": "/", "headers": []}, receive, send)
    await socket.accept()
    with pytest.raises(WebSocketDisconnect) as caught:
        await socket.send_text("x")
    assert caught.value.code == 1006


async def test_a_body_that_is_cut_off_is_a_client_disconnect() -> None:
    async def receive() -> Any:
        return {"type": "http.disconnect"}

    with pytest.raises(ClientDisconnect):
        await Request({"type": "http", "method": "POST", "headers": []}, receive).body()


def test_route_contexts_have_pattern_template_and_methods_with_all_prefixes() -> None:
    app, inner, outer = FastAPI(openapi_url=None), APIRouter(prefix="/b/{c}"), APIRouter()
    inner.get("/d/{e:int}")(lambda: 1)
    outer.include_router(inner)
    app.include_router(outer, prefix="/a")
    mounted = FastAPI(openapi_url=None)
    app.mount("/m/{n}", mounted)
    first, mount = iter_route_contexts(app.router.routes)
    assert isinstance(first.original_route, APIRoute)
    assert first.path_format == "/a/b/{c}/d/{e}"
    assert first.methods == {"GET"}
    assert first.path_regex is not None
    assert first.path_regex.match("/a/b/x/d/1")
    assert not first.path_regex.match("/a/b/x/d/y")
    assert isinstance(mount.original_route, Mount)
    assert mount.path_format == "/m/{n}/{path}"
    assert mount.original_route.app is mounted


def test_a_mount_of_an_included_router_is_among_the_route_contexts() -> None:
    """FastAPI 0.143 leaves it out, so that what happens below it would have no name."""
    app, outer, mounted = FastAPI(openapi_url=None), APIRouter(), FastAPI(openapi_url=None)
    outer.mount("/m", mounted)
    app.include_router(outer, prefix="/a")
    (mount,) = iter_route_contexts(app.router.routes)
    assert isinstance(mount.original_route, Mount)
    assert mount.path_format == "/a/m/{path}"


async def test_the_router_writes_the_endpoint_into_the_scope_and_a_mount_changes_its_root_path() -> None:
    app, mounted = FastAPI(), FastAPI()
    seen: dict[str, Any] = {}

    @mounted.get("/x/{n}")
    async def endpoint(request: Request) -> None:
        seen.update(request.scope)

    app.mount("/m", mounted)
    await get(app, "/m/x/1")
    assert callable(seen["endpoint"])
    assert (seen["root_path"], seen["path"], seen["path_params"]) == ("/m", "/m/x/1", {"n": "1"})
