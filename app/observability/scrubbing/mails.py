"""E-mail addresses, also with the at sign spelt in percent, HTML, JSON or by hand."""

import re
from typing import Final

from .spans import Span
from .words import words

_AT: Final = re.compile(
    r"[@\uff20]|%(?:25){0,3}40|&\#64;|&\#x40;|&commat;|\\{1,4}u0040|\\{1,4}x40|\s?[\[({](?:at|AT|ät)[\])}]\s?"
)
_OTHER_SIGNS: Final = (
    "40",
    "&#",
    "&comm",
    "at]",
    "at)",
    "at}",
    "AT]",
    "AT)",
    "AT}",
    "ät]",
    "ät)",
    "\uff20",
)
_LOCAL: Final = re.compile(r"[\w.!#$&*+/?^`{|}~%\-]{1,64}")
_DOMAIN: Final = re.compile(r"(?=\w)((?:[\w\-]{1,63}\.){1,6}[^\W\d_]{2,24})(?![\w])")
_SPELT_DOMAIN: Final = re.compile(
    r"(?=\w)((?:[\w\-]{1,63}(?:\.|\s?[\[({](?:dot|DOT|punkt|point)[\])}]\s?"
    r"| dot )){1,6}[^\W\d_]{2,24})(?![\w])"
)
_NOT_MAIL_TLDS: Final = words(
    "internal local localhost lan localdomain png jpg jpeg gif svg webp ico css js ts tsx jsx py json "
    "html htm zip whl gz yml yaml toml cfg txt md lock so service target mjs sql log"
)

_FILES: Final = words("json html htm txt log zip md png jpg jpeg sql yml yaml")
_MAIL_DOMAIN: Final = re.compile(
    r"[\w\-]{3,63}(?:\.[\w\-]{2,63}){0,3}\.(?:[a-z]{2}|com|org|net|edu|gov|info|example|email|cloud|online)"
)


def find_mails(text: str) -> list[Span]:
    """Spans of addresses; `user@host`, decorators, scopes of packages and file names are none."""
    if "@" not in text and not any(sign in text for sign in _OTHER_SIGNS):
        return []
    spans: list[Span] = []
    reverse = ""
    size = len(text)
    done = 0
    for at in _AT.finditer(text):
        if at.start() < done:
            continue
        domain = _DOMAIN.match(text, at.end())
        if not domain and at.group().rstrip()[-1:] in ("]", ")", "}"):
            domain = _SPELT_DOMAIN.match(text, at.end())
        if not domain:
            continue
        end = domain.end()
        before, _, last = domain.group(1).rpartition(".")
        if last.lower() in _NOT_MAIL_TLDS:
            # A file may be named after a person: `jane@corp.example.json`.
            if last.lower() not in _FILES or not _MAIL_DOMAIN.fullmatch(before):
                continue
            end -= len(last) + 1
        if not reverse:
            reverse = text[::-1]
        local = _LOCAL.match(reverse, size - at.start())
        if not local:
            continue
        name = local.group()[::-1]
        start = at.start() - len(name)
        trimmed = name.lstrip("./&?!`{|}*#")
        start += len(name) - len(trimmed)
        for mark in ("/", "?", "&", "|", "%3D", "%3d", "%22", "%3A", "%3a"):
            cut = trimmed.rfind(mark)
            if cut >= 0:
                start += cut + len(mark)
                trimmed = trimmed[cut + len(mark) :]
        if not trimmed or trimmed.endswith(".") or trimmed == "git" or "**" in name:
            continue
        spans.append(Span(start, end, "email"))
        done = end
    return spans
