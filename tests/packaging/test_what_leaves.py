"""Each row of the README's table "What leaves the process" is checked on a real event; no row is without its check."""

import json
import os
import re
import socket
import sys
from collections.abc import Callable
from importlib.metadata import distributions
from pathlib import Path
from typing import Any

import httpx
import pytest
import sentry_sdk
from fastapi import FastAPI, Request
from sentry_sdk.envelope import Envelope, Item, PayloadRef
from sqlalchemy import create_engine, text

from app.observability import identify_user
from app.observability.recording import RecordingTransport
from app.observability.requestdata import HEADERS
from app.observability.types import Event
from tests.support.observability import Recorder, client_of, local_sentry

README = (Path(__file__).parents[2] / "README.md").read_text()
SECRET = "-".join(("correct", "horse", "battery", "9"))
OPAQUE = "x7Kq" + "2mPw9Lz4"  # what nothing tells for a secret: it may leave only where the table says "kept"


def rows() -> dict[str, str]:
    table = re.search(r"<!-- table: leaves -->\n(.*?)<!-- /table -->", README, re.DOTALL)
    assert table is not None
    cells = [line.strip("| ").split(" | ") for line in table.group(1).splitlines()[2:]]
    return {name: what for name, what in cells}  # noqa: C416 - two cells, or the table is broken


async def capture(**settings: Any) -> tuple[Event, Event, Recorder]:
    """Fail once with everything in it; return the error event, the transaction and the recorder."""
    app = FastAPI()
    engine = create_engine("sqlite://", hide_parameters=True)

    @app.post("/items/{item}")
    async def fail(item: str, request: Request) -> None:
        identify_user(id="u-1", tier="gold", email="ada@corp.example")
        user = sentry_sdk.get_isolation_scope()
        user.set_tag("part", "engine")
        kept_variable, password = OPAQUE, SECRET
        await request.body()
        sentry_sdk.add_breadcrumb(message=f"password={SECRET}")
        sentry_sdk.set_extra("note", f"password={SECRET}")
        with engine.connect() as connection:
            connection.execute(text("SELECT :value AS a, 'literal words' AS b"), {"value": OPAQUE})
        async with httpx.AsyncClient(transport=httpx.MockTransport(lambda _: httpx.Response(204))) as client:
            await client.get("https://partner.example/v1", params={"q": OPAQUE})
        raise ValueError(f"password={password} for {item} ({len(kept_variable)})")

    with local_sentry(app, traces_sample_rate=1.0, **settings) as recorder:
        async with client_of(app) as client:
            await client.post(
                "/items/7?page=2",
                json={"password": SECRET, "city": "Berlin"},
                headers={
                    "cookie": f"sid={OPAQUE}",
                    "x-own": OPAQUE,
                    "user-agent": "probe/1",
                    "x-real-ip": "192.0.2.9",
                },
            )
            await client.post(
                "/items/8", content=OPAQUE.encode(), headers={"content-type": "application/octet-stream"}
            )
            await client.post("/items/9", files={"file": ("a.txt", OPAQUE.encode())})
        for kind in ("attachment", "profile", "unheard_of"):
            item = Item(payload=OPAQUE.encode(), headers={"type": kind, "filename": "a.txt"})
            recorder.transport.capture_envelope(Envelope(items=[item]))
        session = {
            "sid": "1" * 32,
            "did": "ada",
            "attrs": {"ip_address": "192.0.2.9", "user_agent": "probe/1"},
        }
        payload = PayloadRef(json=session)
        recorder.transport.capture_envelope(
            Envelope(items=[Item(payload=payload, headers={"type": "session"})])
        )
        return recorder.events[0], recorder.transactions[0], recorder


def own_frame(event: Event) -> Event:
    frame: Event = event["exception"]["values"][-1]["stacktrace"]["frames"][-1]
    return frame


def wire(recorder: Recorder) -> str:
    assert isinstance(recorder.transport, RecordingTransport)
    return "\n".join(envelope.serialize().decode() for envelope in recorder.transport.envelopes())


def frames_of_libraries_are_bare(event: Event, trace: Event, recorder: Recorder) -> None:
    frames = event["exception"]["values"][-1]["stacktrace"]["frames"]
    libraries = [frame for frame in frames if not frame["in_app"]]
    assert libraries
    assert not any({"vars", "context_line", "pre_context"} & set(frame) for frame in libraries)


def own_source_is_kept(event: Event, trace: Event, recorder: Recorder) -> None:
    assert own_frame(event)["context_line"].strip().startswith("raise ValueError")
    assert event["exception"]["values"][-1]["type"] == "ValueError"


def own_variables_are_scrubbed(event: Event, trace: Event, recorder: Recorder) -> None:
    assert own_frame(event)["vars"]["kept_variable"] == repr(OPAQUE)
    assert SECRET not in json.dumps(own_frame(event)["vars"])


def texts_are_scrubbed(event: Event, trace: Event, recorder: Recorder) -> None:
    assert SECRET not in json.dumps(event)
    assert event["tags"]["part"] == "engine"
    assert event["extra"]["note"].startswith("password=")
    assert event["exception"]["values"][-1]["value"].endswith("for 7 (12)")


def user_is_id_and_tier(event: Event, trace: Event, recorder: Recorder) -> None:
    for each in (event, trace):
        assert each["user"] == {"id": "u-1"}
        assert each["tags"]["user.tier"] == "gold"


def request_is_on_errors_only(event: Event, trace: Event, recorder: Recorder) -> None:
    assert "page=2" in event["request"]["query_string"]
    assert event["request"]["data"]["city"] == "Berlin"
    assert event["contexts"]["path_params"] == {"item": "7"}
    assert "request" not in trace
    assert "Berlin" not in json.dumps(trace)


def uploads_are_dropped(event: Event, trace: Event, recorder: Recorder) -> None:
    bodies = [each["request"]["data"] for each in recorder.events[1:]]
    assert len(bodies) == 2
    assert all("not sent" in body for body in bodies)


def cookies_are_dropped(event: Event, trace: Event, recorder: Recorder) -> None:
    assert "cookies" not in event["request"]
    assert "sid=" not in wire(recorder)


def headers_are_from_the_list(event: Event, trace: Event, recorder: Recorder) -> None:
    assert set(event["request"]["headers"]) <= HEADERS
    assert event["request"]["headers"]["user-agent"] == "probe/1"
    assert "192.0.2.9" not in wire(recorder)


def sql_is_placeholders(event: Event, trace: Event, recorder: Recorder) -> None:
    [query] = [span["description"] for span in trace["spans"] if span["op"] == "db"]
    assert query.startswith("SELECT ? AS a")
    assert OPAQUE not in query
    assert "literal words" not in query


def external_calls_are_hosts(event: Event, trace: Event, recorder: Recorder) -> None:
    [call] = [span for span in trace["spans"] if span["op"] == "http.client"]
    assert "partner.example" in call["description"]
    assert OPAQUE not in json.dumps(call)


def the_machine_is_not_named(event: Event, trace: Event, recorder: Recorder) -> None:
    assert event["server_name"] == trace["server_name"] == "streamapi"
    sent = wire(recorder)
    assert socket.gethostname() not in (event["server_name"], trace["server_name"])
    assert "sys.argv" not in sent
    assert "modules" not in event
    assert os.path.basename(sys.argv[0]) not in json.dumps(event["extra"])  # noqa: PTH119 - text, not a path
    assert len({each.metadata["Name"] for each in distributions()}) > 20


def unknown_items_are_dropped(event: Event, trace: Event, recorder: Recorder) -> None:
    kinds = {item.type for envelope in recorder.transport.envelopes() for item in envelope.items}
    assert not kinds & {"attachment", "profile", "unheard_of"}


def sessions_are_nobody(event: Event, trace: Event, recorder: Recorder) -> None:
    [session] = recorder.of("session")
    assert session == {"sid": "1" * 32, "attrs": {}}


CHECKS: dict[str, Callable[[Event, Event, Recorder], None]] = {
    "exception type, frames, source lines of the service": own_source_is_kept,
    "variables of the service's own frames": own_variables_are_scrubbed,
    "variables and source of libraries": frames_of_libraries_are_bare,
    "exception text, log messages, breadcrumbs, tags, contexts, extra": texts_are_scrubbed,
    "user": user_is_id_and_tier,
    "URL, query, path parameters, body (first 16 KB)": request_is_on_errors_only,
    "uploads, binary bodies": uploads_are_dropped,
    "cookies": cookies_are_dropped,
    "headers": headers_are_from_the_list,
    "SQL": sql_is_placeholders,
    "external calls": external_calls_are_hosts,
    "host name, command line, installed packages": the_machine_is_not_named,
    "attachments, profiles, unknown item types": unknown_items_are_dropped,
    "sessions": sessions_are_nobody,
}


def test_every_row_has_a_check() -> None:
    assert set(CHECKS) | {"trace headers to other services"} == set(rows())


@pytest.mark.anyio
@pytest.mark.parametrize("row", CHECKS)
async def test_the_row_is_true(row: str) -> None:
    CHECKS[row](*await capture())


@pytest.mark.anyio
async def test_variables_do_not_leave_outside_development_unless_wanted() -> None:
    event, _, _ = await capture(include_locals=False)
    assert "vars" not in own_frame(event)


@pytest.mark.anyio
async def test_an_e_mail_leaves_only_where_it_may() -> None:
    event, _, _ = await capture(send_email=True)
    assert set(event["user"]) == {"id", "email"}


@pytest.mark.anyio
@pytest.mark.parametrize(
    ("settings", "address"),
    [
        ({"send_client_ip": True, "client_ip_header": "x-real-ip"}, "192.0.2.9"),
        ({"send_client_ip": True}, None),
        ({"client_ip_header": "x-real-ip"}, None),
    ],
)
async def test_a_visitors_address_leaves_only_where_it_may(settings: Any, address: str | None) -> None:
    event, trace, _ = await capture(**settings)
    assert event["user"].get("ip_address") == address
    assert "ip_address" not in trace["user"]


def test_trace_headers_leave_for_no_host_by_default() -> None:
    with local_sentry(FastAPI()):
        assert sentry_sdk.get_client().options["trace_propagation_targets"] == []
