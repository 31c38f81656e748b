"""How sentry-sdk takes values apart before its hooks see them, and where we step in."""

import logging
from typing import Any, NamedTuple

import pytest
import sentry_sdk
import sentry_sdk.logger
import sentry_sdk.metrics
import sentry_sdk.scope
from sentry_sdk.scrubber import EventScrubber
from sentry_sdk.serializer import serialize
from sentry_sdk.utils import format_attribute

from app.observability import attributes
from app.observability.fieldnames import FieldNames
from app.observability.logrecords import NamingLoggingIntegration
from tests.support.observability import local_sentry


class Pair(NamedTuple):
    """Two fields of one type."""

    user: str
    pin: str


def test_the_serializer_makes_a_list_of_a_tuple_with_names() -> None:
    assert serialize({"contexts": {"a": Pair("b", "c")}}) == {"contexts": {"a": ["b", "c"]}}
    assert format_attribute(Pair("b", "c")) == ["b", "c"]


def test_the_scrubber_option_is_asked_about_values_as_they_are() -> None:
    with local_sentry():
        scrubber = sentry_sdk.get_client().options["event_scrubber"]
        assert isinstance(scrubber, FieldNames)
        seen: list[Any] = []
        scrubber.scrub_event = lambda event: seen.append(event["extra"]["a"])  # type: ignore[method-assign]
        with sentry_sdk.new_scope() as scope:
            scope.set_extra("a", Pair("b", "c"))
            sentry_sdk.capture_message("m")
    assert seen == [Pair("b", "c")]


def test_the_scrubber_of_the_sdk_changes_what_it_is_given() -> None:
    data = {"password": "x"}
    EventScrubber().scrub_event({"breadcrumbs": {"values": [{"data": data}]}})
    assert data != {"password": "x"}


@pytest.mark.parametrize("module", [sentry_sdk.logger, sentry_sdk.metrics, sentry_sdk.scope])
def test_attributes_keep_their_names(module: Any) -> None:
    with local_sentry():
        assert module.format_attribute is attributes.format_attribute
    assert module.format_attribute(Pair("b", "c")) == "{'user': 'b', 'pin': 'c'}"
    assert module.format_attribute(["b", "c"]) == ["b", "c"]
    assert module.format_attribute(1.5) == 1.5


def test_log_records_pass_through_our_integration() -> None:
    with local_sentry(enable_logs=True) as recorder:
        integration: Any = sentry_sdk.get_client().get_integration("logging")
        assert isinstance(integration, NamingLoggingIntegration)
        logging.getLogger("shop").error("failed %s", {"a": {Pair("b", "c")}})
        sentry_sdk.flush()
        assert recorder.only_event()["logentry"]["formatted"] == "failed {'a': [{'user': 'b', 'pin': 'c'}]}"
        (logs,) = recorder.of("log")
        assert logs["items"][0]["body"] == recorder.only_event()["logentry"]["formatted"]


def test_other_handlers_get_the_record_as_it_was() -> None:
    seen: list[logging.LogRecord] = []

    class Seeing(logging.Handler):
        def emit(self, record: logging.LogRecord) -> None:
            seen.append(record)

    handler = Seeing()
    logger = logging.getLogger("shop.records")
    logger.addHandler(handler)
    try:
        with local_sentry():
            logger.error("failed %s %s", Pair("b", "c"), 1)
    finally:
        logger.removeHandler(handler)
    assert seen[0].args == (Pair("b", "c"), 1)


def test_a_text_that_is_cut_has_its_length_noted() -> None:
    out = serialize({"extra": {"a": "x" * 50, "b": ["y" * 50]}}, max_value_length=20)
    assert out["extra"] == {"a": "x" * 17 + "...", "b": ["y" * 17 + "..."]}
    assert out["_meta"]["extra"]["a"][""]["len"] == 50
    assert out["_meta"]["extra"]["b"]["0"][""]["len"] == 50
