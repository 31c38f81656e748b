"""What Sentry has, in the form in which we send it, so that both can be compared. Pure.

An answer differs from a body: keys are camelCase, the query hides in `queryObj.snubaQuery`, numbers of
conditions and actions are added, and defaults are filled in.
"""

import re
from collections.abc import Mapping
from typing import Any

Json = Any

_UPPER = re.compile(r"(?<=[a-z0-9])([A-Z])")


def as_body(answer: Json) -> Json:
    """Return a monitor or alert as Sentry answers it, with the keys and the nesting of a body."""
    body = _snake(answer)
    if isinstance(body, dict) and isinstance(body.get("data_sources"), list):
        body["data_sources"] = [_unwrapped(source) for source in body["data_sources"]]
    return body


def differences(wanted: Json, found: Json, place: str = "") -> list[str]:
    """Say where `found` departs from `wanted`; what `found` has beyond it does not count.

    Lists count as sets: Sentry keeps no order of conditions and actions.
    """
    if _is_nothing(wanted) and _is_nothing(found):
        return []
    if isinstance(wanted, Mapping):
        if not isinstance(found, Mapping):
            return [_line(place, found, wanted)]
        return [
            line
            for key, value in wanted.items()
            for line in differences(value, found.get(key), f"{place}.{key}" if place else key)
        ]
    if isinstance(wanted, list):
        return _list_differences(wanted, found, place)
    if wanted == found or _is_same_number(wanted, found):
        return []
    return [_line(place, found, wanted)]


def _list_differences(wanted: list[Json], found: Json, place: str) -> list[str]:
    rest = list(found) if isinstance(found, list) else []
    missing = list[Json]()
    for item in wanted:
        same = next((candidate for candidate in rest if not differences(item, candidate)), None)
        if same is None:
            missing.append(item)
        else:
            rest.remove(same)
    if len(missing) == len(rest) == 1:
        return differences(missing[0], rest[0], place)
    lines = [f"{place}: add {_short(item)}" for item in missing]
    return [*lines, *(f"{place}: remove {_short(item)}" for item in rest)]


def _line(place: str, found: Json, wanted: Json) -> str:
    return f"{place}: {_short(found)} -> {_short(wanted)}"


def _short(value: Json) -> str:
    if isinstance(value, Mapping):
        return " ".join(
            f"{key}={_short(child)}" for key, child in value.items() if key != "id" and not _is_nothing(child)
        )
    return "nothing" if value is None else repr(value) if isinstance(value, str) else str(value).lower()


def _is_nothing(value: Json) -> bool:
    return value is None or value == "" or value == [] or value == {}


def _is_same_number(wanted: Json, found: Json) -> bool:
    """Sentry gives some numbers, such as ids, as texts."""
    if isinstance(wanted, bool) or isinstance(found, bool):
        return False
    return isinstance(wanted, int) and isinstance(found, str) and found == str(wanted)


def _snake(value: Json) -> Json:
    if isinstance(value, dict):
        return {
            _UPPER.sub(lambda found: f"_{found[1].lower()}", key): _snake(child)
            for key, child in value.items()
        }
    return [_snake(child) for child in value] if isinstance(value, list) else value


def _unwrapped(source: Json) -> Json:
    query = source.get("query_obj") if isinstance(source, dict) else None
    inner = query.get("snuba_query") if isinstance(query, dict) else None
    return {**source, **inner} if isinstance(inner, dict) else source
