"""What several commands need: options, settings, and failures in words."""

import traceback
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Annotated

import typer

from .alerts.document import AlertFileError
from .api import SentryApiError
from .console import WRONG_USE, give_up
from .settings import OpsConfigError, OpsSettings

AsJson = Annotated[bool, typer.Option("--json", help="Print JSON instead of text.")]


@contextmanager
def worded(as_json: bool) -> Iterator[None]:
    """Turn the failures that people can act on into a sentence and an exit code."""
    try:
        yield
    except OpsConfigError as error:
        give_up(str(error), as_json=as_json, code=WRONG_USE)
    except (SentryApiError, AlertFileError) as error:
        give_up(str(error), as_json=as_json)


def ops_settings() -> OpsSettings:
    """Return the settings for Sentry's web API.

    Raises:
        OpsConfigError: One that every call needs is missing, or one is wrong; names them all.
    """
    settings = OpsSettings()
    faults = [*settings.faults().values()]
    if missing := settings.missing():
        faults.insert(0, f"{', '.join(missing)} must be set (see the README, part for ops).")
    if faults:
        raise OpsConfigError(" ".join(faults))
    return settings


def unexpected(error: Exception) -> str:
    """Say where something failed that nobody expected; not its message, which could hold a secret."""
    place = traceback.extract_tb(error.__traceback__)[-1:]
    where = "".join(f" in {Path(frame.filename).name}, line {frame.lineno}" for frame in place)
    return (
        f"this command failed with {type(error).__name__}{where}. Please report that; nothing else is known."
    )
