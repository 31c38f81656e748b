"""Who may open the module's pages."""

import base64
from typing import Any

import pytest

from app.observability import ObservabilitySettings
from app.observability.access import IN_ALL, PER_ADDRESS, Access, RateLimit, address_of, is_local

TOKEN = "-".join(("open", "the", "test", "page", "please"))


def scope(host: str = "127.0.0.1", **headers: str) -> dict[str, Any]:
    named = [(name.replace("_", "-").encode(), value.encode()) for name, value in headers.items()]
    return {"type": "http", "client": (host, 1), "headers": named}


def basic(password: str) -> str:
    return "Basic " + base64.b64encode(f"anyone:{password}".encode()).decode()


def settings(environment: str, *, with_token: bool) -> ObservabilitySettings:
    return ObservabilitySettings(environment=environment, test_token=TOKEN if with_token else None)


@pytest.mark.parametrize("host", ["127.0.0.1", "127.8.9.1", "::1", "::ffff:127.0.0.1"])
def test_a_loopback_peer_is_local(host: str) -> None:
    assert is_local(scope(host))


@pytest.mark.parametrize("name", ["x_forwarded_for", "forwarded", "x_real_ip", "x_forwarded_host", "via"])
def test_a_peer_that_a_proxy_speaks_for_is_not_local(name: str) -> None:
    assert not is_local(scope("127.0.0.1", **{name: "127.0.0.1"}))


@pytest.mark.parametrize("host", ["10.0.0.1", "192.0.2.1", "testclient", "::2"])
def test_any_other_peer_is_not_local(host: str) -> None:
    assert not is_local(scope(host))


@pytest.mark.parametrize(
    ("environment", "with_token", "given", "test_page", "insides"),
    [
        ("development", False, {}, 200, 200),
        ("development", False, {"x_forwarded_for": "192.0.2.1"}, 404, 404),
        ("staging", False, {}, 200, 404),
        ("staging", True, {}, 401, 401),
        ("staging", True, {"authorization": f"Bearer {TOKEN}"}, 200, 200),
        ("production", False, {}, 404, 404),
        ("production", True, {}, 401, 401),
        ("production", True, {"authorization": f"Bearer {TOKEN}"}, 200, 200),
        ("production", True, {"authorization": basic(TOKEN)}, 200, 200),
        ("production", True, {"authorization": basic(TOKEN + "x")}, 401, 401),
        ("production", True, {"authorization": "Basic %%%"}, 401, 401),
        ("production", True, {"authorization": "Bearer "}, 401, 401),
    ],
)
def test_the_rules_hold(
    environment: str, with_token: bool, given: dict[str, str], test_page: int, insides: int
) -> None:
    access = Access(settings(environment, with_token=with_token))
    assert access.to_test(scope(**given)) == test_page
    assert access.to_insides(scope(**given)) == insides


def test_one_address_is_stopped_and_let_in_again_after_a_minute() -> None:
    now = [0.0]
    limit = RateLimit(lambda: now[0])
    assert [limit.wait_s("a") for _ in range(PER_ADDRESS)] == [0.0] * PER_ADDRESS
    now[0] = 20.0
    assert limit.wait_s("a") == 40.0
    assert limit.wait_s("b") == 0.0
    now[0] = 60.0
    assert limit.wait_s("a") == 0.0


def test_all_addresses_together_are_stopped() -> None:
    limit = RateLimit(lambda: 5.0)
    assert not any(limit.wait_s(str(number)) for number in range(IN_ALL))
    assert limit.wait_s("one more") == 60.0


def test_the_address_comes_from_a_header_only_if_ops_name_it() -> None:
    forged = scope("192.0.2.7", x_real_ip="198.51.100.1")
    assert address_of(forged, ObservabilitySettings()) == "192.0.2.7"
    assert address_of(forged, ObservabilitySettings(client_ip_header="X-Real-IP")) == "198.51.100.1"
