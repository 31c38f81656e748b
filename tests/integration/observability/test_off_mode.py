"""OFF costs nothing: no SDK, no thread, no patch, and every public name is harmless."""

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

PROJECT = Path(__file__).parents[3]

SCRIPT = """
import asyncio, json, logging, sys, threading
import httpx, sentry_sdk, sqlalchemy
from fastapi import FastAPI, WebSocket

calls = []
sentry_sdk.init = lambda *a, **k: calls.append(k)
watched = {
    "logging": (logging.Logger, "callHandlers"),
    "httpx": (httpx.Client, "send"),
    "httpx async": (httpx.AsyncClient, "send"),
    "thread": (threading.Thread, "start"),
    "thread run": (threading.Thread, "run"),
    "excepthook": (sys, "excepthook"),
    "app": (FastAPI, "__call__"),
}
before = {name: getattr(*place) for name, place in watched.items()}

from app.observability import (
    ObservabilitySettings, identify_user, init_sentry, message_transaction, operation,
)

app = FastAPI()
engine = sqlalchemy.create_engine("sqlite://")
build = app.build_middleware_stack
handle = init_sentry(app, settings=ObservabilitySettings(enabled=False), engine=engine)

@app.get("/work")
async def work():
    identify_user(id=1, tier="free", email="x")
    with operation("api.discovery", name="API Discovery", context={"a": 1}) as running:
        running.set("b", 2)
    async with operation("x", name="X"):
        pass
    with message_transaction():
        pass
    return {"done": True}

async def main():
    async with httpx.AsyncClient(transport=httpx.ASGITransport(app), base_url="http://t") as client:
        return [(await client.get(path)) for path in ("/work", "/test-sentry")]

work_answer, test_answer = asyncio.run(main())
handle.flush()
print(json.dumps({
    "init_calls": len(calls),
    "mode": handle.mode,
    "patched": [name for name, place in watched.items() if getattr(*place) is not before[name]],
    "own_stack": app.build_middleware_stack == build,
    "threads": threading.active_count(),
    "active": sentry_sdk.get_client().is_active(),
    "listens": bool(list(engine.dispatch.before_cursor_execute)),
    "work": work_answer.json(),
    "test_status": test_answer.status_code,
    "status": handle.status()["mode"],
}))
"""


@pytest.fixture(scope="module")
def off() -> dict[str, object]:
    environment = {
        "PATH": os.environ["PATH"],
        "PYTHONPATH": str(PROJECT),
        "SENTRY_DSN": "https://k@127.0.0.1:9/1",
    }
    ran = subprocess.run(
        [sys.executable, "-c", SCRIPT], env=environment, capture_output=True, text=True, check=False
    )
    assert ran.returncode == 0, ran.stderr
    found: dict[str, object] = json.loads(ran.stdout.splitlines()[-1])
    return found


def test_the_sdk_is_never_initialised(off: dict[str, object]) -> None:
    assert off["init_calls"] == 0
    assert off["active"] is False


def test_nothing_is_patched_and_no_thread_runs(off: dict[str, object]) -> None:
    assert off["patched"] == []
    assert off["own_stack"] is True
    assert off["listens"] is False
    assert off["threads"] == 1


def test_the_public_functions_are_harmless(off: dict[str, object]) -> None:
    assert off["work"] == {"done": True}
    assert off["mode"] == off["status"] == "off"


def test_the_test_page_keeps_its_access_rules(off: dict[str, object]) -> None:
    assert off["test_status"] == 500
