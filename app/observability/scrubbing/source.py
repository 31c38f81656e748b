"""Values in a line of source: only literals count, and queries inside of them."""

import re
from typing import Final

from .bare import SCHEME
from .containers import CREDENTIAL_PAIR
from .harmless import is_harmless, is_wordy, looks_opaque
from .keys import KeyClass
from .naming import FORM_GOES_ON
from .spans import Span

_SOURCE_LITERAL: Final = re.compile(
    r"""=?[ \t]{0,8}(?:[\w.\[\], |]{1,40}?[ \t]{0,4}=[ \t]{0,4})?(?:SecretStr\(|str\()?"""
    r"""[bBuUrRfF]{0,2}(["'])((?:Bearer |Basic |Token )?[^"'\n\\{}]{3,400})\1"""
)


def read_source(text: str, at: int, kind: KeyClass, name: str, separator: str) -> Span | None:
    """In source only a literal counts, and only one that reads like a credential."""
    literal = _SOURCE_LITERAL.match(text, at)
    if not literal:
        if separator == "=" and _stands_in_query(text, at, name):
            return _read_query(text, at, kind)
        pair = CREDENTIAL_PAIR.match(text, at)
        return Span(pair.start(1), pair.end(1)) if pair and looks_opaque(pair.group(1)) else None
    value = literal.group(2).rpartition(" ")[2] if SCHEME.match(literal.group(2)) else literal.group(2)
    if is_harmless(value, kind) or "%" in value or "://" in value or " " in value.strip():
        return None
    if value.isdigit() and len(value) <= 8 and separator != "," and _SHORT_CODE_NAME.search(name):
        return Span(literal.start(2), literal.end(2))
    if not looks_opaque(value) or is_wordy(value):
        # Names of constants and of settings have joints; a lone word in capitals under a password is its value.
        is_value = separator != "," and value.isalpha() and value.isupper() and _PASSWORD_NAME.search(name)
        return Span(literal.start(2), literal.end(2)) if is_value and len(value) >= 6 else None
    if _COLOUR.match(value) or (_NOT_SPELT.match(value) and not any(c.isdigit() for c in value)):
        return None
    return Span(literal.start(2), literal.end(2))


_COLOUR: Final = re.compile(r"#(?:[0-9A-Fa-f]{3}){1,2}$")
_NOT_SPELT: Final = re.compile(r"[\w.]+:[\w.]*$|[^\w]+$")
_SHORT_CODE_NAME: Final = re.compile(r"(?:pass(?:word|code)|cvv|cvc|pin|otp)$", re.IGNORECASE)
_PASSWORD_NAME: Final = re.compile(r"pass|pwd|secret|key", re.IGNORECASE)
_QUERY_VALUE: Final = re.compile(r"[^\s&#\"'`<>\\{}$]{4,2000}(?![{$]|%[sd(])")


def _stands_in_query(text: str, at: int, name: str) -> bool:
    """True for a name after ``?`` or ``&``, and for the first of a form inside a literal."""
    before = text[at - len(name) - 2 : at - len(name) - 1]
    return before in ("?", "&") or (before in ("'", '"') and FORM_GOES_ON.match(text, at) is not None)


def _read_query(text: str, at: int, kind: KeyClass) -> Span | None:
    value = _QUERY_VALUE.match(text, at)
    if not value or value.group()[0] in "%<[(:" or is_harmless(value.group(), kind):
        return None
    if not looks_opaque(value.group()) and not (kind is KeyClass.SECRET and len(value.group()) >= 8):
        return None
    return Span(value.start(), value.end())
