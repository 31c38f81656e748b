"""Comparing what we want with what Sentry answers, whose form differs."""

from app.observability.ops.alerts.remote import as_body, differences


def test_an_answer_takes_the_form_of_a_body() -> None:
    answer = {
        "dataSources": [
            {"id": "1", "queryObj": {"id": "2", "snubaQuery": {"timeWindow": 60, "eventTypes": ["error"]}}}
        ],
        "conditionGroup": {"logicType": "any", "conditions": [{"conditionResult": 75}]},
        "dateCreated": None,
    }
    body = as_body(answer)
    assert body["data_sources"][0]["time_window"] == 60
    assert body["data_sources"][0]["event_types"] == ["error"]
    assert body["condition_group"]["conditions"] == [{"condition_result": 75}]


def test_what_sentry_adds_does_not_count() -> None:
    assert differences({"a": 1, "b": [{"c": 2}]}, {"a": 1, "b": [{"c": 2, "id": "9"}], "d": 4}) == []


def test_nothing_is_nothing_in_each_of_its_forms() -> None:
    for wanted, found in ((None, ""), ("", None), ([], None), ({}, None), (None, [])):
        assert differences({"a": wanted}, {"a": found}) == []
    assert differences({"a": False}, {"a": None}) == ["a: nothing -> false"]
    assert differences({"a": 0}, {"a": None}) == ["a: nothing -> 0"]


def test_numbers_as_texts_and_whole_floats_are_the_same() -> None:
    assert differences({"a": [1, 2]}, {"a": ["2", "1"]}) == []
    assert differences({"a": 1000}, {"a": 1000.0}) == []
    assert differences({"a": True}, {"a": "True"}) == ["a: 'True' -> true"]


def test_lists_are_compared_without_order_and_told_by_item() -> None:
    assert differences({"a": [1, 2]}, {"a": [2, 1]}) == []
    assert differences({"a": [1, 2, 3]}, {"a": [1]}) == ["a: add 2", "a: add 3"]
    assert differences({"a": [1]}, {"a": [1, 5, 6]}) == ["a: remove 5", "a: remove 6"]
    assert differences({"a": [1, 1]}, {"a": [1]}) == ["a: add 1"]
    assert differences({"a": [{"b": 1, "c": 2}]}, {"a": [{"b": 1, "c": 3}]}) == ["a.c: 3 -> 2"]


def test_something_of_another_kind_is_told() -> None:
    assert differences({"a": {"b": 1}}, {"a": "x"}) == ["a: 'x' -> b=1"]
    assert differences({"a": [1]}, {}) == ["a: add 1"]
