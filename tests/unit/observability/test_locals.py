"""Variables of frames are described small, whatever they are."""

import json
from collections import OrderedDict
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from app.observability.locals import MAX_CHARS, MAX_VARIABLES, describe_value, describe_variables
from app.observability.scrubbing import scrub_text

JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text() | st.binary() | st.floats(),
    lambda inner: (
        st.lists(inner) | st.dictionaries(st.text() | st.integers(), inner) | st.tuples(inner, inner)
    ),
)


class Rude:
    """Fails when looked at."""

    def __repr__(self) -> str:
        raise RuntimeError("no")


@given(JSON)
def test_whatever_it_is_becomes_json(value: Any) -> None:
    json.dumps(describe_value(value))


def test_it_is_bounded_in_depth_width_length_and_number() -> None:
    deep: Any = "x" * 10_000
    for _ in range(50):
        deep = [deep] * 50
    assert len(json.dumps(describe_value(deep))) < 20_000
    assert len(describe_value("x" * 10_000)) <= MAX_CHARS + 2
    assert len(describe_variables({f"v{number}": number for number in range(1000)})) == MAX_VARIABLES


def test_a_value_that_fails_when_looked_at_costs_itself_only() -> None:
    described = describe_variables({"rude": Rude(), "fine": 1, "__dunder__": 2})
    assert described == {"rude": "<Rude whose repr failed>", "fine": 1}


def test_an_asgi_scope_is_never_opened() -> None:
    scope = {"type": "http", "asgi": {}, "headers": [(b"authorization", b"Bearer x")]}
    assert describe_variables({"scope": scope, "outer": {"inner": scope}}) == {
        "scope": "<ASGI scope>",
        "outer": {"inner": "<ASGI scope>"},
    }


def test_containers_of_a_kind_of_their_own_are_shown_by_their_repr() -> None:
    assert describe_value(OrderedDict(a=1)).startswith("OrderedDict")


def test_a_container_that_another_thread_changes_costs_itself_only() -> None:
    changing: dict[Any, Any] = {}

    class Adding:
        """Changes the container when looked at."""

        def __repr__(self) -> str:
            changing[len(changing)] = 1
            return "adding"

    changing[0] = Adding()
    changing[1] = 2
    assert describe_variables({"changing": changing, "fine": 1}) == {
        "changing": "<dict that changes>",
        "fine": 1,
    }


class OddText(str):
    """A text that cannot be shown or measured."""

    __slots__ = ()

    def __str__(self) -> str:
        raise KeyError("no")

    def __len__(self) -> int:
        raise KeyError("no")


class Liar:
    """Fails when asked for its class."""

    @property  # type: ignore[misc]
    def __class__(self) -> type:
        raise KeyError("no")


def test_a_hostile_class_costs_its_value_only() -> None:
    described = describe_variables({"text": OddText("a"), "liar": Liar(), "fine": 1})
    assert described["text"] == "'a'"
    assert described["liar"].startswith("<Liar")
    assert described["fine"] == 1


@pytest.mark.parametrize("body", [str, str.encode])
def test_escapes_of_json_are_not_escaped_once_more(body: Any) -> None:
    """Behind two layers of them the scrubber could not tell where a password ends."""
    password = 'yu"ekksKk\\UTtX$u'
    shown = describe_value(body(json.dumps({"password": password})))
    assert json.dumps({"password": password}) in shown
    assert "ekksKk" not in scrub_text(shown)
