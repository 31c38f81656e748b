"""The one marker that stands where something was removed."""

from typing import Final

FILTERED: Final = "[Filtered]"
TRUNCATED: Final = "[Truncated]"


def marker(rule: str) -> str:
    """Name the rule that removed a value; a marker never holds a piece of the value or a hash of it."""
    return f"[Filtered:{rule}]"
