"""What a test does when the machine lacks a server or a browser that it needs."""

import os
from typing import NoReturn

import pytest

_TRUE = {"1", "true", "yes", "on"}


def servers_are_required() -> bool:
    """Tell whether a missing counterpart is a failure: in CI, and where `REQUIRE_SERVERS=1` asks for it."""
    return any(os.environ.get(name, "").lower() in _TRUE for name in ("CI", "REQUIRE_SERVERS"))


def is_missing(what: str) -> NoReturn:
    """Skip the test with the reason; fail it where nothing may be missing."""
    if servers_are_required():
        pytest.fail(f"{what}, and CI or REQUIRE_SERVERS says that nothing may be skipped", pytrace=False)
    pytest.skip(what)
