"""The connection: kept alive, replaced when it breaks, over TLS and through a proxy."""

import os
import shutil
import socket
import ssl
import subprocess
import threading
from collections.abc import Iterator
from http.client import HTTPException, IncompleteRead
from pathlib import Path

import pytest
from sentry_sdk.utils import Dsn

from app.observability.delivery import connection as connection_module
from app.observability.delivery.connection import IngestConnection
from tests.support.deliveries import delivery, error, transaction
from tests.support.ingest import IngestServer
from tests.support.scripted import Script, ScriptedServer, read_request

OK = b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\n{}"
BODY = b'{}\n{"type":"session","length":2}\n{}\n'


@pytest.fixture(autouse=True)
def no_proxy(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("http_proxy", "https_proxy", "all_proxy", "no_proxy"):
        monkeypatch.delenv(name, raising=False)
        monkeypatch.delenv(name.upper(), raising=False)


@pytest.fixture
def server() -> Iterator[IngestServer]:
    with IngestServer() as made:
        yield made


def test_many_envelopes_go_over_one_connection(server: IngestServer, tmp_path: Path) -> None:
    with delivery(server.dsn, tmp_path) as transport:
        for _ in range(20):
            transport.capture_envelope(error())
            transport.capture_envelope(transaction())
        transport.flush(5)
        assert len(server.envelopes) == 40
        assert server.connections == 1


def test_a_connection_that_was_closed_while_idle_is_replaced_without_a_failure(server: IngestServer) -> None:
    connection = IngestConnection(Dsn(server.dsn))
    assert connection.post(BODY).status == 200
    server.drop(times=1)
    assert connection.post(BODY).status == 200
    connection.close()
    assert server.connections == 2


def test_a_server_that_cuts_every_connection_is_a_failure(server: IngestServer) -> None:
    connection = IngestConnection(Dsn(server.dsn))
    server.drop()
    with pytest.raises((OSError, HTTPException)):
        connection.post(BODY)
    connection.close()


def test_a_connection_that_the_server_wants_closed_is_closed(server: IngestServer) -> None:
    server.answer_with(200, {"Connection": "close"})
    connection = IngestConnection(Dsn(server.dsn))
    for _ in range(2):
        assert connection.post(BODY).status == 200
    connection.close()
    assert server.connections == 2


def test_an_answer_of_any_size_does_not_upset_the_next_request(server: IngestServer) -> None:
    server.answer_with(200, body=b"x" * 300_000, times=1)
    connection = IngestConnection(Dsn(server.dsn))
    assert [connection.post(BODY).status for _ in range(2)] == [200, 200]
    connection.close()


def test_a_proxy_from_the_environment_is_used_with_its_password(
    server: IngestServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("http_proxy", f"http://ann:p%40ss@127.0.0.1:{server.port}")
    connection = IngestConnection(Dsn("http://" + "c" * 32 + "@sentry.invalid/42"))
    assert connection.post(BODY).status == 200
    connection.close()
    (request,) = server.requests
    assert request.path == "http://sentry.invalid/api/42/envelope/"
    assert request.headers["host"] == "sentry.invalid"
    assert request.headers["proxy-authorization"] == "Basic YW5uOnBAc3M="


def test_no_proxy_is_obeyed(server: IngestServer, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("http_proxy", "http://127.0.0.1:1")
    monkeypatch.setenv("no_proxy", "127.0.0.1")
    connection = IngestConnection(Dsn(server.dsn))
    assert connection.post(BODY).status == 200
    connection.close()


@pytest.fixture
def tls_server(
    server: IngestServer, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> tuple[IngestServer, Dsn, Path]:
    """A server that speaks TLS, its DSN, and the certificate that nobody trusts yet."""
    if shutil.which("openssl") is None:
        pytest.skip("needs openssl to make a certificate")
    key, certificate = tmp_path / "key.pem", tmp_path / "certificate.pem"
    command = "openssl req -x509 -newkey rsa:2048 -nodes -days 1 -subj /CN=localhost"
    command += f" -addext subjectAltName=DNS:localhost -keyout {key.name} -out {certificate.name}"
    subprocess.run(command.split(), check=True, capture_output=True, cwd=tmp_path)
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(certificate, key)
    server.use_tls(context)
    dsn = Dsn(server.dsn.replace("http://", "https://").replace("127.0.0.1", "localhost"))
    return server, dsn, certificate


def test_https_checks_the_certificate(tls_server: tuple[IngestServer, Dsn, Path]) -> None:
    server, dsn, _ = tls_server
    with pytest.raises(ssl.SSLCertVerificationError):
        IngestConnection(dsn).post(BODY)
    assert server.requests == []


def test_https_is_kept_alive_also_after_a_pause(
    tls_server: tuple[IngestServer, Dsn, Path], monkeypatch: pytest.MonkeyPatch
) -> None:
    server, dsn, certificate = tls_server
    monkeypatch.setenv("SSL_CERT_FILE", str(certificate))
    monkeypatch.setattr(connection_module, "TRUSTED_IDLE_S", -1.0)
    connection = IngestConnection(dsn)
    assert [connection.post(BODY).status for _ in range(3)] == [200] * 3
    assert server.connections == 1
    server.drop(times=1)
    assert connection.post(BODY).status == 200
    connection.close()


def test_https_goes_through_a_proxy_that_sees_only_where_to(
    tls_server: tuple[IngestServer, Dsn, Path], monkeypatch: pytest.MonkeyPatch
) -> None:
    server, dsn, certificate = tls_server
    monkeypatch.setenv("SSL_CERT_FILE", str(certificate))
    heads = []

    def tunnel(client: socket.socket) -> None:
        heads.append(client.recv(65_536))
        with socket.create_connection(("127.0.0.1", server.port)) as upstream:
            client.sendall(b"HTTP/1.1 200 Connection established\r\n\r\n")
            back = threading.Thread(target=_pass_on, args=(upstream, client))
            back.start()
            _pass_on(client, upstream)
            back.join()

    with ScriptedServer(tunnel) as proxy:
        monkeypatch.setenv("https_proxy", f"http://ann:secret@127.0.0.1:{proxy.port}")
        connection = IngestConnection(dsn)
        assert [connection.post(BODY).status for _ in range(2)] == [200, 200]
        connection.close()
    (head,) = heads
    assert head.startswith(b"CONNECT localhost:%d HTTP/1." % server.port)
    assert b"Proxy-Authorization: Basic YW5uOnNlY3JldA==" in head
    assert b"sentry" not in head.lower()
    assert "proxy-authorization" not in server.requests[0].headers


def _pass_on(source: socket.socket, target: socket.socket) -> None:
    try:
        while part := source.recv(65_536):
            target.sendall(part)
        target.shutdown(socket.SHUT_WR)
    except OSError:
        return


def post_to(server: ScriptedServer, host: str = "127.0.0.1") -> IngestConnection:
    return IngestConnection(Dsn(f"http://{'c' * 32}@{host}:{server.port}/42"), timeout_s=5.0)


def test_a_small_request_is_one_packet() -> None:
    parts = []

    def answer(client: socket.socket) -> None:
        parts.append(client.recv(65_536))
        client.sendall(OK)

    with ScriptedServer(answer) as server:
        connection = post_to(server)
        assert connection.post(BODY).status == 200
        connection.close()
    assert parts[0].endswith(b"\r\n\r\n" + BODY)


@pytest.mark.parametrize(
    "answer",
    [
        b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n2\r\n{}\r\n0\r\n\r\n",
        b"HTTP/1.1 100 Continue\r\n\r\n" + OK,
        b"HTTP/1.1 204 No Content\r\n\r\n",
    ],
)
def test_unusual_answers_leave_the_connection_usable(answer: bytes) -> None:
    def answer_twice(client: socket.socket) -> None:
        for _ in range(2):
            read_request(client)
            client.sendall(answer)

    with ScriptedServer(answer_twice) as server:
        connection = post_to(server)
        assert [connection.post(BODY).status // 100 for _ in range(2)] == [2, 2]
        connection.close()
        assert server.connections == 1


def test_an_answer_whose_head_and_body_come_apart_is_read() -> None:
    def answer(client: socket.socket) -> None:
        for _ in range(3):
            read_request(client)
            client.sendall(OK[:-2])
            client.sendall(OK[-2:])

    with ScriptedServer(answer) as server:
        connection = post_to(server)
        assert [connection.post(BODY).status for _ in range(3)] == [200] * 3
        connection.close()


def test_a_farewell_that_came_while_idle_is_not_taken_for_the_answer(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(connection_module, "TRUSTED_IDLE_S", -1.0)
    answered, parted = threading.Event(), threading.Event()

    def part(client: socket.socket) -> None:
        read_request(client)
        client.sendall(OK)
        answered.wait(5)
        client.sendall(b"HTTP/1.1 408 Request Timeout\r\nContent-Length: 0\r\nConnection: close\r\n\r\n")
        parted.set()

    with ScriptedServer(part, _answer_once) as server:
        connection = post_to(server)
        assert connection.post(BODY).status == 200
        answered.set()
        assert parted.wait(5)
        assert connection.post(BODY).status == 200
        connection.close()
        assert server.connections == 2


def _answer_once(client: socket.socket) -> None:
    read_request(client)
    client.sendall(OK)


def test_what_a_server_says_before_it_has_read_all_is_heard() -> None:
    def refuse(client: socket.socket) -> None:
        client.recv(1000)
        client.sendall(b"HTTP/1.1 413 Payload Too Large\r\nConnection: close\r\n\r\n")

    with ScriptedServer(refuse, _answer_once) as server:
        connection = post_to(server)
        assert connection.post(os.urandom(8_000_000)).status == 413
        assert connection.post(BODY).status == 200
        connection.close()


def _break_off(client: socket.socket) -> None:
    read_request(client)
    client.sendall(OK[:12])


def _say_nothing(client: socket.socket) -> None:
    read_request(client)
    assert client.recv(1) == b""


@pytest.mark.parametrize(
    ("script", "timeout_s", "failure"),
    [(_break_off, 5.0, IncompleteRead), (_say_nothing, 0.05, TimeoutError)],
)
def test_a_server_that_breaks_off_or_hangs_is_a_failure_and_the_next_post_starts_afresh(
    script: Script, timeout_s: float, failure: type[Exception]
) -> None:
    with ScriptedServer(script, _answer_once) as server:
        connection = IngestConnection(
            Dsn(f"http://{'c' * 32}@127.0.0.1:{server.port}/42"), timeout_s=timeout_s
        )
        with pytest.raises(failure):
            connection.post(BODY)
        assert server.connections == 1
        connection.close()
        again = post_to(server)
        assert again.post(BODY).status == 200
        again.close()


def test_an_interrupted_post_fails_at_once_and_so_does_every_later_one() -> None:
    came = threading.Event()

    def hang(client: socket.socket) -> None:
        read_request(client)
        came.set()
        assert client.recv(1) == b""

    failures: list[Exception] = []

    def post() -> None:
        for _ in range(2):
            try:
                connection.post(BODY)
            except (OSError, HTTPException) as failure:
                failures.append(failure)

    with ScriptedServer(hang) as server:
        connection = post_to(server)
        posting = threading.Thread(target=post)
        posting.start()
        assert came.wait(5)
        connection.interrupt()
        posting.join(5)
        assert not posting.is_alive()
    assert len(failures) == 2
    assert server.connections == 1


def _has_ipv6() -> bool:
    try:
        with socket.socket(socket.AF_INET6) as sock:
            sock.bind(("::1", 0))
    except OSError:
        return False
    return True


@pytest.mark.skipif(not _has_ipv6(), reason="needs IPv6 on loopback")
def test_an_ipv6_address_is_reached_and_named_in_brackets() -> None:
    requests = []

    def answer(client: socket.socket) -> None:
        requests.append(read_request(client))
        client.sendall(OK)

    with ScriptedServer(answer, family=socket.AF_INET6) as server:
        connection = post_to(server, "[::1]")
        assert connection.post(BODY).status == 200
        connection.close()
    assert b"\r\nHost: [::1]:%d\r\n" % server.port in requests[0]


def test_health_tells_of_limits_and_of_a_full_queue(server: IngestServer, tmp_path: Path) -> None:
    with delivery(server.dsn, tmp_path) as transport:
        assert transport.is_healthy()
        server.answer_with(200, {"X-Sentry-Rate-Limits": "60:transaction:key"}, times=1)
        transport.capture_envelope(error())
        transport.flush(5)
        assert not transport.is_healthy()
