"""What the commands print: text for people, JSON for programs; colours on a terminal only."""

import json
import os
import sys
from collections.abc import Iterable
from typing import Any, NoReturn

import typer

OK, FINDINGS, WRONG_USE = 0, 1, 2
"""Exit codes: all is well; there are findings, differences or a failure; a variable or argument is missing or
wrong.
"""


def say(text: str = "", colour: str | None = None) -> None:
    """Print a line for people."""
    typer.echo(paint(text, colour))


def paint(text: str, colour: str | None) -> str:
    """Colour `text` if people look at a terminal and did not ask for none."""
    if colour is None or os.environ.get("NO_COLOR") or not sys.stdout.isatty():
        return text
    return typer.style(text, fg=colour)


def say_json(value: Any) -> None:
    """Print one JSON document."""
    typer.echo(json.dumps(value, indent=2, ensure_ascii=False))


def give_up(message: str, *, as_json: bool, code: int = FINDINGS) -> NoReturn:
    """Say what went wrong and end with `code`."""
    if as_json:
        say_json({"error": message})
    else:
        typer.echo(f"error: {message}", err=True)
    raise typer.Exit(code)


def table(rows: Iterable[tuple[str, ...]]) -> list[str]:
    """Return the rows as lines with aligned columns."""
    rows = list(rows)
    widths = [max(len(row[column]) for row in rows) for column in range(len(rows[0]))] if rows else []
    return [
        "  ".join(cell.ljust(width) for cell, width in zip(row, widths, strict=True)).rstrip() for row in rows
    ]
