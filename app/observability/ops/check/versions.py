"""Which versions of what we stand on were tested: the one place that says it.

Tests hold the table to `pyproject.toml` and to the files that pin what the tests run on, `requirements-lowest.txt` and
`requirements-dev.txt`.
"""

import platform
import re
from collections.abc import Iterator
from dataclasses import dataclass
from importlib import metadata

from .finding import Finding, Surroundings, note, warning


@dataclass(frozen=True)
class Tested:
    """The lowest and the newest version that the tests ran on, and the first that is known or likely to break."""

    lowest: str
    newest: str
    end: str


TESTED: dict[str, Tested] = {
    "python": Tested("3.11", "3.13", "3.15"),
    "aiosqlite": Tested("0.21", "0.22", "1"),
    "asyncpg": Tested("0.32", "0.32", "1"),
    "fastapi": Tested("0.144", "0.165", "1"),
    "httpx": Tested("0.27", "0.28", "1"),
    "jinja2": Tested("3.1.4", "3.1.6", "4"),
    "pydantic": Tested("2.12", "2.14", "3"),
    "pydantic-settings": Tested("2.12", "2.16", "3"),
    "python-dotenv": Tested("1.1", "1.2", "2"),
    "sentry-sdk": Tested("2.62", "2.75", "3"),
    "sqlalchemy": Tested("2.1", "2.1.9", "2.2"),
    "starlette": Tested("1.0", "1.10", "2"),
    "typer": Tested("0.26", "0.29", "1"),
    "uvicorn": Tested("0.53", "0.54", "1"),
}


def installed() -> dict[str, str]:
    """Return the versions of Python and of the packages we stand on."""
    found = {"python": platform.python_version()}
    for name in TESTED.keys() - found.keys():
        try:
            found[name] = metadata.version(name)
        except metadata.PackageNotFoundError:
            continue
    return found


def tested(at: Surroundings) -> Iterator[Finding]:
    """Versions outside those that the tests run with."""
    for name, known in TESTED.items():
        version = at.versions.get(name)
        if version is None:
            continue
        what = f"{name} is {version}; tested are {known.lowest} to {known.newest}."
        numbers, newest = _numbers(version), _numbers(known.newest)
        if not _numbers(known.lowest) <= numbers < _numbers(known.end):
            yield warning(
                "version.untested",
                what,
                "We read a few names of the SDK that are not promised for ever.",
                "Install the requirements.txt of this project.",
            )
        elif numbers[: len(newest)] > newest:
            yield note(
                "version.newer",
                what,
                "Nothing is known against it, but no test has run on it.",
                "Run the tests on it, or install the requirements.txt of this project.",
            )


def _numbers(version: str) -> tuple[int, ...]:
    return tuple(int(part) for part in re.findall(r"\d+", version)[:3])


CHECKS = (tested,)
