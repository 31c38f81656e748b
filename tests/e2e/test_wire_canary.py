"""Nothing sensitive leaves, on any channel: raw bytes on the wire and on disk, with everything switched on.

A server on loopback records what really arrives. The test fails if a channel was not reached: each leaves a
harmless trace beside its secret.
"""

import asyncio
import json
import secrets
from pathlib import Path
from typing import Any

import httpx
import pytest
import websockets

from tests.support.ingest import IngestServer
from tests.support.postgres import PostgresServer
from tests.support.uvicorn_server import StartServer, UvicornServer

pytestmark = [pytest.mark.slow, pytest.mark.postgres]

CHANNELS = (
    *(
        "header",
        "bearer",
        "cookie",
        "query",
        "path",
        "json",
        "nested_json",
        "form",
        "upload",
        "ws_url",
        "ws_message",
    ),
    *(
        "subprotocol",
        "exception",
        "note",
        "group",
        "local",
        "model",
        "log_argument",
        "log_extra",
        "logged_error",
    ),
    *(
        "breadcrumb",
        "tag",
        "context",
        "extra",
        "sql_literal",
        "sql_parameter",
        "database_url",
        "url_password",
    ),
    *("outgoing", "feedback", "attachment", "transaction_name", "metric", "operation", "background"),
)


def make_canaries() -> dict[str, str]:
    canaries = {name: f"Zq{secrets.token_hex(9)}9{name[:2]}" for name in CHANNELS}
    canaries["card"] = "".join(("5555", "5555", "5555", "4444"))
    canaries["email"] = "@".join(("ada.lovelace", "corp.example"))
    return canaries


def drive(service: UvicornServer, c: dict[str, str]) -> None:
    """Reach every channel."""
    no_reuse = httpx.Limits(max_keepalive_connections=0)  # a failed background task ends its connection
    with httpx.Client(base_url=service.url, timeout=30, limits=no_reuse) as client:
        client.get("/feedback")
        client.post(
            f"/json/{c['path']}?token={c['query']}&page=2",
            json={
                "password": c["json"],
                "user": {"api_key": c["nested_json"], "email": c["email"]},
                "city": "Berlin",
            },
            headers={
                "X-API-Key": c["header"],
                "Authorization": f"Bearer {c['bearer']}",
                "Cookie": f"session={c['cookie']}",
                "User-Agent": "canary/1.0",
            },
        )
        client.post("/form", data={"password": c["form"], "city": "Bonn"})
        client.post("/upload", files={"file": ("x.txt", c["upload"].encode())})
        client.get("/logged")
        client.get("/background")
        client.get("/database")
    asyncio.run(drive_websocket(service, c))


async def drive_websocket(service: UvicornServer, c: dict[str, str]) -> None:
    address = service.url.replace("http", "ws", 1) + f"/ws?api_key={c['ws_url']}"
    async with websockets.connect(address, subprotocols=[f"token.{c['subprotocol']}"]) as socket:  # type: ignore[list-item]
        await socket.send(json.dumps({"password": c["ws_message"], "kind": "order"}))
        with pytest.raises(websockets.ConnectionClosed):
            await socket.recv()


@pytest.fixture
def canaries() -> dict[str, str]:
    return make_canaries()


@pytest.fixture
def ingest() -> Any:
    with IngestServer() as server:
        yield server


def start(
    start_server: StartServer,
    ingest: IngestServer,
    postgres: PostgresServer,
    canaries: dict[str, str],
    tmp_path: Path,
) -> UvicornServer:
    url = postgres.url(postgres.create_database()).replace("postgresql://", "postgresql+asyncpg://")
    return start_server(
        "tests.support.canary_app:app",
        folder=tmp_path / "service",
        env={
            "CANARIES": json.dumps(canaries),
            "CANARY_DATABASE_URL": url,
            "CANARY_PARTNER": f"http://127.0.0.1:{ingest.port}",
            "SENTRY_ENABLED": "true",
            "SENTRY_DSN": ingest.dsn,
            "SENTRY_TRACES_SAMPLE_RATE": "1.0",
            "SENTRY_ENABLE_LOGS": "true",
            "SENTRY_SHARED_BUDGET": "false",  # units at once: this test is not about a storm's first second
            "SENTRY_INCLUDE_LOCALS": "true",
        },
    )


def names(ingest: IngestServer) -> set[str]:
    found: set[str] = set()
    for event in ingest.events():
        values = (event.get("exception") or {}).get("values") or [{}]
        logged = event.get("logentry") or {}
        found.add(str(values[-1].get("type") or event.get("message") or logged.get("message")))
    return found


EXPECTED = {
    *("ValueError", "ExceptionGroup", "RuntimeError", "LookupError", "ConnectionRefusedError", "KeyError"),
    *("partner refused api_key=%s", "with an attachment"),
}


def test_no_planted_value_is_on_the_wire(
    start_server: StartServer,
    ingest: IngestServer,
    postgres: PostgresServer,
    canaries: dict[str, str],
    tmp_path: Path,
) -> None:
    service = start(start_server, ingest, postgres, canaries, tmp_path)
    drive(service, canaries)
    service.stop()
    wire = ingest.raw()

    leaks = {name for name, value in canaries.items() if value.encode() in wire}
    assert leaks == set()

    assert names(ingest) >= EXPECTED
    assert {item.type for item in ingest.items()} >= {
        "event",
        "transaction",
        "feedback",
        "log",
        "trace_metric",
    }
    [failure] = [event for event in ingest.events() if event.get("transaction") == "/json/{reset_token}"]
    assert failure["user"] == {"id": "u-1"}
    assert failure["tags"]["user.tier"] == "premium"
    assert failure["request"]["data"]["city"] == "Berlin"
    assert failure["request"]["headers"]["user-agent"] == "canary/1.0"
    assert "page=2" in failure["request"]["query_string"]
    assert failure["contexts"]["partner"]["region"] == "eu"
    assert {value["type"] for value in failure["exception"]["values"]} == {"ValueError", "ConnectionError"}
    frames = failure["exception"]["values"][-1]["stacktrace"]["frames"]
    assert frames[-1]["function"].endswith("by_json")
    assert {"login", "payment", "nested"} <= set(frames[-1]["vars"])
    crumbs = failure["breadcrumbs"]["values"]
    assert {crumb.get("category") for crumb in crumbs} >= {"query", "shop.orders", "httpx"}
    [trace] = [
        event for event in ingest.events("transaction") if event["transaction"] == "/json/{reset_token}"
    ]
    assert [span["op"] for span in trace["spans"]].count("db") == 2
    assert {span["op"] for span in trace["spans"]} >= {"db", "http.client", "api.discovery"}
    [socket] = [event for event in ingest.events() if event.get("transaction") == "/ws"]
    assert socket["exception"]["values"][-1]["type"] == "KeyError"


def test_no_planted_value_is_on_disk_while_sentry_is_away(
    start_server: StartServer,
    ingest: IngestServer,
    postgres: PostgresServer,
    canaries: dict[str, str],
    tmp_path: Path,
) -> None:
    ingest.answer_with(status=503)
    service = start(start_server, ingest, postgres, canaries, tmp_path)
    drive(service, canaries)
    service.kill()
    spool = [path for path in (service.folder / "spool").rglob("*") if path.is_file()]
    written = b"\n".join(path.read_bytes() for path in spool)
    assert written.count(b'"exception"') >= 5
    assert {name for name, value in canaries.items() if value.encode() in written} == set()
