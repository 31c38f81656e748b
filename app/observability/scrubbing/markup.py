"""Values in HTML, XML, multipart bodies and binary frames: the name is in a tag, a header or before a length."""

import re
from typing import Final

from .credible import looks_secret
from .harmless import is_harmless, looks_opaque
from .keys import KeyClass
from .spans import Classify, Span

ELEMENT: Final = re.compile(
    r"<(?:[\w\-]{1,30}:)?([A-Za-z][\w.\-]{1,40})(?:\s[^<>]{0,200})?>\s{0,20}(?:<!\[CDATA\[)?([^<\]]{1,2000})"
)
CELL: Final = re.compile(
    r">\s{0,20}([^<>]{2,40}?)\s{0,5}:?\s{0,5}</(?:td|th|dt|b|strong|label|span|p|div)>:?\s{0,40}(?:<(?:td"
    r"|dd|code|span|b|i|em|strong|pre|p|div)(?:\s[^<>]{0,80})?>\s{0,20}){1,3}([^<]{1,400})",
    re.IGNORECASE,
)
# An element whose name is an attribute, and the two elements of a property list.
NAMED: Final = re.compile(
    r"<[\w:\-]{1,30}\s[^<>]{0,200}?\b(?:name|key|id)=[\"']([\w.\-]{2,80})[\"'][^<>]{0,200}"
    r"(?<!/)>\s{0,40}(?:<(?:value|string)>\s{0,20})?([^<\s][^<]{0,400})"
)
LISTED: Final = re.compile(
    r"<key>\s{0,8}([\w.\- ]{2,60})\s{0,8}</key>\s{0,40}<(?:string|data)>\s{0,20}([^<]{1,2000})"
)
# A cell of a table of text, with its name in the cell before.
ROW: Final = re.compile(
    r"(?:^|[\n|])[ \t]{0,12}\*{0,2}([A-Za-z][\w \-]{1,40}?)\*{0,2}"
    r"(?:[ ]{1,40}[|\u2502\u2503][ ]{1,12}|\t{1,3})[`*]{0,2}"
    r"([^\s|\u2502\u2503`*]{4,400})[`*]{0,2}(?=[ ]{0,40}(?:[|\u2502\u2503\t\r\n]|$))"
)
TAG: Final = re.compile(
    r"<(?:input|meta|param|option|button|data|property|add|setting|entry)\b([^<>]{1,1000})>?",
    re.IGNORECASE,
)
_ATTRIBUTE: Final = re.compile(r"""([\w\-:]{1,40})\s{0,3}=\s{0,3}(?:"([^"]*)"|'([^']*)'|([^\s"'>]+))""")
PART: Final = re.compile(
    r"""name=\\{0,2}["']([^"'\\\r\n]{1,80})\\{0,2}["'](?![^\r\n\\]{0,120}filename)"""
    r"""[^\r\n\\"']{0,40}+(?:(?:\r?\n|\\r\\n|\\n)[A-Za-z\-]{4,40}:[^\r\n\\]{0,120}){0,3}"""
    r"""(?:\r?\n|\\r\\n|\\n){2}(.{1,8192}?)(?=(?:\r?\n|\\r\\n|\\n)--|$)""",
    re.DOTALL,
)
BINARY: Final = re.compile(
    r"(?:(?<=\\x[0-9a-f][0-9a-f])|(?<=[\x80-\xbf\ufffd])"
    r"|(?<![\w\\]))([A-Za-z][\w\-]{1,40}?)(?:\\{1,4}x[ab][0-9a-f]|\\{1,4}xd[9a](?:\\{1,4}x[0-9a-f]{2}"
    r"|[\x20-\x7e])|[\ufffd\xa0-\xbf])(?=((?:[^\\'\"\ufffd\x80-\xbf]|\\[^x\\]){3,400}))"
)


def find_markup(text: str, classify: Classify) -> list[Span]:
    """Spans of values whose names stand in tags, parts or frames."""
    spans: list[Span] = []
    if "<" in text:
        for match in ELEMENT.finditer(text):
            _add(spans, match, 1, 2, classify)
        if "</" in text:
            for match in CELL.finditer(text):
                _add(spans, match, 1, 2, classify)
            if "<key>" in text:
                for match in LISTED.finditer(text):
                    _add(spans, match, 1, 2, classify)
        if "=" in text:
            for match in TAG.finditer(text):
                _add_tag(spans, match, classify)
            if "='" in text or '="' in text:
                for match in NAMED.finditer(text):
                    _add(spans, match, 1, 2, classify)
    if "|" in text or "\t" in text or "\u2502" in text or "\u2503" in text:
        for match in ROW.finditer(text):
            if looks_secret(match.group(2)) or looks_opaque(match.group(2)):
                _add(spans, match, 1, 2, classify)
    if "name=" in text:
        for match in PART.finditer(text):
            _add(spans, match, 1, 2, classify)
    if ("x" in text and "\\" in text) or not text.isascii():
        for match in BINARY.finditer(text):
            _add(spans, match, 1, 2, classify)
    return spans


def _add(spans: list[Span], match: re.Match[str], name: int, value: int, classify: Classify) -> None:
    kind = classify(match.group(name))
    if kind is KeyClass.NONE:
        return
    found = match.group(value).rstrip()
    if not is_harmless(found, kind) and not ("=" in found.rstrip("=") and kind is KeyClass.WEAK):
        spans.append(Span(match.start(value), match.start(value) + len(found)))


def _add_tag(spans: list[Span], match: re.Match[str], classify: Classify) -> None:
    kind = KeyClass.NONE
    value: tuple[int, int] | None = None
    for attribute in _ATTRIBUTE.finditer(match.group(1)):
        name = attribute.group(1).lower()
        group = 2 if attribute.group(2) is not None else 3 if attribute.group(3) is not None else 4
        content = attribute.group(group)
        if name in (
            "name",
            "id",
            "type",
            "key",
            "property",
            "autocomplete",
            "itemprop",
        ):
            kind = kind or classify(content)
        elif name in ("value", "content"):
            value = (attribute.start(group), attribute.end(group))
    if kind and value and not is_harmless(match.group(1)[value[0] : value[1]], kind):
        spans.append(Span(match.start(1) + value[0], match.start(1) + value[1]))
