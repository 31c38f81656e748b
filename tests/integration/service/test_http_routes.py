"""What the HTTP routes answer, to whom."""

import asyncio

import httpx
import pytest

from app.models import Tier
from tests.support.service import Service, StartService

pytestmark = pytest.mark.anyio


async def test_health_tells_the_mode_and_needs_no_key(service: Service) -> None:
    answer = await service.client.get("/health")
    assert answer.status_code == 200
    assert answer.json() == {"status": "ok", "observability": "off", "database": "up"}


async def test_discovery_lists_the_catalogue(service: Service) -> None:
    answer = await service.client.get("/api/discovery", headers=service.key("free"))
    assert answer.status_code == 200
    body = answer.json()
    assert body["count"] == 4
    assert [api["name"] for api in body["apis"]] == ["broken", "failing", "fast", "slow"]
    assert all(set(api) == {"name", "category", "description"} for api in body["apis"])


async def test_discovery_of_one_category(service: Service) -> None:
    answer = await service.client.get("/api/discovery?category=data", headers=service.key("free"))
    assert [api["name"] for api in answer.json()["apis"]] == ["fast", "slow"]
    answer = await service.client.get("/api/discovery?category=none", headers=service.key("free"))
    assert answer.json() == {"count": 0, "apis": []}


async def test_orchestration_returns_results_failures_and_timings(service: Service) -> None:
    answer = await service.client.post(
        "/api/orchestrate",
        json={"apis": ["fast", "slow", "failing"], "input": {"delay_ms": 2}},
        headers=service.key("premium"),
    )
    assert answer.status_code == 200
    body = answer.json()
    assert body["results"] == {"fast": {"echo": {"delay_ms": 2}}, "slow": {"echo": {"delay_ms": 2}}}
    assert body["failures"] == {"failing": {"reason": "answered 503", "status": 503}}
    assert set(body["timings_ms"]) == {"fast", "slow", "failing"}
    assert all(duration >= 0 for duration in body["timings_ms"].values())


async def test_an_upstream_that_is_too_slow_is_a_failure_of_its_own(service: Service) -> None:
    answer = await service.client.post(
        "/api/orchestrate",
        json={"apis": ["slow", "fast"], "input": {"delay_ms": 9000}},
        headers=service.key("free"),
    )
    body = answer.json()
    assert set(body["results"]) == {"fast"}
    assert body["failures"] == {"slow": {"reason": "no answer within 0.5 s", "status": None}}


async def test_the_adapter_with_the_deliberate_bug_fails_for_real(service: Service) -> None:
    answer = await service.client.post(
        "/api/orchestrate", json={"apis": ["broken"], "input": {}}, headers=service.key("premium")
    )
    assert answer.status_code == 500


async def test_that_failure_quotes_what_the_client_sent(service: Service) -> None:
    transport = httpx.ASGITransport(service.app)
    async with httpx.AsyncClient(transport=transport, base_url="http://service.test") as client:
        with pytest.raises(ValueError, match="hush-hush"):
            await client.post(
                "/api/orchestrate",
                json={"apis": ["broken"], "input": {"password": "hush-hush"}},
                headers=service.key("premium"),
            )


@pytest.mark.parametrize(
    ("body", "status", "detail"),
    [
        ({"apis": ["fast", "nope", "never"]}, 404, "Not in the catalogue: nope, never"),
        ({"apis": ["fast", "http://169.254.169.254/"]}, 404, "Not in the catalogue: http://169.254.169.254/"),
        (
            {"apis": ["fast", "slow", "failing", "a", "b", "c"]},
            402,
            "The premium tier allows 5 APIs in a request, not 6",
        ),
    ],
)
async def test_what_cannot_be_orchestrated_is_explained(
    service: Service, body: dict[str, object], status: int, detail: str
) -> None:
    answer = await service.client.post("/api/orchestrate", json=body, headers=service.key("premium"))
    assert (answer.status_code, answer.json()["detail"]) == (status, detail)


@pytest.mark.parametrize("body", [{}, {"apis": []}, {"apis": "fast"}, {"apis": ["fast"], "input": 1}])
async def test_a_body_of_another_shape_is_422(service: Service, body: dict[str, object]) -> None:
    answer = await service.client.post("/api/orchestrate", json=body, headers=service.key("free"))
    assert answer.status_code == 422


@pytest.mark.parametrize("tier", list(Tier))
async def test_each_tier_has_a_limit_of_its_own(service: Service, tier: Tier) -> None:
    too_many = [f"api-{number}" for number in range(tier.apis_per_request + 1)]
    headers = service.key(tier)
    over = await service.client.post("/api/orchestrate", json={"apis": too_many}, headers=headers)
    within = await service.client.post("/api/orchestrate", json={"apis": too_many[1:]}, headers=headers)
    assert (over.status_code, within.status_code) == (402, 404)


@pytest.mark.parametrize(
    "headers",
    [
        {},
        {"X-API-Key": "streamapi_wrong"},
        {"X-API-Key": ""},
        {"Authorization": "Bearer streamapi_wrong"},
        {"Authorization": "Bearer"},
        {"Authorization": "Basic c3RyZWFtYXBp"},
    ],
)
@pytest.mark.parametrize(("method", "path"), [("GET", "/api/discovery"), ("POST", "/api/orchestrate")])
async def test_without_a_valid_key_nothing_is_served(
    service: Service, method: str, path: str, headers: dict[str, str]
) -> None:
    answer = await service.client.request(method, path, headers=headers, json={"apis": ["fast"]})
    assert answer.status_code == 401
    assert answer.headers["WWW-Authenticate"] == "Bearer"


async def test_a_key_in_the_query_does_not_open_http_routes(service: Service) -> None:
    answer = await service.client.get("/api/discovery", params={"api_key": service.keys["free"]})
    assert answer.status_code == 401


async def test_a_bearer_token_is_as_good_as_the_header(service: Service) -> None:
    headers = {"Authorization": f"bearer {service.keys['free']}"}
    assert (await service.client.get("/api/discovery", headers=headers)).status_code == 200


@pytest.mark.parametrize(
    ("path", "status"), [("fast", 200), ("slow", 200), ("failing", 503), ("broken", 200)]
)
async def test_demo_upstreams_can_be_tried_by_hand(service: Service, path: str, status: int) -> None:
    answer = await service.client.post(f"/demo/{path}", json={"input": {"delay_ms": 1}})
    assert answer.status_code == status


async def test_the_documentation_carries_name_and_version(service: Service) -> None:
    from app.observability.version import __version__

    assert "StreamAPI" in (await service.client.get("/docs")).text
    schema = (await service.client.get("/openapi.json")).json()
    assert schema["info"] == {"title": "StreamAPI", "version": __version__}
    assert schema["paths"]["/api/discovery"]["get"]["security"] == [{"APIKeyHeader": []}]


async def test_demo_users_exist_only_in_development(start_service: StartService) -> None:
    async with start_service(environment="production") as service:
        assert service.keys == {}
        assert (await service.client.get("/health")).status_code == 200


async def test_keys_are_shown_at_the_first_start_only(start_service: StartService) -> None:
    async with start_service() as first:
        assert set(first.keys) == {"free", "premium", "enterprise"}
    async with start_service() as second:
        assert second.keys == {}
        headers = first.key("free")
        assert (await second.client.get("/api/discovery", headers=headers)).status_code == 200


async def test_many_users_at_once_are_served(service: Service) -> None:
    async def one(tier: str) -> int:
        answer = await service.client.get("/api/discovery", headers=service.key(tier))
        return answer.status_code

    statuses = await asyncio.gather(*(one(tier) for tier in ("free", "premium", "enterprise") * 20))
    assert set(statuses) == {200}
