"""Other spellings of a text: percent, HTML entities, JSON escapes, invisible characters, base64 and hex.

What they hide is scrubbed too.
"""

import base64
import binascii
import html
import re
from typing import Final
from urllib.parse import unquote

PERCENT: Final = re.compile(r"%[0-9A-Fa-f]{2}")
ENTITY: Final = re.compile(r"&(?:quot|amp|lt|gt|apos|commat|colon|equals|#\d{2,5}|#x[0-9A-Fa-f]{2,4});")
ESCAPE: Final = re.compile(r"(?<!\\)\\{1,8}(?:u00([0-9A-Fa-f]{2})|x([2-7][0-9A-Fa-f]))")
BASE64: Final = re.compile(r"(?<![A-Za-z0-9+/_\-])[A-Za-z0-9+/_\-]{16,8192}={0,2}(?![A-Za-z0-9+/_\-])")
HEX: Final = re.compile(
    r"(?:(?<=0x)|(?<![0-9A-Za-z]))(?:[0-9a-f]{2}){10,4096}(?![0-9A-Za-z])"
    r"|(?<![0-9A-Za-z])(?:[0-9A-F]{2}){10,4096}(?![0-9A-Za-z])"
)


_INVISIBLE: Final = dict.fromkeys((0xAD, 0x200B, 0x2060, 0xFEFF))


def spell_out(text: str) -> str:
    """Return the text with percent, entity and unicode escapes resolved, as a reader would see it."""
    if "%" in text and PERCENT.search(text):
        text = unquote(text)
        if "%" in text and PERCENT.search(text):
            text = unquote(text)
    if "&" in text and ENTITY.search(text):
        text = html.unescape(text)
    if "\\" in text and ESCAPE.search(text):
        text = ESCAPE.sub(lambda m: chr(int(m.group(1) or m.group(2), 16)), text)
    return text if text.isascii() else text.translate(_INVISIBLE)


def decode_base64(run: str) -> str | None:
    """Return what a base64 run says if it is readable text, else None."""
    body = run.rstrip("=").replace("-", "+").replace("_", "/")
    if len(body) % 4 == 1:
        return None
    try:
        raw = base64.b64decode(body + "=" * (-len(body) % 4), validate=True)
    except (binascii.Error, ValueError):
        return None
    return _readable(raw)


def decode_hex(run: str) -> str | None:
    """Return what a hex run says if it is readable text, else None."""
    return _readable(bytes.fromhex(run))


def _readable(raw: bytes) -> str | None:
    try:
        text = raw.decode("utf-8")
    except UnicodeDecodeError:
        return None
    plain = text.replace("\n", "").replace("\r", "").replace("\t", "").replace("\0", "")
    return text if plain.isprintable() and len(plain) >= 8 else None
