"""Documents whose kind tells what their fields hold: keys in JSON, secrets of Kubernetes, questions and answers, names.

The fields themselves say nothing (`d`, `k`, `data`, `answer`, `first`); what stands beside or above them does.
"""

import re
from collections.abc import Mapping, Sequence
from typing import Any, Final

from .harmless import is_harmless
from .keys import KeyClass
from .spans import Span
from .words import words

# A dict with none of these is no such document.
MARKS: Final = words("kty kind answer answer1 answer2 answer3 first given op")
_KEY_PARTS: Final = dict.fromkeys(words("d p q dp dq qi k oth"), KeyClass.SECRET)
_SECRET_PARTS: Final = dict.fromkeys(("data", "stringData", "binaryData"), KeyClass.SECRET)
_ANSWERS: Final = dict.fromkeys(words("answer answer1 answer2 answer3"), KeyClass.SECRET)
_NAME_PARTS: Final = dict.fromkeys(
    words("first last middle given family maiden second full prefix suffix"),
    KeyClass.PERSONAL,
)
_PERSON_LAST: Final = words("name names fullname")
_NONE: Final[dict[str, KeyClass]] = {}


def document_kinds(value: Mapping[Any, Any], path: Sequence[Any]) -> dict[str, KeyClass]:
    """What the fields of a document of a known kind promise; empty for any other dict.

    Args:
        value: the dict.
        path: the keys that lead to it.
    """
    if "kty" in value:
        return _KEY_PARTS
    if "kind" in value and str(value["kind"]).strip("'\"") == "Secret":
        return _SECRET_PARTS
    if not _ANSWERS.keys().isdisjoint(value) and (
        any(_is_security(str(key)) for key in path[-3:])
        or str(path[-1] if path else "") == "security"
        or any(_is_security(key) for key in value if isinstance(key, str))
        or _is_security(str(value.get("question", "")))
    ):
        return _ANSWERS
    if ("first" in value or "given" in value) and str(path[-1] if path else "").lower() in _PERSON_LAST:
        return _NAME_PARTS
    return _NONE


_match_security: Final = re.compile(
    r"(?:security|secret|recovery|challenge)[_ -]?(?:question|q\b|a\b)|mother'?s maiden|first pet|maiden name"
    r"|[\"']security[\"']\s?:",
    re.IGNORECASE,
).search


def _is_security(text: str) -> bool:
    return _match_security(text) is not None


_KEY_PART: Final = re.compile(
    r"""\\{0,4}["'](?:d|p|q|dp|dq|qi|k)\\{0,4}["']\s?:\s?\\{0,4}["']([A-Za-z0-9_\-+/=]{16,2000})"""
)
_IS_SECRET: Final = re.compile(r"""\bkind\\{0,4}["']?\s?:\s?\\{0,4}["']?Secret\b""")
_FLAT_PART: Final = re.compile(
    r"""["'](?:data|stringData|binaryData)\\{0,4}["']\s?:\s?\{([^{}]{1,8000})(?:\}|$)"""
)
_FLAT_VALUE: Final = re.compile(
    r"""["']\s?:\s?\\{0,4}["']([^"'\\\n]{1,4000}(?:\\n[^"'\\\n]{1,4000}){0,100})"""
)
_LINES_PART: Final = re.compile(
    r"(?:^|\n|\\n)(?:data|stringData|binaryData):[ \t]*(?:\r?\n|\\n)"
    r"((?:[ \t]{1,16}(?:[^\\\r\n]|\\[^n\r\n])*+(?:\r?\n|\\n|$)){1,80}+)"
)
_LINES_VALUE: Final = re.compile(
    r"(?:^|\n|\\n)[ \t]{1,16}[\w.\-]{1,80}:[ \t]{1,4}[\"']?([^\s\"'\\|>][^\r\n\"'\\]{0,4000})"
)
_ANSWER: Final = re.compile(r"""["']answer\d?\\{0,4}["']\s?[:=]\s?\\{0,4}["']([^"'\\\n]{2,200})""")
_NAME: Final = re.compile(r"""["'](?:full_?)?[nN]ames?\\{0,4}["']\s?:\s?\{([^{}]{1,400})(?:\}|$)""")
_NAME_PART: Final = re.compile(
    r"""["'](?:first|last|middle|given|family|maiden)\\{0,4}["']\s?:\s?\\{0,4}["']([^"'\\\n]{1,80})"""
)


def find_documents(text: str) -> list[Span]:
    """Spans of the values in such documents where they are written as JSON, as a repr or as YAML."""
    spans: list[Span] = []
    if "kty" in text:
        _add(spans, _KEY_PART, text)
    if "Secret" in text and _IS_SECRET.search(text):
        for flat in _FLAT_PART.finditer(text):
            _add(spans, _FLAT_VALUE, text, flat.start(1), flat.end(1))
        for lines in _LINES_PART.finditer(text):
            _add(spans, _LINES_VALUE, text, lines.start(1) - 1, lines.end(1))
    if "answer" in text and _is_security(text):
        _add(spans, _ANSWER, text)
    if ("first" in text or "given" in text) and "{" in text:
        for name in _NAME.finditer(text):
            _add(spans, _NAME_PART, text, name.start(1), name.end(1))
    return spans


def _add(
    spans: list[Span],
    pattern: re.Pattern[str],
    text: str,
    start: int = 0,
    end: int | None = None,
) -> None:
    spans.extend(
        Span(match.start(1), match.end(1))
        for match in pattern.finditer(text, start, len(text) if end is None else end)
        if not is_harmless(match.group(1), KeyClass.SECRET)
    )
