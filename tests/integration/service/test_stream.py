"""The WebSocket route under a real uvicorn, spoken to by a real client."""

import json
import socket as socket_module
from collections.abc import Iterator
from contextlib import AbstractContextManager
from typing import Any

import pytest
from websockets.exceptions import ConnectionClosedError, InvalidStatus
from websockets.sync.client import ClientConnection, connect

from tests.support.demo_users import demo_keys
from tests.support.uvicorn_server import StartServer, UvicornServer


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[UvicornServer]:
    with UvicornServer(tmp_path_factory.mktemp("stream"), env={"SENTRY_ENABLED": "false"}) as running:
        yield running


@pytest.fixture
def socket(server: UvicornServer) -> Iterator[ClientConnection]:
    with open_stream(server) as connection:
        yield connection


def open_stream(server: UvicornServer, tier: str = "premium") -> AbstractContextManager[ClientConnection]:
    headers = {"X-API-Key": demo_keys(server.output())[tier]}
    return connect(stream_url(server), additional_headers=headers)


def stream_url(server: UvicornServer) -> str:
    return server.url.replace("http", "ws", 1) + "/ws/stream"


def ask(socket: ClientConnection, **message: object) -> list[dict[str, Any]]:
    """Send one message and return all that comes back for it."""
    socket.send(json.dumps(message))
    return until_done(socket)


def until_done(socket: ClientConnection) -> list[dict[str, Any]]:
    received = [json.loads(socket.recv(timeout=10))]
    while received[-1]["type"] not in ("done", "error"):
        received.append(json.loads(socket.recv(timeout=10)))
    return received


def test_results_come_one_by_one_as_they_arrive(socket: ClientConnection) -> None:
    received = ask(socket, id="a", apis=["slow", "fast", "failing"], input={"delay_ms": 200})
    assert all(message["id"] == "a" for message in received)
    by_api = {message.get("api"): message for message in received}
    assert by_api["fast"]["data"] == {"echo": {"delay_ms": 200}}
    assert by_api["failing"]["reason"] == "answered 503"
    assert [message["type"] for message in received][-2:] == ["result", "done"]
    assert received[-2]["api"] == "slow"
    assert (received[-1]["results"], received[-1]["failures"]) == (2, 1)


@pytest.mark.parametrize(
    ("text", "detail"),
    [
        ("{", "Invalid JSON"),
        ("[]", "message"),
        ("{}", "apis"),
        ('{"apis": []}', "apis"),
        (b"\x00\x01", "text, not bytes"),
    ],
)
def test_what_cannot_be_understood_gets_an_error_and_the_connection_stays_open(
    socket: ClientConnection, text: str | bytes, detail: str
) -> None:
    socket.send(text)
    (error,) = until_done(socket)
    assert (error["id"], error["type"]) == (None, "error")
    assert detail in error["detail"]
    assert ask(socket, id=2, apis=["fast"])[-1]["type"] == "done"


def test_an_error_does_not_repeat_what_was_sent(socket: ClientConnection) -> None:
    (error,) = ask(socket, apis=7, password="hush-hush")
    assert "hush-hush" not in error["detail"]


def test_refusals_name_the_message_they_belong_to(server: UvicornServer) -> None:
    with open_stream(server, "free") as socket:
        (unknown,) = ask(socket, id="x", apis=["nope"])
        (too_many,) = ask(socket, id="y", apis=["fast", "slow", "failing"])
    assert (unknown["id"], unknown["detail"]) == ("x", "Not in the catalogue: nope")
    assert (too_many["id"], too_many["detail"]) == ("y", "The free tier allows 2 APIs in a request, not 3")


def test_the_adapter_with_the_deliberate_bug_ends_the_connection_and_no_other(
    server: UvicornServer, socket: ClientConnection
) -> None:
    with open_stream(server) as other:
        socket.send(json.dumps({"id": 1, "apis": ["broken"], "input": {}}))
        with pytest.raises(ConnectionClosedError):
            socket.recv(timeout=10)
        assert ask(other, id=2, apis=["fast"])[-1]["type"] == "done"
    assert "cannot find the records" in server.output()


@pytest.mark.parametrize("query", ["", "?api_key=", "?api_key=streamapi_wrong"])
def test_without_a_valid_key_the_handshake_is_refused(server: UvicornServer, query: str) -> None:
    with pytest.raises(InvalidStatus) as refused:
        connect(stream_url(server) + query).__enter__()
    assert refused.value.response.status_code == 403


def test_a_browser_may_send_the_key_in_the_query_and_no_log_keeps_it(start_server: StartServer) -> None:
    server = start_server(env={"SENTRY_ENABLED": "false"})
    key = demo_keys(server.output())["free"]
    with connect(f"{stream_url(server)}?api_key={key}") as socket:
        assert ask(socket, apis=["fast"])[-1]["type"] == "done"
    server.stop()
    # Once as a demo user; the curl lines are for another one.
    assert server.output().count(key) == 1
    assert "/ws/stream?api_key=[hidden]" in server.output()


def test_a_client_that_leaves_in_the_middle_is_not_an_error(start_server: StartServer) -> None:
    server = start_server(env={"SENTRY_ENABLED": "false"})
    with open_stream(server) as leaving:
        leaving.send(json.dumps({"id": 1, "apis": ["slow", "fast"], "input": {"delay_ms": 300}}))
        assert json.loads(leaving.recv(timeout=10))["api"] == "fast"
        leaving.socket.shutdown(socket_module.SHUT_RDWR)
    with open_stream(server) as staying:
        assert ask(staying, id=2, apis=["slow"], input={"delay_ms": 400})[-1]["type"] == "done"
    server.stop()
    assert "Traceback" not in server.output()
