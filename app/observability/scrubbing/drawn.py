"""Tracebacks that draw values under the names of a source line (loguru, better-exceptions)."""

import re
from typing import Final

from .harmless import is_harmless
from .spans import Classify, Span

_ARM: Final = re.compile(r"[└└╰]─? ?")
_IDENTIFIER: Final = re.compile(r"[A-Za-z_][\w]*")
_TREE: Final = re.compile(r"^[\s│|└├╰─·.>]*$")


def find_drawn(text: str, classify: Classify) -> list[Span]:
    """Spans of values that are drawn under a telling name."""
    spans: list[Span] = []
    source = ""
    at = 0
    for line in text.splitlines(keepends=True):
        arm = _ARM.search(line)
        if not arm:
            if not _TREE.match(line) and "│" not in line[: len(line) - len(line.lstrip()) + 1]:
                source = line
        elif source:
            name = _name_at(source, arm.start())
            value = line[arm.end() :].rstrip()
            kind = classify(name) if name else None
            bare = value.strip("'\"")
            if kind and bare and not is_harmless(bare, kind):
                lead = value.find(bare)
                spans.append(Span(at + arm.end() + lead, at + arm.end() + lead + len(bare)))
        at += len(line)
    return spans


def _name_at(source: str, column: int) -> str:
    for match in _IDENTIFIER.finditer(source):
        if match.start() - 1 <= column < match.end():
            return match.group()
    return ""
