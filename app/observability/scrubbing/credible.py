"""Whether a value in a sentence reads like a credential."""

import re
from typing import Final

from .harmless import is_concept, is_masked, is_scrambled, is_word, is_wordy

NOISE: Final = ".,;:!?)]}…\"'`"
_ASSIGNMENT: Final = re.compile(r"^[A-Za-z][\w.\-]{0,30}=(?!=)")
_UUID_OR_DATE: Final = re.compile(
    r"^(?:\d{4}-\d\d-\d\d|\d{1,2}:\d\d|v?\d+(?:\.\d+)+$|\d+(?:ms|s|m|h|d|kb|mb|gb|k|px|%|x)$|\d+/\d+$)",
    re.IGNORECASE,
)


def looks_secret(value: str) -> bool:
    """True for a value in a sentence that reads like a credential: letters with digits or symbols, or a long mix."""
    value = value.rstrip(NOISE).lstrip("(")
    size = len(value)
    if (
        size < 5
        or is_word(value)
        or is_masked(value)
        or is_concept(value)
        or value.startswith(("[Filtered", "$", "{", "%", "/", "http", "--", "@", "<", "#/", "0x"))
    ):
        return False
    if value.endswith("()") or (value.endswith("=") and not value.endswith("==") and size < 24):
        return False
    if _ASSIGNMENT.match(value) and not (value.endswith("=") and value.count("=") <= 2):
        return False
    if _UUID_OR_DATE.match(value):
        return False
    letters = any(c.isalpha() for c in value)
    digits = any(c.isdigit() for c in value)
    if letters and digits:
        return not ("::" in value or "(" in value or (":" in value and value.partition(":")[2].isdigit()))
    if digits:
        return size >= 7 and value.isdigit()
    if not letters:
        return False
    inner = value[1:-1]
    symbols = sum(1 for c in inner if c in "!#$%^&*+?~@=")
    if symbols and not any(c in value for c in "(){}[]<>"):
        return True
    return is_scrambled(value) or (size >= 16 and value.isalpha() and value.isascii() and not is_wordy(value))
