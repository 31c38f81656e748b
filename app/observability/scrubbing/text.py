"""Scrub one string: which rules apply, in which order, and what a rule leaves behind."""

import html
import re
from collections.abc import Callable, Iterable
from enum import IntEnum
from typing import Final
from urllib.parse import unquote

from .keys import KeyClassifier
from .keyvalue import Span, find_pairs
from .marker import FILTERED, TRUNCATED, marker
from .numbers import IBAN, IPV4, IPV6, find_numbers, iban_end, is_public_ipv4, is_public_ipv6
from .tokens import PEM, PEM_TAIL, VENDOR, WEBHOOK

MAX_STRING_CHARS: Final = 65_536
_MAX_ROUNDS: Final = 4


class Mode(IntEnum):
    """What a field holds, and so which rules apply to it."""

    TEXT = 0
    IDENTIFIER = 1  # ids, paths, module names: only what identifies itself
    SOURCE = 2  # a line of source: quoted literals yes, identifiers no
    AGENT = 3  # user agents: versions that look like addresses
    HOST = 4  # names of machines
    URL = 5
    SQL = 6


_USERINFO: Final = re.compile(r"(?<![\w])([A-Za-z][A-Za-z0-9+.\-]{1,30}://)([^\s/@:\"'<>?#\\]{0,100}):([^\s\"'<>]{1,400})@")
_USERINFO_CUT: Final = re.compile(r"(?<![\w])([A-Za-z][A-Za-z0-9+.\-]{1,30}://[^\s/@:\"'<>?#\\\[]{1,100}:)([^\s/\"'<>@?#:]{3,200})$")
_AUTH: Final = re.compile(r"(?<![\w\-])(?i:bearer|basic|token|apikey|digest)[ \t]{1,4}(?:token[ :]{1,2})?[\"']?([A-Za-z0-9\-._~+/]{10,4096}={0,2})")
_EMAIL: Final = re.compile(
    r"[\w.!#$&*+/?^`{|}~\-]{1,64}(?<![.])(?:@|%(?:25){0,3}40|&\#64;|&\#x40;|&commat;|\\+u0040|\\+x40)(?=\w)((?:[\w\-]{1,63}\.){1,6}[^\W\d_]{2,24})(?![\w])"
)
_NOT_MAIL_TLDS: Final = frozenset(
    "internal local localhost lan localdomain png jpg jpeg gif svg webp ico css js ts tsx jsx py json html htm zip whl gz yml yaml toml cfg txt md lock so service target mjs".split()
)
_HAS_AT: Final = re.compile(r"@|%(?:25)*40|&#|&commat|u0040|x40")
_DIGIT: Final = re.compile(r"\d")
_SQL: Final = re.compile(r"^\s*(?:/\*.{0,200}?\*/\s*)?(?:SELECT|INSERT|UPDATE|DELETE|WITH|MERGE|CREATE|ALTER|CALL|EXEC|REPLACE|COPY|SET|GRANT)\b", re.IGNORECASE | re.DOTALL)
_SQL_LITERAL: Final = re.compile(r"(?<![\w])[eEnN]?'(?:[^'\\]|''|\\.){0,4000}(?:'|\Z)")
_PARAMETERS: Final = re.compile(r"(\[parameters: )(.{1,20000}?)(\]\s*(?:\n|\(Background|$)|\Z)", re.DOTALL)
_DETAIL_KEY: Final = re.compile(r"Key \(([^()]{1,200})\)=\((.{0,2000}?)\)(?= (?:already|is not|is still|conflicts)|\.|$)", re.DOTALL)
_FAILING_ROW: Final = re.compile(r"(Failing row contains \()(.{1,8000}?)(\)\.?(?:\n|$)|\Z)", re.DOTALL)


class TextScrubber:
    """Scrub strings. Output that is scrubbed again stays as it is.

    Clean short strings are remembered across calls (never one that held something), so thread-safe by the
    atomicity of single dict operations.
    """

    def __init__(self, keys: KeyClassifier, patterns: Iterable[re.Pattern[str]] = ()) -> None:
        self._keys = keys
        self._patterns = tuple(patterns)

    def scrub(self, text: str, mode: Mode, hits: list[str]) -> str:
        """Return the text without anything sensitive; append the name of each rule that removed something."""
        tail = ""
        if len(text) > MAX_STRING_CHARS:
            text, tail = text[:MAX_STRING_CHARS], TRUNCATED
        out = self._once(text, mode, hits)
        if out is not text and out != text:
            for _ in range(_MAX_ROUNDS):
                again = self._once(out, mode, hits)
                if again == out:
                    break
                out = again
            else:
                return FILTERED
        return out + tail if tail else out

    def _once(self, text: str, mode: Mode, hits: list[str]) -> str:
        out = text
        for pattern in self._patterns:
            out = _sub(pattern, out, "custom", hits)
        if "-----" in out:
            out = _sub(PEM, out, "private_key", hits)
            out = _sub(PEM_TAIL, out, "private_key", hits)
        if "://" in out:
            out = _userinfo(out, hits)
            out = WEBHOOK.sub(lambda m: _hit(hits, "webhook", m.group()[: m.start(1) - m.start()]), out)
        has_digit = _DIGIT.search(out) is not None
        if has_digit and len(out) > 15:
            out = _sub(VENDOR, out, "token", hits)
        if mode is Mode.IDENTIFIER:
            return out
        if mode is Mode.SQL or (mode is Mode.TEXT and _SQL.match(out)):
            out = _SQL_LITERAL.sub(lambda m: _literal(m.group(), hits), out)
        if "[parameters: " in out or "=(" in out or "Failing row" in out:
            out = self._database(out, hits)
        spans = find_pairs(out, self._keys.classify, mode is Mode.URL or "?" in out)
        if spans:
            out = _cut(out, spans, hits)
        out = _AUTH.sub(lambda m: _auth(m, hits), out)
        if has_digit:
            out = _numbers(out, mode, hits)
        if _HAS_AT.search(out):
            out = _EMAIL.sub(lambda m: _email(m, hits), out)
        return out

    def _database(self, text: str, hits: list[str]) -> str:
        text = _PARAMETERS.sub(lambda m: _hit(hits, "parameters", m.group(1)) + m.group(3), text)
        text = _FAILING_ROW.sub(lambda m: _hit(hits, "row", m.group(1)) + m.group(3), text)

        def key(match: re.Match[str]) -> str:
            columns = match.group(1).split(",")
            if any(self._keys.classify(column.strip()) for column in columns):
                return _hit(hits, "row", f"Key ({match.group(1)})=(") + ")"
            return match.group()

        return _DETAIL_KEY.sub(key, text)


def _hit(hits: list[str], rule: str, kept: str = "") -> str:
    hits.append(rule)
    return kept + marker(rule)


def _sub(pattern: re.Pattern[str], text: str, rule: str, hits: list[str]) -> str:
    return pattern.sub(lambda m: _hit(hits, rule), text)


def _literal(literal: str, hits: list[str]) -> str:
    inner = literal.strip("eEnN'")
    if not inner or inner.startswith("[Filtered") or inner == "?" or re.fullmatch(r"[\w%: ,.\-/]{1,3}", inner):
        return literal
    hits.append("sql")
    return "'?'"


def _userinfo(text: str, hits: list[str]) -> str:
    def one(match: re.Match[str]) -> str:
        if match.group(3).startswith(("[Filtered", "***", "//")):
            return match.group()
        return _hit(hits, "url_password", match.group(1) + match.group(2) + ":") + "@"

    def cut(match: re.Match[str]) -> str:
        if match.group(2).startswith("[") or match.group(2).isdigit():
            return match.group()
        return _hit(hits, "url_password", match.group(1))

    return _USERINFO_CUT.sub(cut, _USERINFO.sub(one, text))


def _auth(match: re.Match[str], hits: list[str]) -> str:
    value = match.group(1)
    if value.isalpha() and not (len(value) >= 16 and not value.islower() and not value.istitle()):
        return match.group()
    if value.startswith("[Filtered") or not (any(c.isdigit() for c in value) or value.endswith("=") or not value.islower()):
        return match.group()
    return _hit(hits, "auth", match.group()[: match.start(1) - match.start()])


def _numbers(text: str, mode: Mode, hits: list[str]) -> str:
    spans = [Span(*span) for span in find_numbers(text)]
    for match in IBAN.finditer(text):
        end = iban_end(text, match.start(), match.end())
        if end > 0:
            spans.append(Span(match.start(), end, "iban"))
    if mode is not Mode.AGENT and mode is not Mode.HOST:
        if "." in text:
            for match in IPV4.finditer(text):
                if is_public_ipv4(match.groups(), text, match.start()):
                    spans.append(Span(match.start(), match.end(), "ip"))
        if text.count(":") > 1:
            spans.extend(Span(m.start(), m.end(), "ip") for m in IPV6.finditer(text) if is_public_ipv6(m.group()))
    return _cut(text, spans, hits) if spans else text


def _email(match: re.Match[str], hits: list[str]) -> str:
    domain = match.group(1)
    if domain.rpartition(".")[2].lower() in _NOT_MAIL_TLDS or match.group().startswith("git@"):
        return match.group()
    return _hit(hits, "email")


def _cut(text: str, spans: list[Span], hits: list[str]) -> str:
    spans.sort()
    pieces: list[str] = []
    at = 0
    for start, end, rule in spans:
        if start < at:
            continue
        pieces.append(text[at:start])
        pieces.append(marker(rule) if rule else FILTERED)
        hits.append(rule or "key")
        at = end
    pieces.append(text[at:])
    return "".join(pieces)
