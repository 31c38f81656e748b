"""The API client: pages, retries, and words for every refusal; the token never leaves its origin or shows."""

from collections.abc import Iterator
from typing import Any

import pytest
from pydantic import SecretStr

from app.observability.ops.api import SentryApi, SentryApiError
from tests.support.fake_sentry_api import ORG, PROJECT, USER_TOKEN, FakeSentryApi


@pytest.fixture
def sentry() -> Iterator[FakeSentryApi]:
    with FakeSentryApi(page_size=2) as fake:
        yield fake


def client(sentry: FakeSentryApi, waits: list[float] | None = None, **options: Any) -> SentryApi:
    return SentryApi(
        url=sentry.url,
        org=ORG,
        project=PROJECT,
        token=SecretStr(USER_TOKEN),
        sleep=(waits if waits is not None else []).append,
        **options,
    )


def _call(api: SentryApi, method: str) -> None:
    if method == "GET":
        api.get(f"{api.project_path}/", scope="project:read")
    else:
        api.post(f"{api.org_path}/workflows/", {"name": "x"}, scope="alerts:write")


def refused(sentry: FakeSentryApi, method: str = "GET", **options: Any) -> str:
    with client(sentry, **options) as api, pytest.raises(SentryApiError) as caught:
        _call(api, method)
    assert USER_TOKEN not in str(caught.value)
    return str(caught.value)


def test_every_page_of_a_list_is_read(sentry: FakeSentryApi) -> None:
    for number in range(7):
        sentry.add_workflow({"name": f"alert {number}"})
    with client(sentry) as api:
        found = [item["name"] for item in api.pages(f"{api.org_path}/workflows/", scope="alerts:read")]
    assert found == [f"alert {number}" for number in range(7)]
    assert len(sentry.calls) == 4


def test_a_list_that_never_ends_is_left(sentry: FakeSentryApi) -> None:
    link = '<x>; rel="next"; results="true"; cursor="0:2:0"'
    sentry.fail("GET", "/workflows/", 200, body="[]", headers={"Link": link}, times=9)
    with client(sentry) as api, pytest.raises(SentryApiError, match="does not end"):
        list(api.pages(f"{api.org_path}/workflows/", scope="alerts:read"))


@pytest.mark.parametrize(
    ("status", "expected"),
    [
        (400, "refused GET"),
        (401, "mistyped, expired or revoked"),
        (403, "needs the scope project:read"),
        (404, "Check SENTRY_ORG=acme and SENTRY_PROJECT=streamapi"),
        (409, "Run it again"),
        (302, "the token is not sent there"),
    ],
)
def test_a_refusal_says_what_to_do(sentry: FakeSentryApi, status: int, expected: str) -> None:
    sentry.fail("GET", "/projects/", status, headers={"Location": "http://elsewhere.invalid/"})
    message = refused(sentry)
    assert expected in message
    assert "made to fail" in message or status == 302
    assert len(sentry.calls) == 1


def test_the_token_is_cut_out_of_what_sentry_repeats(sentry: FakeSentryApi) -> None:
    sentry.fail("GET", "/projects/", 400, body=f'{{"detail": "bad token {USER_TOKEN}"}}')
    assert "bad token [token]" in refused(sentry)


def test_429_waits_as_long_as_sentry_asks_and_goes_on(sentry: FakeSentryApi) -> None:
    sentry.fail("GET", "/projects/", 429, headers={"Retry-After": "2.5"})
    waits = list[float]()
    with client(sentry, waits) as api:
        assert api.get(f"{api.project_path}/", scope="project:read")["slug"] == PROJECT
    assert waits == [2.5]


def test_429_with_a_long_wait_is_given_up_at_once(sentry: FakeSentryApi) -> None:
    sentry.fail("GET", "/projects/", 429, headers={"Retry-After": "3600"})
    assert "slow down" in refused(sentry)
    assert len(sentry.calls) == 1


def test_reading_is_tried_three_times_when_sentry_has_a_fault(sentry: FakeSentryApi) -> None:
    sentry.fail("GET", "/projects/", 503, times=2)
    with client(sentry) as api:
        api.get(f"{api.project_path}/", scope="project:read")
    assert len(sentry.calls) == 3
    sentry.fail("GET", "/projects/", 503, times=3)
    assert "fault of its own (503" in refused(sentry)


def test_creating_is_not_repeated_when_sentry_has_a_fault(sentry: FakeSentryApi) -> None:
    sentry.fail("POST", "/workflows/", 502, times=3)
    assert "502" in refused(sentry, "POST")
    assert len(sentry.calls) == 1


def test_a_timeout_of_a_creation_says_that_it_may_have_happened(sentry: FakeSentryApi) -> None:
    sentry.fail("POST", "/workflows/", 500, hang_s=0.5)
    assert "may have been created" in refused(sentry, "POST", timeout_s=0.05)


def test_all_calls_together_keep_to_their_budget(sentry: FakeSentryApi) -> None:
    sentry.fail("GET", "/projects/", 500, hang_s=1.5, times=9)
    assert "in time" in refused(sentry, budget_s=0.5)
    assert len(sentry.calls) == 1


def test_html_in_place_of_json_hints_at_a_wrong_address(sentry: FakeSentryApi) -> None:
    sentry.fail("GET", "/projects/", 200, body="<html>hello</html>")
    assert "no JSON" in refused(sentry)


def test_a_closed_port_is_explained() -> None:
    with FakeSentryApi() as fake:
        pass
    assert "can't be reached" in refused(fake)


def test_deleting_what_is_gone_is_fine_and_other_refusals_are_not(sentry: FakeSentryApi) -> None:
    number = sentry.add_workflow({"name": "x"})
    with client(sentry) as api:
        for _ in range(2):
            api.delete(f"{api.org_path}/workflows/{number}/", scope="alerts:write")
        sentry.fail("DELETE", "/workflows/", 403)
        with pytest.raises(SentryApiError, match="needs the scope alerts:write"):
            api.delete(f"{api.org_path}/workflows/1/", scope="alerts:write")
    assert sentry.workflows == {}


def test_something_else_in_place_of_a_list_hints_at_a_wrong_address(sentry: FakeSentryApi) -> None:
    sentry.fail("GET", "/workflows/", 200, body='{"hello": 1}')
    with client(sentry) as api, pytest.raises(SentryApiError, match="no list"):
        list(api.pages(f"{api.org_path}/workflows/", scope="alerts:read"))
