"""The error behind /test-sentry. Its frame counts as in-app, so that the whole way of an event is seen."""

from typing import NoReturn


class SentryTestError(Exception):
    """Raised on purpose by /test-sentry; never folded."""


def raise_test_error() -> NoReturn:
    """Raise with made-up secrets in text and variables, so that QA sees what scrubbing leaves of them."""
    card_number = "4111 1111 1111 1111"
    password = "-".join(("made", "up", "for", "this", "test"))
    raise SentryTestError(
        f"Test error from /test-sentry, nothing is broken. Planted: password={password}, card {card_number}"
    )
