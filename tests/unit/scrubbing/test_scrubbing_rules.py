"""Every rule has examples of what it removes and what it keeps, and keeps to them."""

import ast
import re
from collections.abc import Iterator
from pathlib import Path

import pytest

from app.observability import scrubbing
from app.observability.scrubbing import Scrubber, scrub_text
from app.observability.scrubbing.marker import RULES as NAMES
from app.observability.scrubbing.tokens import SHAPES
from tests.unit.scrubbing.examples import ELSEWHERE, RULES, TOKENS

PACKAGE = Path(scrubbing.__file__).parent


def _removed() -> Iterator[tuple[str, str, str]]:
    for rule, examples in RULES.items():
        for text, secret in examples.removed:
            yield rule, text, secret


def _kept() -> Iterator[tuple[str, str]]:
    for rule, examples in RULES.items():
        for text in examples.kept:
            yield rule, text


def test_every_rule_has_examples_of_both_kinds() -> None:
    assert set(RULES) | ELSEWHERE == set(NAMES)
    assert not set(RULES) & ELSEWHERE
    assert all(examples.removed and examples.kept for examples in RULES.values())


def test_every_rule_that_the_code_names_is_known() -> None:
    named = set()
    for path in PACKAGE.glob("*.py"):
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
            if (
                isinstance(node, ast.Call)
                and isinstance(node.func, ast.Name)
                and node.func.id in ("Span", "marker")
            ):
                last = node.args[-1]
                if isinstance(last, ast.Constant) and isinstance(last.value, str):
                    named.add(last.value)
    assert named
    assert named <= set(NAMES)


@pytest.mark.parametrize(("rule", "text", "secret"), list(_removed()))
def test_a_rule_removes_the_secret(rule: str, text: str, secret: str) -> None:
    out = scrub_text(text)
    assert secret not in out
    assert f"[Filtered:{rule}]" in out or (rule == "key" and "[Filtered]" in out)


@pytest.mark.parametrize(("rule", "text"), list(_kept()))
def test_a_rule_leaves_the_harmless_alone(rule: str, text: str) -> None:
    assert scrub_text(text) == text


@pytest.mark.parametrize(("rule", "text", "secret"), list(_removed()))
def test_a_second_scrub_changes_nothing(rule: str, text: str, secret: str) -> None:
    once = scrub_text(text)
    assert scrub_text(once) == once


@pytest.mark.parametrize("shape", SHAPES)
def test_every_shape_of_a_token_has_an_example(shape: str) -> None:
    assert any(re.fullmatch(shape, start + rest) for start, rest in TOKENS)


@pytest.mark.parametrize(("start", "rest"), TOKENS)
@pytest.mark.parametrize("around", ["{}", "client({!r})", "key was {}, giving up"])
def test_a_token_goes_wherever_it_stands(start: str, rest: str, around: str) -> None:
    out = scrub_text(around.format(start + rest))
    assert rest[4:] not in out


@pytest.mark.parametrize(("start", "rest"), TOKENS)
def test_a_token_goes_from_names_and_paths_too(start: str, rest: str) -> None:
    token = start + rest
    out = Scrubber().scrub(
        {"exception": {"values": [{"type": f"Err {token}"}]}, "transaction": f"task {token}"}
    )
    assert rest[4:] not in str(out.payload)
