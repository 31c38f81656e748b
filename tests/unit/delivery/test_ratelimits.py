import pytest
from hypothesis import given
from hypothesis import strategies as st

from app.observability.delivery.ratelimits import RateLimits, parse_limits, parse_retry_after

NOW = 1000.0


def learned(status: int = 429, sent: str = "error", **headers: str) -> RateLimits:
    limits = RateLimits()
    named = {name.replace("_", "-"): value for name, value in headers.items()}
    limits.learn(status, named, sent=sent, now=NOW, wall=0.0)
    return limits


def test_seconds_may_have_a_fraction() -> None:
    limits = learned(x_sentry_rate_limits="60.5:error:organization")
    assert limits.is_limited("error", NOW + 60.4)
    assert not limits.is_limited("error", NOW + 60.6)
    assert not limits.is_limited("transaction", NOW)


def test_each_category_has_its_own_limit_and_spaces_do_not_matter() -> None:
    limits = learned(
        x_sentry_rate_limits="60:transaction;span:key, 2700 : feedback ; error:organization:quota"
    )
    assert limits.active(NOW) == {"error": 2700.0, "feedback": 2700.0, "span": 60.0, "transaction": 60.0}


def test_a_limit_without_categories_holds_for_all() -> None:
    limits = learned(200, x_sentry_rate_limits="10::organization")
    assert limits.is_limited("anything", NOW)
    assert limits.is_limited("internal", NOW)


def test_a_limit_may_come_with_an_answer_of_200() -> None:
    assert learned(200, x_sentry_rate_limits="86400:transaction:organization").is_limited(
        "transaction", NOW + 86399
    )


def test_the_longer_of_two_limits_is_kept() -> None:
    limits = learned(x_sentry_rate_limits="60:error:key, 10:error:key")
    limits.learn(200, {"x-sentry-rate-limits": "5:error:key"}, sent="error", now=NOW, wall=0.0)
    assert limits.until("error") == NOW + 60


@pytest.mark.parametrize(("header", "seconds"), [("30", 30.0), ("2.5", 2.5), ("", 60.0), ("soon", 60.0)])
def test_a_429_with_only_retry_after_limits_everything(header: str, seconds: float) -> None:
    assert learned(retry_after=header).active(NOW) == {"all": seconds}


def test_retry_after_may_be_a_date() -> None:
    assert parse_retry_after("Thu, 01 Jan 1970 00:02:00 GMT", wall=30.0) == 90.0


def test_a_429_whose_header_names_only_other_categories_still_stops_what_was_sent() -> None:
    limits = learned(x_sentry_rate_limits="60:replay:key", retry_after="7")
    assert limits.is_limited("error", NOW + 6)
    assert not limits.is_limited("transaction", NOW)


def test_a_header_that_cannot_be_read_does_not_switch_off_the_fallback() -> None:
    assert learned(x_sentry_rate_limits="x:error:key", retry_after="9").active(NOW) == {"all": 9.0}


@pytest.mark.parametrize("seconds", ["nan", "inf", "-1", ""])
def test_seconds_that_mean_nothing_are_left_out(seconds: str) -> None:
    assert list(parse_limits(f"{seconds}:error:key")) == []


def test_a_limit_of_centuries_is_cut_to_a_month() -> None:
    assert list(parse_limits("1e300:error:key")) == [("error", 31 * 86400.0)]


@given(st.text(max_size=200), st.text(max_size=50), st.sampled_from([200, 429, 500]))
def test_no_header_whatever_it_holds_does_harm(header: str, retry_after: str, status: int) -> None:
    limits = learned(status, x_sentry_rate_limits=header, retry_after=retry_after)
    assert all(0 <= left <= 31 * 86400.0 for left in limits.active(NOW).values())
    assert status != 429 or limits.until("error") >= NOW


def test_a_server_that_invents_categories_cannot_fill_the_memory() -> None:
    limits = learned(200, x_sentry_rate_limits=",".join(f"60:c{n}:key" for n in range(1000)))
    assert len(limits.active(NOW)) == 64
