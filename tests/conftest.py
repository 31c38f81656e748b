"""What every test may rely on: asyncio as the only backend, and the counterparts in `tests/support`."""

import pytest

pytest_plugins = [
    "tests.support.bugsink",
    "tests.support.chromium",
    "tests.support.postgres",
    "tests.support.uvicorn_server",
]


@pytest.fixture(scope="session")
def anyio_backend() -> str:
    """Run `@pytest.mark.anyio` tests on asyncio, the loop that uvicorn gives the service."""
    return "asyncio"
