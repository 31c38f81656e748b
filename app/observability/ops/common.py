"""What several commands need: options, settings, and failures in words."""

from collections.abc import Iterator
from contextlib import contextmanager
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
        OpsConfigError: One that every call needs is missing.
    """
    settings = OpsSettings()
    if missing := settings.missing():
        raise OpsConfigError(f"{', '.join(missing)} must be set (see the README, part for ops).")
    return settings
