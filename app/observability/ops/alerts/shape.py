"""Rules that monitors and alerts share, and looking into JSON that may have any shape. Pure."""

import re
from collections.abc import Iterator, Mapping
from typing import Any

Body = Mapping[str, Any]

_CAMEL = re.compile(r"[a-z0-9][A-Z]")


def name_faults(body: Body, longest: int) -> Iterator[str]:
    """Yield what is wrong with the name."""
    name = body.get("name")
    if not isinstance(name, str) or not name.strip():
        yield "name is missing; an update without it is refused too"
    elif len(name) > longest:
        yield f"name is longer than {longest} characters"


def camel_faults(value: object, place: str = "") -> Iterator[str]:
    """Yield the keys that are not snake_case."""
    if isinstance(value, Mapping):
        for key, child in value.items():
            if _CAMEL.search(str(key)):
                yield f"{place}{key}: write keys in snake_case, else Sentry's schema does not check them"
            yield from camel_faults(child, f"{place}{key}.")
    elif isinstance(value, list):
        for child in value:
            yield from camel_faults(child, place)


def get(value: object, key: str) -> Any:
    """Return `value[key]`, None if there is no such thing."""
    return value.get(key) if isinstance(value, Mapping) else None


def is_whole(value: object) -> bool:
    """Say whether `value` is a whole number; truth values are none."""
    return isinstance(value, int) and not isinstance(value, bool)
