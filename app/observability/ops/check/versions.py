"""Which versions of what we stand on were tested."""

import platform
import re
from collections.abc import Iterator
from importlib import metadata

from .finding import Finding, Surroundings, warning

PYTHON = ((3, 11), (3, 15))
"""From the first version, up to but without the second; the same for packages."""

TESTED: dict[str, tuple[tuple[int, ...], tuple[int, ...]]] = {
    "fastapi": ((0, 165), (1,)),
    "httpx": ((0, 28), (1,)),
    "pydantic-settings": ((2, 16), (3,)),
    "sentry-sdk": ((2, 75), (3,)),
    "sqlalchemy": ((2, 1, 9), (2, 2)),
    "uvicorn": ((0, 54), (1,)),
}


def installed() -> dict[str, str]:
    """Return the versions of Python and of the packages we stand on."""
    found = {"python": platform.python_version()}
    for name in TESTED:
        try:
            found[name] = metadata.version(name)
        except metadata.PackageNotFoundError:
            continue
    return found


def tested(at: Surroundings) -> Iterator[Finding]:
    """Versions outside those that the tests run with."""
    for name, (lowest, end) in {"python": PYTHON, **TESTED}.items():
        version = at.versions.get(name)
        if version is None:
            continue
        numbers = tuple(int(part) for part in re.findall(r"\d+", version)[:3])
        if not lowest <= numbers < end:
            span = f"{'.'.join(map(str, lowest))} up to, without, {'.'.join(map(str, end))}"
            yield warning(
                "version.untested",
                f"{name} is {version}; tested are {span}.",
                "We read a few names of the SDK that are not promised for ever.",
                "Install the requirements.txt of this project.",
            )


CHECKS = (tested,)
