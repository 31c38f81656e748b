"""Values in a list that follows the list of their names."""

import re
from typing import Final

from .harmless import is_harmless
from .keys import KeyClass
from .spans import Classify, Span

_NAME_LIST: Final = re.compile(
    r"""[\[(]\s?((?:["']?[\w.\- ]{1,60}["']?\s?,\s?){1,30}["']?[\w.\- ]{1,60}["']?),?\s?[\])]"""
)
_VALUE_LIST: Final = re.compile(r"""[^\[(\n]{0,60}?[\[(]{1,2}\s?([^\[\]()\n]{1,2000})[\])]""")
_LIST_ITEM: Final = re.compile(r"""\s*(?:[bu]?"([^"]*)"|[bu]?'([^']*)'|([^,]+))\s*(?:,|$)""")


def find_parallel(text: str, classify: Classify) -> list[Span]:
    """Spans of values in a list that follows a list of their names."""
    spans: list[Span] = []
    for names in _NAME_LIST.finditer(text):
        kinds = [classify(name.strip(" \"'")) for name in names.group(1).split(",")]
        if not any(kinds):
            continue
        values = _VALUE_LIST.match(text, names.end())
        if not values:
            continue
        items = list(_LIST_ITEM.finditer(values.group(1)))[: len(kinds) + 1]
        if len(items) != len(kinds):
            continue
        for kind, item in zip(kinds, items, strict=True):
            group = item.lastindex or 1
            value = item.group(group).strip()
            if kind and not is_harmless(value, kind) and classify(value) is KeyClass.NONE and value != "%s":
                start = values.start(1) + item.start(group)
                spans.append(Span(start, start + len(item.group(group).rstrip())))
    return spans
