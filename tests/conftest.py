"""What every test may rely on: asyncio as the only backend."""

import pytest


@pytest.fixture(scope="session")
def anyio_backend() -> str:
    """Run `@pytest.mark.anyio` tests on asyncio, the loop that uvicorn gives the service."""
    return "asyncio"
