"""Values in a table: a row of names, and rows of as many values below it."""

import re
from typing import Final

from .harmless import is_harmless
from .keys import KeyClass
from .spans import Classify, Span

_MAX_ROWS: Final = 500
_MIN_NUMBER: Final = 4
_CELL: Final = re.compile(r"[^|\u2502\u2503\t]+")
_RULER: Final = re.compile(r"[\s|+:=\-\u2500-\u257f]*$")
_NAME: Final = re.compile(r"[\s*`'\"]*([\w .\-]{2,60}?)[\s*`'\"]*$")
_TELLING: Final = (KeyClass.SECRET, KeyClass.PERSONAL, KeyClass.CODE)


def find_tables(text: str, classify: Classify) -> list[Span]:
    """Spans of the cells that stand below a telling name in a table drawn with bars or tabs."""
    spans: list[Span] = []
    columns: list[KeyClass] = []
    at = 0
    for count, line in enumerate(text.splitlines(keepends=True)):
        if count > _MAX_ROWS:
            break
        cells = _cells(line)
        if len(cells) < 2:
            if not _RULER.match(line):
                columns = []
        elif len(cells) == len(columns):
            for kind, (start, end) in zip(columns, cells, strict=True):
                value = line[start:end]
                if kind in _TELLING and not (
                    is_harmless(value, kind)
                    or (value.isdigit() and len(value) < _MIN_NUMBER)
                    or (value.isidentifier() and value.islower() and classify(value) is not KeyClass.NONE)
                ):
                    spans.append(Span(at + start, at + end))
        else:
            columns = _kinds(line, cells, classify)
        at += len(line)
    return spans


def _cells(line: str) -> list[tuple[int, int]]:
    """Where the cells of a line start and end, without the blanks and quotes around their values."""
    if not ("|" in line or "\t" in line or "\u2502" in line or "\u2503" in line) or _RULER.match(line):
        return []
    cells = []
    for cell in _CELL.finditer(line.rstrip("\r\n")):
        value = cell.group()
        bare = value.strip(" *`'\"")
        if bare:
            start = cell.start() + value.index(bare)
            cells.append((start, start + len(bare)))
        elif cells:
            cells.append((cell.end(), cell.end()))
    while cells and cells[-1][0] == cells[-1][1]:
        cells.pop()
    return cells


def _kinds(line: str, cells: list[tuple[int, int]], classify: Classify) -> list[KeyClass]:
    """What the names in a first row promise; nothing if a cell is no name or none is telling."""
    kinds = []
    for start, end in cells:
        name = _NAME.match(line[start:end])
        if not name:
            return []
        kinds.append(classify(name.group(1)))
    return kinds if any(kinds) else []
