"""The user's own keys and patterns, checked before they are used."""

import re
from collections.abc import Iterable
from typing import Final

_NESTED: Final = re.compile(r"[+*}]\)?[+*]|\)[+*{]")
_MAX_CHARS: Final = 200


def split_custom(entries: Iterable[str]) -> tuple[list[str], list[re.Pattern[str]]]:
    """Split entries into key phrases and compiled ``re:`` value patterns.

    Raises:
        ValueError: an entry is empty, not a regular expression, matches everything or may run for ever.
    """
    words: list[str] = []
    patterns: list[re.Pattern[str]] = []
    for entry in entries:
        entry = entry.strip()
        if entry.startswith("re:"):
            patterns.append(_pattern(entry[3:]))
        elif entry:
            words.append(entry)
        else:
            raise ValueError(
                "an empty entry matches nothing; write a key like 'badge number' or a pattern like "
                "'re:BADGE-[0-9]{6}'"
            )
    return words, patterns


def _pattern(source: str) -> re.Pattern[str]:
    example = "write it like 're:BADGE-[0-9]{6}'"
    if len(source) > _MAX_CHARS:
        raise ValueError(f"the pattern is longer than {_MAX_CHARS} characters; {example}")
    try:
        pattern = re.compile(source)
    except re.error as error:
        raise ValueError(f"the pattern is no regular expression ({error.msg}); {example}") from error
    if pattern.search("") is not None:
        raise ValueError(f"the pattern matches the empty string and would remove nothing; {example}")
    if _NESTED.search(source):
        raise ValueError(f"the pattern repeats a repeated group and may run for ever; {example}")
    return pattern
