"""The server's own log does not keep API keys that came in a query string."""

import logging

import pytest

from app.access_log import HideKeys, hide_keys_in_access_log


@pytest.mark.parametrize(
    "query", ["api_key=SECRET", "a=1&api_key=SECRET&b=2", "API_KEY=SECRET", "apikey=SECRET"]
)
def test_a_key_in_the_query_is_hidden(query: str) -> None:
    line = ("127.0.0.1:5", f"/ws/stream?{query}")
    record = logging.LogRecord("uvicorn.error", logging.INFO, "", 0, '%s - "WebSocket %s"', line, None)
    assert HideKeys().filter(record)
    assert "SECRET" not in record.getMessage()
    assert "127.0.0.1:5" in record.getMessage()


def test_records_without_arguments_pass_unchanged() -> None:
    record = logging.LogRecord("uvicorn.error", logging.INFO, "", 0, "Started 100%", None, None)
    assert HideKeys().filter(record)
    assert record.getMessage() == "Started 100%"


def test_it_is_installed_once() -> None:
    hide_keys_in_access_log()
    hide_keys_in_access_log()
    for name in ("uvicorn.access", "uvicorn.error"):
        assert sum(isinstance(one, HideKeys) for one in logging.getLogger(name).filters) == 1
