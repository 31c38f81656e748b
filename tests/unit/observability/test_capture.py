"""How exceptions and frames are described."""

import sys
from types import TracebackType
from typing import Any

import pytest

from app.observability import capture
from app.observability.capture import describe_exception, is_in_app, text_of

MECHANISM = {"type": "generic", "handled": False}


def describe(error: BaseException, *, with_locals: bool = False) -> list[dict[str, Any]]:
    return describe_exception(error, MECHANISM, with_locals=with_locals)


def raised(error: BaseException, cause: BaseException | None = None) -> BaseException:
    try:
        raise error from cause
    except BaseException as caught:  # noqa: BLE001 - whatever was handed in
        return caught


def test_the_outermost_comes_last_and_points_to_its_causes_and_members() -> None:
    members = ExceptionGroup("both", [KeyError("a"), ValueError("b")])
    values = describe(raised(RuntimeError("top"), members))
    assert [value["type"] for value in values] == ["ValueError", "KeyError", "ExceptionGroup", "RuntimeError"]
    mechanisms = [value["mechanism"] for value in values]
    assert [each["exception_id"] for each in mechanisms] == [3, 2, 1, 0]
    assert [each.get("parent_id") for each in mechanisms] == [1, 1, 0, None]
    assert [each.get("source") for each in mechanisms] == [
        "exceptions[1]",
        "exceptions[0]",
        "__cause__",
        None,
    ]
    assert mechanisms[2]["is_exception_group"] is True


def test_a_circular_chain_ends() -> None:
    first, second = KeyError(1), KeyError(2)
    first.__cause__, second.__cause__ = second, first
    assert len(describe(first)) == 2


def test_a_chain_is_bounded() -> None:
    error: BaseException = KeyError(0)
    for number in range(100):
        error = raised(KeyError(number), error)
    assert len(describe(error)) == capture.MAX_CHAINED


def test_notes_belong_to_the_text_and_an_unprintable_one_says_so() -> None:
    class Rude(Exception):  # noqa: N818 - a name is not what is tested
        """Fails when printed."""

        def __str__(self) -> str:
            raise RuntimeError

    noted = ValueError("text")
    noted.add_note("order 17")
    assert (text_of(noted), text_of(Rude())) == ("text\norder 17", "<unprintable>")
    assert 7_000 < len(text_of(ValueError("x" * 100_000))) <= capture.MAX_VALUE_CHARS


@pytest.mark.parametrize("with_locals", [True, False])
def test_variables_and_source_are_those_of_in_app_frames_only(with_locals: bool) -> None:
    import json

    secret = "in a library frame"

    class Document:
        """Fails inside the standard library."""

        def read(self) -> str:
            return "{" + secret

    try:
        json.load(Document())  # type: ignore[arg-type]  # has what is needed
    except ValueError as error:
        (value,) = describe(error, with_locals=with_locals)
    own, *library = value["stacktrace"]["frames"]
    assert own["in_app"] is True
    assert "json.load" in own["context_line"]
    assert ("vars" in own) is with_locals
    assert library
    for frame in library:
        assert frame["in_app"] is False
        assert not {"vars", "context_line", "pre_context"} & frame.keys()


def test_a_deep_recursion_keeps_both_ends_of_its_frames() -> None:
    def deeper(depth: int) -> None:
        if depth == 0:
            raise KeyError("deep")
        deeper(depth - 1)

    try:
        deeper(300)
    except KeyError as error:
        (value,) = describe(error)
    frames = value["stacktrace"]["frames"]
    assert len(frames) == capture.MAX_FRAMES
    assert frames[0]["function"].startswith("test_a_deep")
    assert "raise KeyError" in frames[-1]["context_line"]


def test_code_without_a_file_is_described_without_source() -> None:
    space: dict[str, Any] = {}
    exec(compile("def f():\n  raise KeyError(1)", "<generated>", "exec"), space)  # noqa: S102 - code without a file
    with pytest.raises(KeyError) as caught:
        space["f"]()
    (value,) = describe(caught.value)
    frame = value["stacktrace"]["frames"][-1]
    assert (frame["in_app"], frame["filename"], "context_line" in frame) == (False, "<generated>", False)


def test_what_is_in_app() -> None:
    import json

    import httpx

    assert is_in_app(__file__)
    assert not is_in_app(json.__file__)
    assert not is_in_app(str(httpx.__file__))
    assert not is_in_app(capture.__file__)


def test_an_exception_that_was_never_raised_has_no_frames() -> None:
    (value,) = describe(KeyError("made"))
    assert "stacktrace" not in value


def test_frames_that_ask_to_be_hidden_are() -> None:
    def hidden() -> None:
        __tracebackhide__ = True
        raise KeyError("lost")

    traceback: TracebackType | None = None
    try:
        hidden()
    except KeyError as error:
        traceback = sys.exc_info()[2]
        (value,) = describe(error)
    assert traceback is not None
    assert [frame["function"].rpartition(".")[2] for frame in value["stacktrace"]["frames"]] == [
        "test_frames_that_ask_to_be_hidden_are"
    ]
