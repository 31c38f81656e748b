"""What sentry-sdk makes of options, for which `settings.py` and `sentry.py` make up."""

from typing import Any

import pytest
import sentry_sdk
from sentry_sdk.envelope import Envelope
from sentry_sdk.transport import Transport
from sentry_sdk.utils import BadDsn, is_valid_sample_rate

from app.observability.validation import parse_rate

DSN = "https://" + "0" * 32 + "@o1.ingest.invalid/1"


class Keeping(Transport):
    """A transport that is handed over as an object."""

    def capture_envelope(self, envelope: Envelope) -> None:
        """Keep nothing."""


@pytest.fixture(autouse=True)
def no_variables(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("SENTRY_DSN", "SENTRY_ENVIRONMENT", "SENTRY_RELEASE", "SENTRY_SPOTLIGHT"):
        monkeypatch.delenv(name, raising=False)


def init(**options: Any) -> Any:
    sentry_sdk.init(**{"default_integrations": False, "auto_enabling_integrations": False, **options})
    return sentry_sdk.get_client()


@pytest.mark.parametrize("rate", ["0.5", "10%", "", 10, -1, float("nan")])
def test_a_rate_that_is_none_is_accepted_and_keeps_no_trace(rate: Any) -> None:
    assert not is_valid_sample_rate(rate, source="test")
    init(dsn=DSN, release="1", traces_sample_rate=rate)
    assert sentry_sdk.start_transaction(name="a").sampled is False


@pytest.mark.parametrize("rate", ["", "10", "-1", "nan"])
def test_what_the_sdk_swallows_is_refused_by_us(rate: str) -> None:
    with pytest.raises(ValueError, match=r"."):
        parse_rate(rate)


def test_no_dsn_is_taken_from_the_environment_and_an_empty_one_is_not(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setenv("SENTRY_DSN", DSN)
    assert init(dsn=None, release="1").dsn == DSN
    assert init(dsn="", release="1").transport is None


def test_without_a_dsn_the_sdk_calls_itself_active_all_the_same() -> None:
    """So that OFF has to mean: `init` was not called."""
    assert init(dsn=None, release="1").is_active()
    assert sentry_sdk.is_initialized()


def test_an_empty_dsn_with_a_transport_of_our_own_uses_it() -> None:
    transport = Keeping()
    client = init(dsn="", spotlight=False, release="1", transport=transport)
    assert client.transport is transport


def test_unknown_options_and_a_broken_dsn_raise() -> None:
    with pytest.raises(TypeError):
        init(traces_sampel_rate=1.0)
    with pytest.raises(BadDsn):
        init(dsn='"' + DSN + '"')


def test_integrations_are_those_of_the_list_and_no_others() -> None:
    assert set(init(dsn="", release="1", integrations=[]).integrations) == set()
