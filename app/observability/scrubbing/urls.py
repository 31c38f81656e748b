"""URLs: passwords before the host, and secrets that are segments of a path."""

import re
from typing import Final

from .credible import looks_secret
from .harmless import is_scrambled
from .spans import Span

USERINFO: Final = re.compile(
    r"(?<![\w])[A-Za-z][A-Za-z0-9+._!\-]{1,30}:{0,1}//([^\s/@:\"'<>?#\\]{0,100}):([^\s\"'<>]{1,400})@"
    r"(?=[\w\[.\-%]|$)"
)
USERINFO_CUT: Final = re.compile(
    r"(?<![\w])[A-Za-z][A-Za-z0-9+.\-]{1,30}://([^\s/@:\"'<>?\\\[]{0,100}):([^\s/\"'<>@?:]{3,200})(?=$|['\"])"
)
USER_TOKEN: Final = re.compile(r"://([^\s/@:\"'<>?#\\]{16,400})@")
# The same without a scheme: `bob:pw@db`, `tcp(app:pw@tcp(db:3306)/app)`, Oracle's `scott/tiger@orcl`.
BARE_USERINFO: Final = re.compile(
    r"(?:(?<=netloc=['\"])|(?<![\w/.@:\-%+$&=?])(?=[A-Za-z]))[\w.\-]{0,41}:([^\s:/@\"'`<>(){}\[\],]{4,100})@"
    r"(?=[A-Za-z\d\[][\w.\-:\[\]]{0,100})(?!sha\d)"
)
ORACLE: Final = re.compile(r"(?<![\w/.@\-])[A-Za-z]\w{0,30}/([^\s/@\"'<>(){}]{3,100})@(?=[\w/])")
# A line of a PostgreSQL password file: host:port:database:user:password.
PGPASS: Final = re.compile(
    r"(?:^|(?<=[\s\"'`=]))(?:[\w.\-]{1,80}|\*):(?:\d{3,5}|\*):[A-Za-z*][\w\-]{0,62}:[A-Za-z*][\w.@\-]{0,62}:"
    r"([^\s:\"'`]{6,200})(?=$|[\s\"'`\\])"
)
# In these places a path holds something that opens a door.
_STRONG: Final = (
    r"[\w\-]{0,20}(?:reset|invite|invitation|verify|verification|confirm|activat|magic"
    r"|unsubscribe|recover|accept"
    r"|onboard|join|password|signup|otp|passwordless)[\w\-]{0,20}"
)
_WEAK: Final = (
    "tokens?|share|shared|sessions?|secrets?|hooks?|webhooks?|download|downloads|link|links|s"
    "|d|u|l|t|k|auth|login"
    "|signin|sso|oauth|callback|keys?|api-?keys?|access|view|guest|public|feed|calendar|ical|sign"
)
STRONG_SEGMENT: Final = re.compile(
    rf"/(?:{_STRONG})/(?:[a-z][a-z\-]{{1,20}}/){{0,2}}([\w.~%\-]{{14,600}})(?![\w])",
    re.IGNORECASE,
)
WEAK_SEGMENT: Final = re.compile(rf"/(?:{_WEAK})/([\w.~%\-]{{20,600}})(?![\w])", re.IGNORECASE)
MARKED_SEGMENT: Final = re.compile(r"/(?:private|secret|token|key)-([\w]{16,200})(?![\w])")
_UUID: Final = re.compile(r"^[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}$", re.IGNORECASE)


def find_urls(text: str, has_run: bool) -> list[Span]:
    """Spans of passwords and tokens inside URLs and paths.

    Args:
        text: the text.
        has_run: whether it holds a run of characters long enough for a token.
    """
    spans: list[Span] = []
    if "//" in text and ":" in text:
        for match in USERINFO.finditer(text) if "@" in text else ():
            value = match.group(2)
            if not value.startswith(("[Filtered", "***", "//", "$", "{", "<", "%s", "%(")):
                end = match.end(2)
                slash = value.find("/")
                if slash > 0 and value[:slash].isdigit():
                    continue
                spans.append(Span(match.start(2), end, "url_password"))
        for match in _cut_off(text):
            value = match.group(2)
            if (
                not value.startswith(("[", "***", "{", "$", "%"))
                and not value.isdigit()
                and not (match.group(1) and value.isalpha())
            ):
                spans.append(Span(match.start(2), match.end(2), "url_password"))
        if "@" in text:
            for match in USER_TOKEN.finditer(text):
                value = match.group(1)
                if (
                    any(c.isdigit() for c in value)
                    and any(c.isalpha() for c in value)
                    and not value.startswith("[")
                ):
                    spans.append(Span(match.start(1), match.end(1), "url_password"))
    if has_run:
        if "-" in text:
            spans += [
                Span(match.start(1), match.end(1), "path_token")
                for match in MARKED_SEGMENT.finditer(text)
                if any(c.isdigit() for c in match.group(1))
            ]
        spans += [
            Span(match.start(1), match.end(1), "path_token")
            for match in STRONG_SEGMENT.finditer(text)
            if _is_opaque(match.group(1)) or _UUID.match(match.group(1))
        ]
        spans += [
            Span(match.start(1), match.end(1), "path_token")
            for match in WEAK_SEGMENT.finditer(text)
            if _is_opaque(match.group(1))
        ]
    return spans


def find_logins(text: str, low: str) -> list[Span]:
    """Spans of passwords between a user and a host where no scheme stands before them.

    Args:
        text: a text with a colon or an at sign.
        low: the same in lower case.
    """
    spans: list[Span] = []
    if "@" in text:
        spans += [
            Span(match.start(1), match.end(1), "url_password")
            for match in BARE_USERINFO.finditer(text)
            if looks_secret(match.group(1)) and not _VERSION.match(match.group(1))
        ]
        if "/" in text and ("thin:" in low or "oracle" in low or "ora-" in low or "sqlplus" in low):
            spans += [
                Span(match.start(1), match.end(1), "url_password")
                for match in ORACLE.finditer(text)
                if not match.group(1).startswith(("[Filtered", "$", "%"))
            ]
    if text.count(":") > 3:
        spans += [
            Span(match.start(1), match.end(1), "url_password")
            for match in PGPASS.finditer(text)
            if looks_secret(match.group(1))
        ]
    return spans


_VERSION: Final = re.compile(r"v?\d{1,4}(?:\.\d{1,4}){1,3}(?:[\-.+][\w.\-]{1,30})?$")


def _cut_off(text: str) -> list[re.Match[str]]:
    """A URL that was cut off inside the password: the last of the text, with a colon and nothing after it."""
    start = text.rfind("://")
    if start < 0 or start > len(text) - 6 or len(text) - start > 300 or text.find(":", start + 3) < 0:
        return []
    return list(USERINFO_CUT.finditer(text, max(0, start - 31)))


def _is_opaque(segment: str) -> bool:
    """True for a random segment; slugs, file names, versions and UUIDs are none."""
    if _UUID.match(segment) or re.search(
        r"\.(?:js|css|html?|png|jpe?g|svg|py|json|xml|pdf|map|woff2?|zip|txt|md|csv)$",
        segment,
        re.IGNORECASE,
    ):
        return False
    digits = sum(c.isdigit() for c in segment)
    if not digits:
        return len(segment) >= 20 and is_scrambled(segment)
    if digits == len(segment):
        return False
    pieces = [piece for piece in re.split(r"[\-._~]", segment) if piece]
    wordy = sum(
        1 for piece in pieces if (piece.isalpha() and (piece.islower() or piece.istitle())) or piece.isdigit()
    )
    return wordy * 2 < len(pieces) or max(map(len, pieces)) >= 20
