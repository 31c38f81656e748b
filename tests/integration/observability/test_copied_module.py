"""The folder works under another name inside another FastAPI application, which need not have a database."""

import json
import os
import shutil
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

PROJECT = Path(__file__).parents[3]

HOST = """
import asyncio, json, sys
import httpx
from fastapi import FastAPI
from shop.monitoring import identify_user, init_sentry, operation, report_feedback

app = FastAPI()
handle = init_sentry(app)

@app.get("/orders/{order}")
async def order(order: int):
    identify_user(id="u7", tier="gold")
    with operation("shop.order", name="Order"):
        raise LookupError("no such order")

async def main():
    transport = httpx.ASGITransport(app, raise_app_exceptions=False, client=("127.0.0.1", 1))
    async with httpx.AsyncClient(transport=transport, base_url="http://shop") as client:
        return [await client.get("/orders/5"), await client.get("/test-sentry")]

failed, tested = asyncio.run(main())
report_feedback("It broke.", event_id=failed.json()["event_id"])
items = handle.transport.items()
print(json.dumps({
    "answer": failed.json(),
    "tested": tested.status_code,
    "event": next(payload for kind, payload in items if kind == "event"),
    "transaction": next(payload for kind, payload in items if kind == "transaction"),
    "feedback": next(payload for kind, payload in items if kind == "feedback"),
    "spool": str(handle.settings.spool_dir),
    "has_sqlalchemy": bool(sys.modules.get("sqlalchemy")),
}))
"""
WITHOUT_DATABASE = """
import sys
sys.modules |= dict.fromkeys(("sqlalchemy", "greenlet", "aiosqlite", "asyncpg"))  # None: cannot be imported
"""


def run_copy(folder: Path, before: str = "") -> dict[str, Any]:
    """What a shop reports through a copy of the module in which it has named itself."""
    package = folder / "shop"
    ignored = shutil.ignore_patterns("__pycache__")
    shutil.copytree(PROJECT / "app" / "observability", package / "monitoring", ignore=ignored)
    version = package / "monitoring" / "version.py"
    version.write_text(version.read_text().replace('"streamapi"', '"web-shop"').replace('"1.0.0"', '"2.5"'))
    (package / "__init__.py").write_text("")
    (folder / "host.py").write_text(before + HOST)
    ran = subprocess.run(
        [sys.executable, "host.py"],
        cwd=folder,
        env={"PATH": os.environ["PATH"], "SENTRY_TRACES_SAMPLE_RATE": "1"},
        capture_output=True,
        text=True,
        check=False,
    )
    assert ran.returncode == 0, ran.stderr
    found: dict[str, Any] = json.loads(ran.stdout.splitlines()[-1])
    return found


@pytest.mark.parametrize("before", ["", WITHOUT_DATABASE], ids=["as it is", "without SQLAlchemy"])
def test_a_copy_under_another_name_reports_errors(tmp_path: Path, before: str) -> None:
    found = run_copy(tmp_path, before)
    event = found["event"]
    assert found["has_sqlalchemy"] is not bool(before)
    assert ("sqlalchemy" in event["sdk"]["integrations"]) is not bool(before)
    assert found["tested"] == 500
    assert found["answer"]["event_id"] == event["event_id"]
    assert event["user"] == {"id": "u7"}
    assert event["tags"]["user.tier"] == "gold"
    assert event["transaction"] == "/orders/{order}"
    frames = event["exception"]["values"][0]["stacktrace"]["frames"]
    assert [frame["function"] for frame in frames if frame["in_app"]] == ["order"]


def test_a_copy_reports_under_the_name_that_its_version_file_gives(tmp_path: Path) -> None:
    found = run_copy(tmp_path)
    assert (found["event"]["release"], found["event"]["server_name"]) == ("web-shop@2.5", "web-shop")
    assert [span["origin"] for span in found["transaction"]["spans"]] == ["manual.web_shop"]
    assert found["feedback"]["contexts"]["feedback"]["source"] == "web-shop"
    assert Path(found["spool"]).name.startswith("web-shop-sentry-")
    assert "streamapi" not in json.dumps([found["event"], found["feedback"], found["transaction"]])
