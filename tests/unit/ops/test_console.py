"""Output for people: colours on a terminal only, columns that line up."""

import io
import sys

import pytest

from app.observability.ops.check.versions import installed
from app.observability.ops.console import paint, table


class Terminal(io.StringIO):
    def isatty(self) -> bool:
        return True


def test_colours_are_for_terminals_whose_user_wants_them(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("NO_COLOR", raising=False)
    monkeypatch.setattr(sys, "stdout", io.StringIO())
    assert paint("x", "red") == "x"
    monkeypatch.setattr(sys, "stdout", Terminal())
    assert paint("x", "red") == "\x1b[31mx\x1b[0m"
    assert paint("x", None) == "x"
    monkeypatch.setenv("NO_COLOR", "1")
    assert paint("x", "red") == "x"


def test_columns_line_up() -> None:
    assert table([("a", "1"), ("bcd", "2")]) == ["a    1", "bcd  2"]
    assert table([]) == []


def test_the_versions_that_run_here_are_found() -> None:
    found = installed()
    assert found["python"].startswith(f"{sys.version_info.major}.{sys.version_info.minor}.")
    assert {"fastapi", "sentry-sdk", "sqlalchemy"} <= found.keys()
