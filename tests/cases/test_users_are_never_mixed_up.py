"""Cases 37, 38, 40 and 41 and their kind: every report names the user of its own request, and only him."""

import asyncio
import contextvars
import random
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager, suppress
from enum import Enum
from typing import Any

import pytest
import sentry_sdk
from fastapi import BackgroundTasks, Depends, FastAPI, Request, WebSocket
from starlette.authentication import AuthCredentials, AuthenticationBackend, SimpleUser
from starlette.middleware.authentication import AuthenticationMiddleware
from starlette.middleware.base import BaseHTTPMiddleware
from starlette.requests import HTTPConnection

from app.observability import UserContext, UserTierMiddleware, identify_user
from tests.support.observability import websocket_session
from tests.support.observed import Observed

pytestmark = pytest.mark.anyio
TIERS = ["free", "premium", "enterprise"]


def tier_of(user: str) -> str:
    return TIERS[int(user[1:]) % 3]


def who(event: dict[str, Any]) -> tuple[str | None, str | None]:
    return (event.get("user") or {}).get("id"), event["tags"].get("user.tier")


async def nap() -> None:
    await asyncio.sleep(random.random() / 100)


def crowd() -> FastAPI:
    app = FastAPI()

    @app.get("/async/{user}")
    async def in_async(user: str) -> None:
        await nap()
        identify_user(id=user, tier=tier_of(user))
        await nap()
        sentry_sdk.capture_message(user)
        await nap()
        raise KeyError(user)

    @app.get("/sync/{user}")
    def in_sync(user: str) -> None:
        identify_user(id=user, tier=tier_of(user))
        sentry_sdk.capture_message(user)
        raise KeyError(user)

    @app.get("/tasks/{user}")
    async def in_tasks(user: str) -> None:
        async def child() -> None:
            await nap()
            identify_user(id=user, tier=tier_of(user))

        async def late() -> None:
            await nap()
            await nap()
            sentry_sdk.capture_message(user)

        await asyncio.gather(child(), asyncio.to_thread(int))
        await asyncio.create_task(late())
        raise KeyError(user)

    @app.get("/background/{user}")
    async def in_background(user: str, tasks: BackgroundTasks) -> None:
        identify_user(id=user, tier=tier_of(user))

        async def later() -> None:
            await nap()
            sentry_sdk.capture_message(user)

        tasks.add_task(later)

    @app.get("/anonymous/{user}")
    async def anonymous(user: str) -> None:
        await nap()
        sentry_sdk.capture_message("anonymous")
        raise KeyError("anonymous")

    @app.websocket("/ws")
    async def ws(socket: WebSocket) -> None:
        await socket.accept()
        with suppress(Exception):
            while True:
                user = await asyncio.wait_for(socket.receive_text(), 60)
                identify_user(id=user, tier=tier_of(user))
                await nap()
                sentry_sdk.capture_message(user)

    return app


@pytest.mark.slow
async def test_hundreds_at_once_are_never_mixed_up() -> None:
    """Cases 40 and 41."""
    app = crowd()

    async def passing(request: Request, call_next: Any) -> Any:
        return await call_next(request)

    app.add_middleware(BaseHTTPMiddleware, dispatch=passing)
    observed = Observed(app, traces_sample_rate=0.5, slow_request_ms=0)
    kinds = ["async", "sync", "tasks", "background", "anonymous"]
    async with observed.client() as client:
        requests = [client.get(f"/{kinds[number % 5]}/u{number}") for number in range(400)]
        sockets = [websocket_session(app, "/ws", [f"u{number}"] * 3) for number in range(1000, 1060)]
        everything: list[Any] = [*requests, *sockets]
        random.shuffle(everything)
        await asyncio.gather(*everything)

    events = observed.events
    seen: dict[str, int] = {}
    for event in events:
        text = event.get("message") or event["exception"]["values"][-1]["value"].strip("'")
        seen[text] = seen.get(text, 0) + 1
        expected = (None, None) if text == "anonymous" else (text, tier_of(text))
        assert who(event) == expected
    assert seen["anonymous"] == 160
    assert len(seen) == 1 + 320 + 60
    for transaction in observed.transactions:
        user = (transaction.get("user") or {}).get("id")
        tier = transaction["tags"].get("user.tier")
        assert (user is None and tier is None) or tier_of(str(user)) == tier


async def test_a_user_set_at_start_up_or_by_a_worker_never_sticks() -> None:
    """Case 37."""
    turn = asyncio.Event()
    seen = asyncio.Event()

    @asynccontextmanager
    async def lifespan(app: FastAPI) -> AsyncIterator[None]:
        identify_user(id="warmup-admin", tier="enterprise")
        sentry_sdk.set_tag("job", "warmup")

        async def worker() -> None:
            identify_user(id="job-owner-9", tier="enterprise")
            sentry_sdk.set_tag("job", "nine")
            turn.set()
            await seen.wait()

        task = asyncio.create_task(worker())
        yield
        await task

    observed = Observed(FastAPI(lifespan=lifespan))

    @observed.app.get("/anonymous")
    async def _() -> None:
        raise KeyError("lost")

    messages = iter(["startup", "shutdown"])

    async def receive() -> dict[str, str]:
        message = next(messages)
        if message == "shutdown":
            await turn.wait()
            await observed.get("/anonymous")
            seen.set()
        return {"type": f"lifespan.{message}"}

    async def send(message: object) -> None: ...

    await observed.app({"type": "lifespan", "state": {}}, receive, send)
    event = observed.event
    assert (who(event), "job" in event["tags"]) == ((None, None), False)


async def test_a_worker_outside_the_lifespan_does_not_stick_once_we_serve() -> None:
    """Case 37."""
    observed = Observed()

    @observed.app.get("/anonymous")
    async def _() -> None:
        raise KeyError("lost")

    await observed.get("/anonymous")
    with sentry_sdk.isolation_scope():
        identify_user(id="job-owner-9", tier="enterprise")
        sentry_sdk.set_tag("job", "nine")
        await observed.get("/anonymous")
    for event in observed.events:
        assert (who(event), "job" in event["tags"]) == ((None, None), False)


async def test_a_user_known_at_import_is_nobodys_but_a_tag_stays() -> None:
    with sentry_sdk.isolation_scope():
        identify_user(id="deployer", tier="enterprise")
        sentry_sdk.set_tag("team", "shop")
        observed = Observed()

        @observed.app.get("/anonymous")
        async def _() -> None:
            raise KeyError("lost")

        await observed.get("/anonymous")
    assert who(observed.event) == (None, None)
    assert observed.event["tags"]["team"] == "shop"


class Backend(AuthenticationBackend):
    """Knows everybody as jane."""

    async def authenticate(self, conn: HTTPConnection) -> tuple[AuthCredentials, SimpleUser]:
        return AuthCredentials(["authenticated"]), SimpleUser("jane")


@pytest.mark.parametrize("where", ["middleware", "dependency", "sync dependency", "endpoint", "identify"])
async def test_authentication_middleware_does_not_replace_our_user(where: str) -> None:
    """Cases 38 and 40."""
    app = FastAPI()
    app.add_middleware(AuthenticationMiddleware, backend=Backend())
    user = UserContext("u1", "premium")
    if where == "middleware":
        app.add_middleware(UserTierMiddleware, identify=lambda connection: user)
    options = {"identify": lambda connection: user} if where == "identify" else {}
    observed = Observed(app, options=options)

    async def dependency() -> None:
        if where == "dependency":
            identify_user(id="u1", tier="premium")

    def sync_dependency() -> None:
        if where == "sync dependency":
            identify_user(id="u1", tier="premium")

    @app.get("/fail", dependencies=[Depends(dependency), Depends(sync_dependency)])
    async def _() -> None:
        if where == "endpoint":
            identify_user(id="u1", tier="premium")
        raise KeyError("lost")

    await observed.get("/fail")
    assert observed.event["user"] == {"id": "u1"}
    assert observed.event["tags"]["user.tier"] == "premium"
    assert "jane" not in str(observed.event["user"])


async def test_an_identify_that_waits_and_one_that_fails() -> None:
    async def slowly(connection: HTTPConnection) -> UserContext | None:
        await nap()
        key = connection.headers.get("x-key")
        if key == "broken":
            raise ConnectionError("no database")
        return UserContext(key, "free") if key else None

    observed = Observed(options={"identify": slowly})

    @observed.app.get("/here")
    async def _() -> None:
        sentry_sdk.capture_message("here")

    for key in ("u7", "broken", ""):
        assert (await observed.get("/here", headers={"x-key": key})).status_code == 200
    assert [who(event) for event in observed.events] == [("u7", "free"), (None, None), (None, None)]


async def test_who_changes_within_a_request_is_the_last_one_named() -> None:
    observed = Observed()

    @observed.app.get("/switch")
    async def _() -> None:
        identify_user(id="u1", tier="premium")
        identify_user(id="u2")
        sentry_sdk.capture_message("here")

    await observed.get("/switch")
    assert who(observed.event) == ("u2", None), "the tier of somebody else must not stay"


async def test_the_tier_is_on_errors_transactions_and_metrics_of_a_request() -> None:
    observed = Observed(traces_sample_rate=1.0)

    @observed.app.get("/fail")
    async def _() -> None:
        identify_user(id="u1", tier="premium")
        sentry_sdk.metrics.count("orders", 1)
        raise KeyError("lost")

    await observed.get("/fail")
    (transaction,) = observed.transactions
    (metric,) = observed.metrics("orders")
    assert observed.event["tags"]["user.tier"] == "premium"
    assert (transaction["user"], transaction["tags"]["user.tier"]) == ({"id": "u1"}, "premium")
    assert (metric["attributes"]["user.id"], metric["attributes"]["user.tier"]) == ("u1", "premium")


@pytest.fixture
def global_user() -> Iterator[None]:
    sentry_sdk.get_global_scope().set_user({"id": "process"})
    yield
    sentry_sdk.get_global_scope().set_user(None)


@pytest.mark.usefixtures("global_user")
async def test_a_user_of_the_whole_process_is_never_shown_with_requests() -> None:
    observed = Observed(traces_sample_rate=1.0)

    @observed.app.get("/anonymous")
    async def _() -> None:
        raise KeyError("lost")

    @observed.app.get("/known")
    async def _() -> None:
        identify_user(id="u1", tier="pro")
        raise KeyError("lost")

    @observed.app.get("/by-hand")
    async def _() -> None:
        sentry_sdk.set_user({"id": "u2"})
        raise KeyError("lost")

    @observed.app.websocket("/ws")
    async def _(websocket: WebSocket) -> None:
        await websocket.accept()
        await websocket.receive_text()
        sentry_sdk.capture_message("message")

    for path in ("/anonymous", "/known", "/by-hand"):
        await observed.get(path)
    await websocket_session(observed.app, "/ws", ["hello"])
    expected = {"/anonymous": None, "/known": {"id": "u1"}, "/by-hand": {"id": "u2"}, "/ws": None}
    assert {event["transaction"]: event.get("user") for event in observed.events} == expected
    assert {each["transaction"]: each.get("user") for each in observed.transactions} == expected


@pytest.mark.usefixtures("global_user")
async def test_a_user_of_the_whole_process_stays_outside_requests() -> None:
    observed = Observed()
    contextvars.Context().run(sentry_sdk.capture_message, "worker")  # other tests have set users in this one
    assert observed.event["user"] == {"id": "process"}


class Tier(str, Enum):  # noqa: UP042 - its text is not its value
    """As many services write it."""

    PRO = "pro"


@pytest.mark.parametrize(
    ("answer", "user", "tier"),
    [
        (UserContext(7, "pro"), {"id": "7"}, "pro"),  # type: ignore[arg-type]
        (UserContext("u1", Tier.PRO), {"id": "u1"}, "pro"),
        (UserContext("u1", ""), {"id": "u1"}, None),
        (UserContext(None, "pro"), None, None),  # type: ignore[arg-type]
        (UserContext("", "pro"), None, None),
        ("u1", None, None),
        ({"id": "u1"}, None, None),
        (None, None, None),
    ],
)
async def test_whatever_identify_returns_the_request_is_answered(
    answer: Any, user: dict[str, str] | None, tier: str | None
) -> None:
    observed = Observed(options={"identify": lambda connection: answer})
    observed.app.get("/ping")(lambda: sentry_sdk.capture_message("ping") and None)
    assert (await observed.get("/ping")).status_code == 200
    event = observed.event
    assert (event.get("user"), event["tags"].get("user.tier")) == (user, tier)


async def test_nobody_is_no_user_called_none() -> None:
    observed = Observed()

    @observed.app.get("/ping")
    async def _() -> None:
        identify_user(id=None, tier="pro")  # type: ignore[arg-type]
        sentry_sdk.capture_message("ping")

    await observed.get("/ping")
    assert "user" not in observed.event
