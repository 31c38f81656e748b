"""The user's own keys and patterns."""

import pytest

from app.observability.scrubbing import Scrubber


def test_an_own_key_is_scrubbed() -> None:
    assert Scrubber(extra_keys=["badge number"]).scrub({"badgeNumber": "B-17"}).payload == {
        "badgeNumber": "[Filtered]"
    }


def test_an_own_pattern_is_scrubbed_in_every_string() -> None:
    scrubber = Scrubber(extra_keys=["re:BADGE-[0-9]{6}"])
    assert scrubber.scrub({"m": "saw BADGE-123456 here"}).payload == {"m": "saw [Filtered:custom] here"}


def test_an_allowed_key_is_left_alone() -> None:
    assert Scrubber(allow_keys=["token"]).scrub({"token": "plain-value"}).payload == {"token": "plain-value"}


@pytest.mark.parametrize(
    ("pattern", "reason"),
    [
        ("re:[", "no regular expression"),
        ("re:x*", "matches the empty string"),
        ("re:(a+)+b", "run for ever"),
        ("re:(a|a)*b", "run for ever"),
        ("re:" + "a" * 300, "longer than"),
        ("  ", "empty"),
    ],
)
def test_a_bad_pattern_is_refused_with_a_reason_and_an_example(pattern: str, reason: str) -> None:
    with pytest.raises(ValueError, match=reason) as caught:
        Scrubber(extra_keys=[pattern])
    assert "re:BADGE-[0-9]{6}" in str(caught.value)


def test_lists_given_to_the_scrubber_are_not_changed() -> None:
    extra, allow = ["badge"], ["token"]
    Scrubber(extra, allow)
    Scrubber(extra, allow)
    assert (extra, allow) == (["badge"], ["token"])


def test_an_unknown_kind_is_refused() -> None:
    with pytest.raises(ValueError, match="unknown kind"):
        Scrubber().scrub({}, kind="evnet")
