"""Attributes of logs, metrics and scopes: kept with their field names.

The SDK makes a list of a named tuple as soon as it is given as an attribute, before any hook, and offers no place to
ask first. Its `format_attribute` is therefore replaced in the modules that use it (SDK 2.75; contract test
`test_attributes_keep_their_names`). With an SDK that has none there, nothing is replaced.
"""

from typing import Any

import sentry_sdk.logger
import sentry_sdk.metrics
import sentry_sdk.scope
from sentry_sdk import utils

from .fieldnames import with_field_names

_USERS = (sentry_sdk.logger, sentry_sdk.metrics, sentry_sdk.scope)
_format = getattr(utils, "format_attribute", None)


def keep_field_names() -> None:
    """Have attributes keep the names of their fields; harmless when called again."""
    for module in _USERS:
        if _format is not None and getattr(module, "format_attribute", None) is _format:
            setattr(module, "format_attribute", format_attribute)  # noqa: B010 - mypy knows no such attribute


def format_attribute(value: Any) -> Any:
    """The SDK's form of an attribute, with a text of names and values for what has names."""
    return _format(with_field_names(value)) if _format is not None else value
