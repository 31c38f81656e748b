"""The folder works under another name inside another FastAPI application."""

import json
import os
import shutil
import subprocess
import sys
from pathlib import Path

PROJECT = Path(__file__).parents[3]

HOST = """
import asyncio, json
import httpx
from fastapi import FastAPI
from shop.monitoring import ObservabilitySettings, identify_user, init_sentry

app = FastAPI()
settings = ObservabilitySettings(environment="development", traces_sample_rate=1.0, release="shop@2")
handle = init_sentry(app, settings=settings)

@app.get("/orders/{order}")
async def order(order: int):
    identify_user(id="u7", tier="gold")
    raise LookupError("no such order")

async def main():
    transport = httpx.ASGITransport(app, raise_app_exceptions=False, client=("127.0.0.1", 1))
    async with httpx.AsyncClient(transport=transport, base_url="http://shop") as client:
        return [await client.get("/orders/5"), await client.get("/test-sentry")]

failed, tested = asyncio.run(main())
recorded = [payload for kind, payload in handle.transport.items() if kind == "event"]
print(json.dumps({"answer": failed.json(), "tested": tested.status_code, "event": recorded[0]}))
"""


def test_a_copy_under_another_name_reports_errors(tmp_path: Path) -> None:
    package = tmp_path / "shop"
    ignored = shutil.ignore_patterns("__pycache__")
    shutil.copytree(PROJECT / "app" / "observability", package / "monitoring", ignore=ignored)
    (package / "__init__.py").write_text("")
    (tmp_path / "host.py").write_text(HOST)
    environment = {"PATH": os.environ["PATH"]}
    ran = subprocess.run(
        [sys.executable, "host.py"],
        cwd=tmp_path,
        env=environment,
        capture_output=True,
        text=True,
        check=False,
    )
    assert ran.returncode == 0, ran.stderr
    found = json.loads(ran.stdout.splitlines()[-1])
    event = found["event"]
    assert found["tested"] == 500
    assert found["answer"]["event_id"] == event["event_id"]
    assert event["user"] == {"id": "u7"}
    assert event["tags"]["user.tier"] == "gold"
    assert event["transaction"] == "/orders/{order}"
    assert event["release"] == "shop@2"
    frames = event["exception"]["values"][0]["stacktrace"]["frames"]
    assert [frame["function"] for frame in frames if frame["in_app"]] == ["order"]
