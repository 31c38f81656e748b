"""Log records as Sentry sees them: their message and arguments with the names of fields.

The SDK formats a record before any hook, and a database row is the text of a tuple then. Its integration is given a
copy of such a record; other handlers have had the original. Overrides two private methods (SDK 2.75; contract test
`test_log_records_pass_through_our_integration`).
"""

import copy
from logging import ERROR, LogRecord
from typing import Any

from sentry_sdk.integrations.logging import LoggingIntegration

from .fieldnames import with_field_names


class NamingLoggingIntegration(LoggingIntegration):
    """The SDK's, for records whose values keep their names."""

    def _handle_record(self, record: LogRecord) -> None:
        super()._handle_record(record_with_names(record))

    def _handle_sentry_logs_record(self, record: LogRecord) -> None:
        super()._handle_sentry_logs_record(record_with_names(record))


def record_with_names(record: LogRecord) -> LogRecord:
    """The record, or a copy of it where a value would lose its names; never raises.

    Of an error whose arguments do not fit its message the message is kept: the SDK would drop it without a word.
    """
    message, arguments = with_field_names(record.msg), _arguments_with_names(record.args)
    if message is not record.msg or arguments is not record.args:
        record = _copy(record, message, arguments)
    if record.levelno < ERROR or not record.args or _can_be_formatted(record):
        return record
    return _copy(record, message, ())


def _copy(record: LogRecord, message: Any, arguments: Any) -> LogRecord:
    copied = copy.copy(record)
    copied.msg, copied.args = message, arguments
    return copied


def _can_be_formatted(record: LogRecord) -> bool:
    try:
        record.getMessage()
    except Exception:  # noqa: BLE001 - a foreign __str__ may raise anything
        return False
    return True


def _arguments_with_names(arguments: Any) -> Any:
    if type(arguments) is not tuple:
        return with_field_names(arguments)
    named = tuple(map(with_field_names, arguments))
    return arguments if all(one is other for one, other in zip(named, arguments, strict=True)) else named
