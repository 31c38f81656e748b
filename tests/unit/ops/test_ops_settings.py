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
        ("https://k@o1.ingest.de.sentry.io./2", "https://de.sentry.io"),
        (None, None),
    ],
)
def test_the_api_is_where_the_dsn_points(dsn: str | None, origin: str | None) -> None:
    assert origin_of_dsn(dsn) == origin
    assert OpsSettings().api_url(dsn) == (origin or "https://sentry.io")


@pytest.mark.parametrize(
    "dsn", ["nonsense", "https://k@host:port/2", "https:/k@sentry.example.com/2", "https://k@.invalid./2"]
)
def test_a_mistyped_dsn_never_sends_the_token_to_sentrys_cloud(dsn: str) -> None:
    assert origin_of_dsn(dsn) != "https://sentry.io"
    with pytest.raises(OpsConfigError, match="SENTRY_DSN"):
        OpsSettings().api_url(dsn)


def test_a_dsn_in_clear_text_asks_for_an_address(monkeypatch: pytest.MonkeyPatch) -> None:
    with pytest.raises(OpsConfigError, match="Set SENTRY_URL"):
        OpsSettings().api_url("http://k@sentry.example.com/2")
    monkeypatch.setenv("SENTRY_URL", "https://sentry.example.com")
    assert OpsSettings().api_url("http://k@sentry.example.com/2") == "https://sentry.example.com"


def test_a_set_address_wins_over_the_dsn(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SENTRY_URL", ' "https://eu.example.com/" ')
    assert OpsSettings().api_url("https://k@o1.ingest.sentry.io/2") == "https://eu.example.com"


@pytest.mark.parametrize(
    "url",
    [
        "http://sentry.io",
        "http://127.example.com",
        "ftp://x",
        "sentry.io",
        "https://a@b",
        "http://[::1",
        "https://sentry.io:abc",
        "https://sentry.io:99999",
        "https://sen try.io",
        "https://.sentry.io",
        "https://sentry.io?x=1",
        "https://sentry.io#x",
    ],
)
def test_an_address_that_is_none_or_unsafe_is_refused(monkeypatch: pytest.MonkeyPatch, url: str) -> None:
    monkeypatch.setenv("SENTRY_URL", url)
    with pytest.raises(OpsConfigError, match="SENTRY_URL must"):
        OpsSettings().api_url()


@pytest.mark.parametrize("path", ["/api/0", "/api/0/", "/organizations/acme"])
def test_an_address_with_a_path_says_to_drop_it(monkeypatch: pytest.MonkeyPatch, path: str) -> None:
    monkeypatch.setenv("SENTRY_URL", f"https://sentry.io{path}")
    with pytest.raises(OpsConfigError, match="drop the path"):
        OpsSettings().api_url()
    assert list(OpsSettings().faults()) == ["SENTRY_URL"]


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("SENTRY_AUTH_TOKEN", "sntrys_" + "ключ"),
        ("SENTRY_AUTH_TOKEN", "sntrys_" + "a b"),
        ("SENTRY_AUTH_TOKEN", "sntrys_" + "a\nb"),
        ("SENTRY_ORG", "my company"),
        ("SENTRY_ORG", "https://acme.sentry.io"),
        ("SENTRY_PROJECT", "проект"),
    ],
)
def test_what_can_not_work_is_named_and_not_repeated(
    monkeypatch: pytest.MonkeyPatch, name: str, value: str
) -> None:
    monkeypatch.setenv(name, value)
    (found,) = OpsSettings().faults().items()
    assert found[0] == name
    assert name in found[1]
    assert value not in found[1]


def test_right_variables_have_no_fault(monkeypatch: pytest.MonkeyPatch) -> None:
    for name, value in {"ORG": "acme-2", "PROJECT": "4501", "AUTH_TOKEN": "sntrys_eyJ=_x+/"}.items():
        monkeypatch.setenv(f"SENTRY_{name}", value)
    monkeypatch.setenv("SENTRY_URL", "https://sentry.example.com:8443/")
    assert OpsSettings().faults() == {}
    assert OpsSettings().api_url() == "https://sentry.example.com:8443"


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
