"""Read the value after a separator: quoted at any depth of escapes, a container, a block, or bare."""

import re
from typing import Final

from .bare import read_bare
from .containers import read_block, read_container
from .harmless import is_harmless, is_word, looks_opaque
from .keys import KeyClass
from .source import read_source
from .spans import Span

_OPEN: Final = re.compile(
    r"""=?>?[ \t]{0,20}(?:</?\w{1,12}>[ \t]{0,3}){0,3}(?:\*\*[ ]?(?=[^*\s]))?
    (?:value[ ](?=["']))?(?:Secret\w{0,8}\((?=b?["']))?(?:[bBuUrRfF]{1,2}(?=\\*["'`]))?
    (?:(?:!{1,2}[\w\-/.]{1,40}|&[\w\-]{1,30})[ ]){0,2}
    (?:(\\*)(["'`]{3}|["'`])|(&quot;|&\#34;|&\#39;)|(%(?:25){0,3}2[27]))?""",
    re.VERBOSE,
)
# What is quoted here is the name of what follows, not a value.
_IS_NAME: Final = re.compile(r"\\{0,4}[\"'`]\s?:")
# A value in JSON may stand in the line below its name.
_NEXT_QUOTE: Final = re.compile(r"\s{1,40}([\"'])")
_BARE_NUMBER: Final = re.compile(r"\d{5,40}(?=[)\]])")
_HEREDOC: Final = re.compile(
    r"<<[-~]?[\"']?(\w{1,20})[\"']?\r?\n\s{0,16}([^\n]{3,2000}(?:\n(?!\s{0,16}\1\b)[^\n]{1,2000}){0,40})"
)
# As ODBC quotes a value: `PWD={...};`.
_BRACED: Final = re.compile(r"\{([^{}\s\"';,:().]{6,200})\}(?=;|$|[\"'])")


def read_value(
    text: str,
    at: int,
    separator: str,
    kind: KeyClass,
    name: str,
    is_source: bool,
    budget: list[int],
) -> Span | None:
    """The span of the value that follows a separator; None if there is none to remove."""
    opened = _OPEN.match(text, at)
    start = opened.end() if opened else at
    if start >= len(text):
        return None
    rule = ""
    if is_source:
        return read_source(text, at, kind, name, separator)
    if opened and opened.group(2):
        end = _closing(text, start, opened.group(1) + opened.group(2))
        return _judge_quoted(text, start, end, kind, rule, separator)
    if opened and (opened.group(3) or opened.group(4)):
        closer = opened.group(3) or opened.group(4)
        end = text.find(closer, start)
        return _judge_quoted(text, start, len(text) if end < 0 else end, kind, rule, separator)
    if separator == ",":
        number = _BARE_NUMBER.match(text, start)
        return Span(start, number.end()) if number and kind is KeyClass.SECRET else None
    char = text[start]
    if char == "<":
        here = _HEREDOC.match(text, start)
        if here and not is_harmless(here.group(2), kind):
            return Span(here.start(2), here.end(2))
    if char == "{":
        braced = _BRACED.match(text, start)
        if (
            braced
            and separator == "="
            and kind is KeyClass.SECRET
            and not braced.group(1).islower()
            and looks_opaque(braced.group(1))
            and braced.group(1)[-2] != "!"
        ):
            return Span(braced.start(1), braced.end(1))
    if char in "{[(":
        return read_container(text, start, kind, budget)
    if char in "\r\n" and separator == ":" and text[at - 2 : at - 1] in ("'", '"'):
        lower = _NEXT_QUOTE.match(text, start)
        if lower:
            return _judge_quoted(
                text,
                lower.end(),
                _closing(text, lower.end(), lower.group(1)),
                kind,
                rule,
                separator,
            )
    if char in "\r\n|>":
        return read_block(text, start, kind) if separator == ":" else None
    return read_bare(text, start, separator, kind, name, budget)


# What may stand behind a closing quote.
_GOES_ON: Final = re.compile(r"\s*(?:[,;:)\]}\"'`&|>]|\\|$|\w{1,20}\s?=)|\s")


def _closing(text: str, start: int, closer: str) -> int:
    """Where the quoted value ends; a quote with more backslashes before it is part of the value."""
    depth = len(closer) - 1
    i = start
    limit = min(len(text), start + 16384)
    while True:
        i = text.find(closer, i, limit)
        if i < 0:
            return limit
        j = i
        while j > start and text[j - 1] == "\\":
            j -= 1
        slashes = i - j + depth
        if depth == 0 and i - j > 1 and not _GOES_ON.match(text, i + 1):
            # The repr of a text doubles the backslash before a quote inside the value.
            i += 1
            continue
        if depth == 0 and (i - j) % 2 == 1:
            i += 1
            continue
        if depth and slashes > depth:
            i += 1
            continue
        return i


def _judge_quoted(text: str, start: int, end: int, kind: KeyClass, rule: str, separator: str) -> Span | None:
    value = text[start:end]
    # A value that was cut off is no mask, however short the part before the dots is.
    if is_harmless(value.rstrip(".…") if end == len(text) and value[:1].isalnum() else value, kind):
        return None
    if separator == ",":
        if _IS_NAME.match(text, end):
            return None
        # Two names in a row are a list of names, not a name and its value.
        if (
            value.isidentifier()
            and value.islower()
            and ("_" in value or is_word(value) or kind is not KeyClass.SECRET)
        ):
            return None
        if text[end : end + 2].strip(" ").startswith(","):
            return None if not looks_opaque(value) else Span(start, end)
    if kind is KeyClass.SECRET and " " in value and is_sentence(value):
        return None
    return Span(start, end)


def is_sentence(value: str) -> bool:
    """True for words about a secret: most of them are plain English, none has digits."""
    words = value.split()
    if len(words) < 2 or any(any(c.isdigit() for c in w) and not w.isdigit() for w in words):
        return False
    return sum(1 for word in words if is_word(word)) * 2 >= len(words) or (
        is_word(words[0]) and len(words) > 2
    )
