"""Demo upstreams, so that orchestration works without internet.

The orchestrator reaches them inside the process; they are also served under /demo, to try them by hand.
"""

import asyncio
from typing import Any

from fastapi import APIRouter, FastAPI, HTTPException, status
from pydantic import BaseModel, Field

MAX_DELAY_MS = 10_000

router = APIRouter(prefix="/demo", tags=["demo upstreams"])


class DemoCall(BaseModel):
    """What the orchestrator sends to every upstream."""

    input: dict[str, Any] = Field(default_factory=dict)


@router.post("/fast")
async def fast(call: DemoCall) -> dict[str, Any]:
    """Echo the input at once."""
    return {"echo": call.input}


@router.post("/slow")
async def slow(call: DemoCall) -> dict[str, Any]:
    """Echo the input after its `delay_ms`, one second if it names none."""
    wanted = call.input.get("delay_ms")
    delay_ms = wanted if isinstance(wanted, int | float) else 1000
    await asyncio.sleep(min(max(delay_ms, 0), MAX_DELAY_MS) / 1000)
    return {"echo": call.input}


@router.post("/failing")
async def failing() -> None:
    """Be out of order."""
    raise HTTPException(status.HTTP_503_SERVICE_UNAVAILABLE, "out of order, as always")


@router.post("/broken")
async def broken(call: DemoCall) -> dict[str, Any]:
    """Answer well; it is our adapter for this API that has a bug."""
    return {"echo": call.input}


def make_upstreams() -> FastAPI:
    """Make an app of the demo upstreams alone, for calls inside the process."""
    upstreams = FastAPI(openapi_url=None)
    upstreams.include_router(router)
    return upstreams
