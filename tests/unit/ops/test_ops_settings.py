"""Where Sentry's web API is, and that the token never goes there in clear text."""

import pytest

from app.observability.ops.settings import OpsConfigError, OpsSettings, is_loopback, origin_of_dsn, variable


@pytest.fixture(autouse=True)
def no_variables(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("SENTRY_ORG", "SENTRY_PROJECT", "SENTRY_AUTH_TOKEN", "SENTRY_URL"):
        monkeypatch.delenv(name, raising=False)


@pytest.mark.parametrize(
    ("dsn", "origin"),
    [
        ("https://k@o1.ingest.sentry.io/2", "https://sentry.io"),
        ("https://k@o1.ingest.us.sentry.io/2", "https://sentry.io"),
        ("https://k@o1.ingest.de.sentry.io/2", "https://de.sentry.io"),
        ("https://k@sentry.io/2", "https://sentry.io"),
        ("https://k@sentry.example.com/2", "https://sentry.example.com"),
        ("http://k@localhost:9000/2", "http://localhost:9000"),
        ("http://k@[::1]:9000/2", "http://[::1]:9000"),
        ("https://k@notsentry.io/2", "https://notsentry.io"),
        ("nonsense", None),
        ("https://k@host:port/2", None),
        (None, None),
    ],
)
def test_the_api_is_where_the_dsn_points(dsn: str | None, origin: str | None) -> None:
    assert origin_of_dsn(dsn) == origin
    assert OpsSettings().api_url(dsn) == (origin or "https://sentry.io")


def test_a_set_address_wins_over_the_dsn(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SENTRY_URL", ' "https://eu.example.com/" ')
    assert OpsSettings().api_url("https://k@o1.ingest.sentry.io/2") == "https://eu.example.com"


@pytest.mark.parametrize(
    "url", ["http://sentry.io", "http://127.example.com", "ftp://x", "sentry.io", "https://a@b"]
)
def test_an_address_that_is_none_or_unsafe_is_refused(monkeypatch: pytest.MonkeyPatch, url: str) -> None:
    monkeypatch.setenv("SENTRY_URL", url)
    with pytest.raises(OpsConfigError, match="SENTRY_URL must"):
        OpsSettings().api_url()


def test_missing_variables_are_named_and_blanks_count_as_missing(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SENTRY_PROJECT", "  ")
    monkeypatch.setenv("SENTRY_ORG", "acme")
    assert OpsSettings().missing() == ["SENTRY_PROJECT", "SENTRY_AUTH_TOKEN"]


def test_the_token_does_not_show(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SENTRY_AUTH_TOKEN", "sntryu_" + "a" * 20)
    assert "aaaa" not in repr(OpsSettings())


def test_loopback_is_recognized() -> None:
    assert all(map(is_loopback, ("localhost", "a.localhost", "127.0.0.1", "::1")))
    assert not any(map(is_loopback, ("example.com", "10.0.0.1", "localhost.example.com")))


def test_a_variable_is_repaired() -> None:
    assert variable("A", {"A": " 'x' "}) == "x"
    assert variable("A", {"A": ""}) is None
    assert variable("A", {}) is None
