"""Keeps API keys out of the server's own log, which writes the query string of every WebSocket handshake."""

import logging
import re

_KEY_IN_QUERY = re.compile(r"(api_?key=)[^&\s\"]+", re.IGNORECASE)


class HideKeys(logging.Filter):
    """Replaces the value of `api_key` in the arguments of a log record; lets every record pass."""

    def filter(self, record: logging.LogRecord) -> bool:
        """Hide keys in place, before any handler sees the record."""
        if isinstance(record.args, tuple):
            record.args = tuple(_hide(argument) for argument in record.args)
        return True


def _hide(argument: object) -> object:
    return _KEY_IN_QUERY.sub(r"\1[hidden]", argument) if isinstance(argument, str) else argument


def hide_keys_in_access_log() -> None:
    """Install the filter on the loggers of uvicorn, once."""
    for name in ("uvicorn.access", "uvicorn.error"):
        server_log = logging.getLogger(name)
        if not any(isinstance(installed, HideKeys) for installed in server_log.filters):
            server_log.addFilter(HideKeys())
