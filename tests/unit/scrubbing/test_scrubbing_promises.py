"""What the scrubber promises whatever it is given."""

import copy

from app.observability.scrubbing import Scrubber, minimal_event, scrub_event, scrub_text


def test_a_value_under_a_telling_key_goes_and_its_neighbours_stay() -> None:
    event = {"extra": {"userPassword": "hunter-two", "order": 7}}
    assert scrub_event(event) == {"extra": {"userPassword": "[Filtered]", "order": 7}}


def test_a_value_found_under_a_telling_key_goes_wherever_else_it_stands() -> None:
    event = {"message": "no luck with hunter-two today", "extra": {"password": "hunter-two"}}
    assert scrub_event(event)["message"] == "no luck with [Filtered] today"


def test_the_input_is_never_changed() -> None:
    event = {"extra": {"password": "hunter-two", "list": [{"token": "abcdefghi1"}]}}
    before = copy.deepcopy(event)
    scrub_event(event)
    assert event == before


def test_it_says_where_something_was_removed_and_never_what() -> None:
    result = Scrubber().scrub({"request": {"headers": {"authorization": "Bearer abcdef123456"}}})
    assert [(removal.path, removal.kind) for removal in result.removed] == [
        ("request.headers.authorization", "key")
    ]


def test_text_names_the_rule() -> None:
    assert scrub_text("mail jane.doe@corp.example now") == "mail [Filtered:email] now"


def test_a_minimal_event_survives_anything() -> None:
    assert minimal_event(None) == {"tags": {"scrub.failed": "true"}}
