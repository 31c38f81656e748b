"""Facts about httpx that `upstream.py` and `upstreamfailures.py` rely on."""

from collections.abc import Callable
from typing import Any

import httpx
import pytest

pytestmark = pytest.mark.anyio


def redirecting(request: httpx.Request) -> httpx.Response:
    if request.url.host == "a.example":
        return httpx.Response(302, headers={"location": "http://b.example/"})
    return httpx.Response(200)


async def test_every_way_to_call_goes_through_send_once(monkeypatch: pytest.MonkeyPatch) -> None:
    sent: list[str] = []
    send = httpx.AsyncClient.send

    async def watched(client: Any, request: httpx.Request, **options: Any) -> httpx.Response:
        sent.append(request.url.host)
        return await send(client, request, **options)

    monkeypatch.setattr(httpx.AsyncClient, "send", watched)
    transport = httpx.MockTransport(redirecting)
    async with httpx.AsyncClient(transport=transport, follow_redirects=True) as client:
        await client.get("http://a.example")
        await client.request("POST", "http://a.example")
        async with client.stream("GET", "http://a.example"):
            pass

    assert sent == ["a.example"] * 3


def test_request_hooks_run_for_each_hop_and_extensions_come_along() -> None:
    hops: list[tuple[str, object]] = []

    def hook(request: httpx.Request) -> None:
        hops.append((request.url.host, request.extensions.get("ours")))
        request.headers["sentry-trace"] = "set by a hook"

    arrived: list[httpx.Request] = []

    def handle(request: httpx.Request) -> httpx.Response:
        arrived.append(request)
        return redirecting(request)

    client = httpx.Client(transport=httpx.MockTransport(handle), follow_redirects=True)
    client.event_hooks = {**client.event_hooks, "request": [hook]}
    client.get("http://a.example", extensions={"ours": "mark"})

    assert hops == [("a.example", "mark"), ("b.example", "mark")]
    assert arrived[1].headers["sentry-trace"] == "set by a hook"


def test_headers_follow_a_redirect_to_another_host() -> None:
    """Why trace headers have to be taken off again."""
    arrived: list[httpx.Request] = []

    def handle(request: httpx.Request) -> httpx.Response:
        arrived.append(request)
        return redirecting(request)

    client = httpx.Client(transport=httpx.MockTransport(handle), follow_redirects=True)
    client.get("http://a.example", headers={"sentry-trace": "ours", "authorization": "Bearer x"})

    assert arrived[1].headers["sentry-trace"] == "ours"
    assert "authorization" not in arrived[1].headers


@pytest.mark.parametrize(
    ("url", "host", "port"),
    [
        ("http://ann:word@API.example:80/x", "api.example", None),
        ("http://api.example:8080", "api.example", 8080),
        ("https://[::1]:443/", "::1", None),
    ],
)
def test_a_url_gives_host_and_port_without_the_rest(url: str, host: str, port: int | None) -> None:
    parsed = httpx.URL(url)

    assert (parsed.host, parsed.port) == (host, port)


def test_the_names_by_which_failures_are_told_apart_exist() -> None:
    from app.observability import upstreamfailures

    for name in upstreamfailures._BY_NAME:
        assert issubclass(getattr(httpx, name), httpx.RequestError), name
    for name in ("HTTPStatusError", "ConnectError", "RemoteProtocolError"):
        assert issubclass(getattr(httpx, name), httpx.HTTPError), name


def test_every_error_of_a_call_has_a_kind() -> None:
    from app.observability.upstreamfailures import classify

    leaves: list[type[httpx.RequestError]] = []

    def collect(kind: type[httpx.RequestError]) -> None:
        subclasses = kind.__subclasses__()
        if not subclasses:
            leaves.append(kind)
        for each in subclasses:
            collect(each)

    collect(httpx.RequestError)
    assert len(leaves) > 10
    for kind in leaves:
        make: Callable[[str], BaseException] = kind
        assert classify(make("text")) is not None, kind
