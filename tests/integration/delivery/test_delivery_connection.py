"""The connection: kept alive, replaced when it breaks, over TLS and through a proxy."""

import shutil
import ssl
import subprocess
from collections.abc import Iterator
from http.client import HTTPException
from pathlib import Path

import pytest
from sentry_sdk.utils import Dsn

from app.observability.delivery.connection import IngestConnection
from tests.support.deliveries import delivery, error, transaction
from tests.support.ingest import IngestServer

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
    assert connection.post(BODY, encoding=None).status == 200
    server.drop(times=1)
    assert connection.post(BODY, encoding=None).status == 200
    connection.close()
    assert server.connections == 2


def test_a_server_that_cuts_every_connection_is_a_failure(server: IngestServer) -> None:
    connection = IngestConnection(Dsn(server.dsn))
    server.drop()
    with pytest.raises((OSError, HTTPException)):
        connection.post(BODY, encoding=None)
    connection.close()


def test_a_connection_that_the_server_wants_closed_is_closed(server: IngestServer) -> None:
    server.answer_with(200, {"Connection": "close"})
    connection = IngestConnection(Dsn(server.dsn))
    for _ in range(2):
        assert connection.post(BODY, encoding=None).status == 200
    connection.close()
    assert server.connections == 2


def test_an_answer_of_any_size_does_not_upset_the_next_request(server: IngestServer) -> None:
    server.answer_with(200, body=b"x" * 300_000, times=1)
    connection = IngestConnection(Dsn(server.dsn))
    assert [connection.post(BODY, encoding=None).status for _ in range(2)] == [200, 200]
    connection.close()


def test_a_proxy_from_the_environment_is_used_with_its_password(
    server: IngestServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("http_proxy", f"http://ann:p%40ss@127.0.0.1:{server.port}")
    connection = IngestConnection(Dsn("http://" + "c" * 32 + "@sentry.invalid/42"))
    assert connection.post(BODY, encoding=None).status == 200
    connection.close()
    (request,) = server.requests
    assert request.path == "http://sentry.invalid/api/42/envelope/"
    assert request.headers["host"] == "sentry.invalid"
    assert request.headers["proxy-authorization"] == "Basic YW5uOnBAc3M="


def test_no_proxy_is_obeyed(server: IngestServer, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("http_proxy", "http://127.0.0.1:1")
    monkeypatch.setenv("no_proxy", "127.0.0.1")
    connection = IngestConnection(Dsn(server.dsn))
    assert connection.post(BODY, encoding=None).status == 200
    connection.close()


@pytest.mark.skipif(shutil.which("openssl") is None, reason="needs openssl to make a certificate")
def test_https_checks_the_certificate(
    server: IngestServer, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    key, certificate = tmp_path / "key.pem", tmp_path / "certificate.pem"
    command = "openssl req -x509 -newkey rsa:2048 -nodes -days 1 -subj /CN=localhost"
    command += f" -addext subjectAltName=DNS:localhost -keyout {key.name} -out {certificate.name}"
    subprocess.run(command.split(), check=True, capture_output=True, cwd=tmp_path)
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(certificate, key)
    server.use_tls(context)
    dsn = Dsn(server.dsn.replace("http://", "https://").replace("127.0.0.1", "localhost"))
    with pytest.raises(ssl.SSLCertVerificationError):
        IngestConnection(dsn).post(BODY, encoding=None)
    monkeypatch.setenv("SSL_CERT_FILE", str(certificate))
    connection = IngestConnection(dsn)
    assert [connection.post(BODY, encoding=None).status for _ in range(2)] == [200, 200]
    connection.close()


def test_health_tells_of_limits_and_of_a_full_queue(server: IngestServer, tmp_path: Path) -> None:
    with delivery(server.dsn, tmp_path) as transport:
        assert transport.is_healthy()
        server.answer_with(200, {"X-Sentry-Rate-Limits": "60:transaction:key"}, times=1)
        transport.capture_envelope(error())
        transport.flush(5)
        assert not transport.is_healthy()
