"""The fixture `silence_afterwards`: no client is left behind for the next test."""

from collections.abc import Iterator

import pytest
import sentry_sdk


@pytest.fixture(autouse=True)
def silence_afterwards() -> Iterator[None]:
    """Close the client that a test initialised."""
    yield
    sentry_sdk.get_client().close(timeout=0)
    sentry_sdk.get_global_scope().set_client(None)
