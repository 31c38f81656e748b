"""A service in a bad night: two routes fail, somebody scans the login, and the process can be made to die."""

import os
import signal
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from fastapi import FastAPI, HTTPException

from app.observability import init_sentry


class PriceListError(Exception):
    """What `/orders` fails with."""


class ReportError(Exception):
    """What `/report` fails with."""


class StartError(Exception):
    """What the start fails with, if NIGHT_START is `fails`."""


@asynccontextmanager
async def lifespan(app: FastAPI) -> AsyncIterator[None]:
    if os.environ.get("NIGHT_START") == "fails":
        raise StartError("the price list is not there yet")
    yield


app = FastAPI(lifespan=lifespan)
handle = init_sentry(app)


@app.get("/health")
async def health() -> str:
    return "ok"


@app.get("/orders")
async def orders() -> None:
    raise PriceListError("no price")


@app.get("/report")
async def report() -> None:
    raise ReportError("no numbers")


@app.get("/login")
async def login() -> None:
    raise HTTPException(401, "who are you?")


@app.get("/die")
async def die() -> None:
    os.kill(os.getpid(), signal.SIGKILL)
