"""Values without quotes: where they end, and which of them are code, counts or the start of a sentence."""

import re
from typing import Final

from .harmless import is_harmless, is_word, looks_opaque
from .keys import KeyClass
from .spans import Span

BARE: Final = re.compile(r"[^\s<>\"`\x00]{1,3072}")
_CUT: Final = re.compile(
    r"""[&;,|)\]}](?=\s|$|["'`\])}]|[\w.\-\[\]%]{1,40}["']?\s?[=:])|&(?=[\w%.\-\[\]]+=)|&quot;"
        r"|\\{1,8}["'nrt]|'(?=[,;)\]}\s:&]|$)|%(?:25)*26|\x1b"""
)
SCHEME: Final = re.compile(
    r"(?:bearer|basic|token|digest|negotiate|apikey|api-key|jwt|hawk|oauth|hmac|signature"
    r"|aws4-hmac-sha256|key|bot|pop|dpop)\s+",
    re.IGNORECASE,
)
# A header of parts: `t=1,v1=...`.
_PARTS: Final = re.compile(
    r"\s{0,4}\w{1,20}=[^\s,;\"']{1,2000}(?:[,;] ?[\w\-]{1,30}=(?:\"[^\"\n]{0,2000}\""
    r"|[^\s,;\"']{1,2000})){1,12}(?=\s*(?:[\r\n\"']|\\|$))"
)
_REST_OF_LINE: Final = re.compile(r"[^\r\n\"'`<>\\]{1,3072}")
_CHALLENGE: Final = re.compile(
    r"(?:digest|hawk|signature|oauth)\s+\w{1,30}=\"[^\r\n'`<>]{1,3072}", re.IGNORECASE
)
# A call, a subscript or an attribute: code that computes the value, not the value.
_CODE: Final = re.compile(
    r"(?:[A-Za-z_]{2,40}\.){0,4}[A-Za-z_]{2,40}(?:\(|\[['\"\w])|(?:self|cls|settings|config|request"
    r"|response|user|os)\.[A-Za-z_.]{2,60}(?![\w!@#$])"
)
# A parameter of a statement and the type it is cast to.
_BOUND: Final = re.compile(
    r"(?:\$\d{1,3}|%s|%\(\w{1,60}\)s|:[A-Za-z_]\w{0,60}|\?)::[A-Za-z_\"][\w.\"]{0,60}(?![\w!@#$%^&*+~:\-])"
)
_PASSPHRASE: Final = re.compile(r"[a-z]{3,12}(?:[ \-][a-z]{3,12}){2,23}(?=\s*(?:$|[\r\n\"']))")
_PAIR: Final = re.compile(r"[a-z][a-z_\-]{1,30}=[^=]")
_COUNT_TAIL: Final = re.compile(
    r"\d{1,4}(?: (?:of|attempts?|more|left|chars?|characters?|items?|days?|hours?|minutes?|seconds?"
    r"|times)\b|/\d)"
)


def read_bare(
    text: str, start: int, separator: str, kind: KeyClass, name: str, budget: list[int]
) -> Span | None:
    """The span of a value without quotes; None if it is harmless or no value."""
    low = name.lower()
    if "cookie" in low or "authorization" in low or "authorisation" in low:
        rest = _CHALLENGE.match(text, start) or _REST_OF_LINE.match(text, start)
        if rest and (("cookie" in low and "=" in rest.group()[:200]) or SCHEME.match(rest.group())):
            return None if is_harmless(rest.group(), kind) else Span(start, rest.end())
    if separator == ":" and kind is KeyClass.SECRET:
        parts = _PARTS.match(text, start)
        if parts:
            return Span(start, parts.end())
    scheme = SCHEME.match(text, start)
    if scheme and kind is not KeyClass.PERSONAL:
        credential = BARE.match(text, scheme.end())
        if credential and looks_opaque(credential.group().strip("'\",;")):
            start = scheme.end()
    bare = BARE.match(text, start)
    if not bare or _CODE.match(text, start) or _BOUND.match(text, start):
        return None
    value = bare.group()
    budget[1] -= len(value)
    if budget[1] < 0:
        return Span(start, bare.end())
    cut = _CUT.search(value, 1) if len(value) > 1 else None
    if cut:
        value = value[: cut.start()]
    value = value.rstrip(".,;:!?)]}'\"") or value
    end = start + len(value)
    if kind is KeyClass.PERSONAL or kind is KeyClass.PLACE:
        end = _extend_personal(text, start, end, separator)
        value = text[start:end]
    if (
        is_harmless(value, kind)
        or (separator == ":" and is_word(value))
        or value.lower() in (low, low.rpartition(".")[2])
    ):
        return None
    if (
        kind is KeyClass.SECRET
        and len(value) == 3
        and separator == ":"
        and value.isdigit()
        and "token" in low
    ):
        return None
    if kind is KeyClass.WEAK and separator == ":" and _PAIR.match(value):
        return None
    if _is_sentence_part(text, value, end, separator, kind):
        return None
    if separator in ":=" and kind is KeyClass.SECRET and value.isalpha() and value.islower():
        phrase = _PASSPHRASE.match(text, start)
        if phrase and not any(is_word(word) for word in phrase.group().split()):
            return Span(start, phrase.end())
    if value.isdigit() and (
        (
            separator == ":"
            and len(value) < 4
            and low.endswith(("keys", "tokens", "secrets", "passwords", "cookies"))
        )
        or _COUNT_TAIL.match(text, start)
        or (len(value) <= 6 and name.lower() in ("id", "finished"))
    ):
        return None
    return Span(start, end)


def _is_sentence_part(text: str, value: str, end: int, separator: str, kind: KeyClass) -> bool:
    """True if the value is the start of a sentence about the name: `token: not provided`."""
    if value.isalpha() and value.islower() and separator == ":" and text[end : end + 1] == " ":
        following = text[end : end + 24].split()
        if following and is_word(following[0]):
            return True
    if kind is not KeyClass.PERSONAL:
        return False
    parts = value.split()
    if len(parts) > 1 and is_word(parts[0]):
        return True
    spelt = value.replace(" ", "").isalpha() and (value.islower() or separator == ":")
    return spelt and any(is_word(part) for part in parts)


_TO_DELIMITER: Final = re.compile(
    r"(?: [^\s,;&|\"'<>()\[\]{}=:]{1,24}(?![=:\w])){1,5}(?=\s*(?:$|[,;&|\"'<>)\]}\r\n]))"
)


def _extend_personal(text: str, start: int, end: int, separator: str) -> int:
    """Names and addresses have blanks: take the words up to the next delimiter."""
    if separator not in ":=":
        return end
    more = _TO_DELIMITER.match(text, end)
    return more.end() if more else end
