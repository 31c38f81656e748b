"""A host application that carries secrets through every channel there is, for `tests/e2e/test_wire_canary.py`.

The secrets come from the environment (`CANARIES`, JSON), so that no source line holds one.
"""

import json
import logging
import os
from dataclasses import dataclass
from typing import Any

import httpx
import sentry_sdk
from fastapi import BackgroundTasks, FastAPI, Request, WebSocket
from pydantic import BaseModel
from sqlalchemy import text
from sqlalchemy.ext.asyncio import create_async_engine

from app.observability import identify_user, init_sentry, operation, report_feedback

C: dict[str, str] = json.loads(os.environ["CANARIES"])
logger = logging.getLogger("shop.orders")

engine = create_async_engine(os.environ["CANARY_DATABASE_URL"], hide_parameters=True)
app = FastAPI()
handle = init_sentry(app, engine=engine)


class Login(BaseModel):
    """A model whose repr holds a password."""

    user: str
    password: str


@dataclass
class Payment:
    """A dataclass whose repr holds a card."""

    card_number: str


@app.get("/health")
async def health() -> str:
    return "ok"


@app.post("/json/{reset_token}")
async def by_json(request: Request, reset_token: str) -> None:
    identify_user(id="u-1", tier="premium", email=C["email"])
    body = await request.json()
    login = Login(user="ada", password=C["model"])
    payment = Payment(card_number=C["card"])
    nested = {"outer": [{"client_secret": C["local"]}]}
    sentry_sdk.set_tag("session_token", C["tag"])
    sentry_sdk.set_context("partner", {"api_key": C["context"], "region": "eu"})
    sentry_sdk.set_extra("blob", f"refresh_token={C['extra']}")
    sentry_sdk.add_breadcrumb(
        message=f"calling with Bearer {C['breadcrumb']}", data={"password": C["breadcrumb"]}
    )
    logger.warning("login with password=%s failed", C["log_argument"], extra={"secret": C["log_extra"]})
    async with (
        httpx.AsyncClient() as client,
        operation("api.discovery", name="API Discovery", context={"password": C["operation"]}),
    ):
        await client.get(f"{os.environ['CANARY_PARTNER']}/v1/things", params={"api_key": C["outgoing"]})
    async with engine.connect() as connection:
        await connection.execute(text(f"SELECT '{C['sql_literal']}' AS password"))
        await connection.execute(text("SELECT :password AS x"), {"password": C["sql_parameter"]})
    try:
        raise ConnectionError(f"postgresql://shop:{C['url_password']}@db.example/shop refused")
    except ConnectionError as error:
        failure = ValueError(f"password={C['exception']} {login!r} {payment!r} {nested!r} {body!r}")
        failure.add_note(f"token: {C['note']}")
        raise failure from error


@app.post("/form")
async def by_form(request: Request) -> None:
    await request.body()
    raise ExceptionGroup("several", [ValueError(f"secret={C['group']}"), KeyError("harmless")])


@app.post("/upload")
async def by_upload(request: Request) -> None:
    await request.body()
    raise RuntimeError("cannot read the upload")


@app.get("/logged")
async def logged() -> None:
    logger.error("partner refused api_key=%s", C["logged_error"])


@app.get("/background")
async def background(tasks: BackgroundTasks) -> None:
    def fail() -> None:
        raise LookupError(f"access_token={C['background']}")

    tasks.add_task(fail)


@app.get("/feedback")
async def feedback() -> None:
    report_feedback(f"my password is {C['feedback']}", event_id="0" * 32, name="Ada", email=C["email"])
    sentry_sdk.metrics.count("logins", 1, attributes={"password": C["metric"]})
    with sentry_sdk.new_scope() as scope:
        scope.add_attachment(bytes=C["attachment"].encode(), filename="dump.txt")
        sentry_sdk.capture_message("with an attachment")
    with sentry_sdk.start_transaction(
        op="task", name=f"reset password={C['transaction_name']}", sampled=True
    ):
        pass


@app.get("/database")
async def database() -> None:
    down = create_async_engine(f"postgresql+asyncpg://shop:{C['database_url']}@127.0.0.1:9/shop")
    async with down.connect():
        pass


@app.websocket("/ws")
async def ws(socket: WebSocket) -> None:
    await socket.accept(subprotocol=(socket.scope["subprotocols"] or [None])[0])
    async for raw in socket.iter_text():
        message: dict[str, Any] = json.loads(raw)
        sentry_sdk.add_breadcrumb(message=raw)
        raise KeyError(f"cannot handle {message}")
