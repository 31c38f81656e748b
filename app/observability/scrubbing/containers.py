"""Values of more than one piece: lists and dicts under a telling name, and the lines that follow it."""

import re
from typing import Final

from .bare import BARE
from .harmless import is_harmless, is_word, looks_opaque
from .keys import KeyClass
from .spans import Span

CREDENTIAL_PAIR: Final = re.compile(
    r"""[(\[]\s?[bu]?["'][^"'\n]{1,80}["'],\s?[bu]?["']([^"'\n]{4,200})["']\s?[)\]]"""
)
_NEXT_LINE: Final = re.compile(r"[ \t]{0,8}(?:[|>][-+]?)?[ \t]{0,8}(?:\r?\n[ \t]{0,16}){1,3}")
_LINE_END: Final = re.compile(r"[ \t]{0,8}(?:\r?\n|$)")
_BLOCK: Final = re.compile(r"[ \t]{0,8}[|>][-+]?[ \t]*\r?\n((?:[ \t]+[^\r\n]*(?:\r?\n|$)){1,80})")
# The same where line ends are escaped.
_ESCAPED_BLOCK: Final = re.compile(
    r"[ \t]{0,8}[|>][-+]?[ \t]{0,8}\\n((?:[ \t]{1,16}(?:[^\\\r\n\"']|\\[^n])*+(?:\\n|$)){1,80}+)"
)


def read_container(text: str, start: int, kind: KeyClass, budget: list[int]) -> Span | None:
    """The span of a list or dict under a telling name; None if nothing in it is a secret."""
    if kind is not KeyClass.SECRET:
        pair = CREDENTIAL_PAIR.match(text, start) if kind is KeyClass.WEAK else None
        return Span(pair.start(1), pair.end(1)) if pair and looks_opaque(pair.group(1)) else None
    stack = 0
    limit = min(len(text), start + 4096)
    if budget[0] < 0:
        return Span(start, limit)
    for i in range(start, limit):
        budget[0] -= 1
        char = text[i]
        if char in "{[(":
            stack += 1
        elif char in "}])":
            stack -= 1
            if not stack:
                inner = text[start + 1 : i]
                if not any(q in inner for q in "\"'") and not looks_opaque(inner):
                    return None
                if any(
                    not is_harmless(item, KeyClass.WEAK)
                    for item in re.findall(r"""["']([^"']*)["']""", inner)
                ):
                    return Span(start, i + 1)
                return None
    return Span(start, limit) if any(q in text[start:limit] for q in "\"'") else None


def read_block(text: str, at: int, kind: KeyClass) -> Span | None:
    """The span of the lines or of the lone value that stand under a name."""
    block = _BLOCK.match(text, at) or _ESCAPED_BLOCK.match(text, at)
    if block and kind is KeyClass.SECRET:
        return Span(block.start(1), block.end(1))
    line = _NEXT_LINE.match(text, at)
    if not line:
        return None
    bare = BARE.match(text, line.end())
    if not bare or bare.group()[-1] in ":=" or "=" in bare.group():
        return None
    alone = (
        kind is KeyClass.SECRET
        and len(bare.group()) >= 6
        and _LINE_END.match(text, bare.end())
        and not is_word(bare.group())
    )
    if not alone and not looks_opaque(bare.group()):
        return None
    if is_harmless(bare.group(), kind):
        return None
    return Span(bare.start(), bare.end())
