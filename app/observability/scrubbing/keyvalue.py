"""The key=value engine: finds ``name <separator> value`` in any text and decides by the name.

One mechanism covers JSON (nested, escaped, truncated), reprs of models, dataclasses, dicts and bytes, forms, queries,
fragments, YAML, INI, environment dumps, log lines, connection strings, headers, cookies and command lines. It walks
from separator to separator, reads the name backwards and the value forwards; linear in the text.
"""

import re
from collections.abc import Iterable, Iterator
from typing import Final

from .harmless import looks_opaque
from .keys import KeyClass
from .naming import (
    CODE_WORD,
    DOOR_ENDS,
    DOOR_VALUE,
    DOORS,
    LONG_RUN,
    NAME_FIELDS,
    ONE_TIME,
    PARSER_WORDS,
    PHRASE_ENDS,
    URL_NAMES,
    VALUE_FIELDS,
    in_query,
    may_be_secret,
    named_kind,
    phrase_kind,
    pydantic_field,
)
from .spans import Classify, Span
from .values import read_value

SEPARATOR: Final = re.compile("[=:\uff1a\uff1d]")
# Rarer separators, looked for only where their first character stands.
_RARE: Final = re.compile(r"""->|%(?:25){0,3}3[DdAa]|(?<!\\)\\{1,8}(?:u00|x)3[daDA]|(?<=&quot;),""")
# A name and its value as two items of a list: `("password", "x")`.
_QUOTED_NAME: Final = re.compile(r"""["'`]([^"'`\n,]{0,60}? )?([\w.$\-]{1,64})\\{0,4}["'`]\s?,""")
# Reads a name backwards: the text is reversed, so are the entities in here.
_NAME: Final = re.compile(
    r"""[ \t]{0,12}(?:;touq&|[\"'`\\\])*]){0,10}([\w.$%\-]{1,64})
    (?:[ ]([\w\-]{1,20}))?(?:[ ]([\w\-]{1,20}))?""",
    re.VERBOSE,
)
_REVERSED_MARKER: Final = "[Filtered:"[::-1]
# Terraform names a variable before the block that holds its value.
_VARIABLE_BLOCK: Final = re.compile(r"\bvariable\s+[\"']([\w\-]{2,60})[\"']\s*\{")
# How many characters may be looked at inside containers; beyond that they go unseen.
_CONTAINER_CHARS: Final = 100_000
# How many characters of values without quotes may be judged; beyond that they go unjudged.
_BARE_CHARS: Final = 400_000
_PENDING_CHARS: Final = 400


def find_pairs(text: str, classify: Classify, is_url: bool = False, is_source: bool = False) -> list[Span]:
    """Spans of the values whose names are telling, in order and without overlap."""
    spans: list[Span] = []
    budget = [_CONTAINER_CHARS, _BARE_CHARS]
    size = len(text)
    done = 0
    pending = KeyClass.NONE
    pending_end = -1
    blocks = []
    if "{" in text and "\n" in text and "variable " in text:
        blocks = [(m.end(), classify(m.group(1))) for m in _VARIABLE_BLOCK.finditer(text)]
    if "'," in text or '",' in text or "`," in text:
        spans += _listed(text, classify, is_source, budget)
    is_patch = '"op' in text or "'op'" in text
    reverse = text[::-1]
    for match in _separators(text):
        at = match.start()
        if at < done:
            continue
        named = _NAME.match(reverse, size - at)
        if not named:
            continue
        if reverse.startswith(_REVERSED_MARKER, named.end(1)):
            continue
        name = named.group(1)[::-1]
        end = match.end()
        kind = classify(name)
        if kind is KeyClass.SECRET and named.group(2) and named.group(2)[::-1].lower() in PARSER_WORDS:
            continue
        if text[at] == "," and reverse[named.end(1) : named.end(1) + 1] not in _QUOTE_CHARS:
            continue
        if (
            kind is KeyClass.CODE
            and is_url
            and CODE_WORD.match(text, end)
            and in_query(text, size - named.end(1))
        ):
            kind = KeyClass.SECRET
        if kind is KeyClass.NONE and not is_source:
            before = named.group(2)
            if before and name.lower() in PHRASE_ENDS:
                kind = phrase_kind(name, before[::-1], (named.group(3) or "")[::-1], classify)
        if kind is KeyClass.NONE:
            low = name.lower()
            if is_url and low in URL_NAMES and may_be_secret(text, end, low):
                if not in_query(text, size - named.end(1)):
                    continue
                kind = URL_NAMES[low]
                if (low == "code" and ONE_TIME.match(text, end)) or low == "p":
                    kind = KeyClass.SECRET
            elif (
                text[at] == ":"
                and (low in DOORS or low.endswith(DOOR_ENDS))
                and text[end : end + 1].isalnum()
            ):
                door = DOOR_VALUE.match(text, end)
                if not door or not looks_opaque(door.group()):
                    continue
                kind = KeyClass.WEAK
            elif low in NAME_FIELDS:
                told = named_kind(text, end, classify, low == "path" and is_patch)
                if told is not KeyClass.NONE:
                    pending, pending_end = told, end + _PENDING_CHARS
                continue
            elif low in VALUE_FIELDS:
                while blocks and blocks[0][0] <= at:
                    pending, pending_end = blocks[0][1], blocks[0][0] + _PENDING_CHARS
                    del blocks[0]
                if low == "input_value":
                    kind = pydantic_field(text, at, classify)
                elif pending is not KeyClass.NONE and at <= pending_end:
                    kind = pending
                pending = KeyClass.NONE
            if kind is KeyClass.NONE:
                continue
        if kind is KeyClass.RANDOM and not LONG_RUN.match(text, end):
            continue
        span = read_value(text, end, match.group(), kind, name, is_source, budget)
        if span:
            spans.append(span)
            done = span.end
    return spans


_QUOTE_CHARS: Final = ("'", '"', "`", ";")


def _separators(text: str) -> Iterable[re.Match[str]]:
    if "%" in text or "\\" in text or "->" in text or "&quot;" in text:
        return sorted((*SEPARATOR.finditer(text), *_RARE.finditer(text)), key=re.Match.start)
    return SEPARATOR.finditer(text)


def _listed(text: str, classify: Classify, is_source: bool, budget: list[int]) -> Iterator[Span]:
    """Spans of values that follow their names as items of a list."""
    for item in _QUOTED_NAME.finditer(text):
        kind = classify(item.group(2))
        if kind is KeyClass.NONE or (item.group(1) and kind is not KeyClass.SECRET):
            continue
        span = read_value(text, item.end(), ",", kind, item.group(2), is_source, budget)
        if span and not (item.group(1) and not looks_opaque(text[span.start : span.end])):
            yield span
