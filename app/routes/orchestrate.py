"""`POST /api/orchestrate`: call several APIs at once and answer when all have ended."""

from typing import Any

from fastapi import APIRouter, HTTPException, Security
from pydantic import BaseModel

from app.auth import CurrentUser, documented_key
from app.database import AppDatabase
from app.models import Tier
from app.observability import operation
from app.orchestration import AppOrchestrator, OrchestrationRefusedError, OrchestrationRequest, find_apis

router = APIRouter(prefix="/api", tags=["orchestration"], dependencies=[Security(documented_key)])


class Failure(BaseModel):
    """Why there is no result of an API."""

    reason: str
    status: int | None


class Orchestration(BaseModel):
    """Results and failures by API, and how long each call took in milliseconds."""

    results: dict[str, Any]
    failures: dict[str, Failure]
    timings_ms: dict[str, float]


@router.post("/orchestrate")
async def orchestrate(
    wanted: OrchestrationRequest, user: CurrentUser, database: AppDatabase, orchestrator: AppOrchestrator
) -> Orchestration:
    """Call the chosen APIs at the same time.

    Answers 200 also if some calls failed; 402 above the limit of the tier, 404 for an unknown API.
    """
    try:
        apis = await find_apis(database, wanted, Tier(user.tier))
    except OrchestrationRefusedError as refusal:
        raise HTTPException(refusal.status, refusal.detail) from None
    context = {"endpoint": "/api/orchestrate", "user_tier": user.tier, "api_count": len(apis)}
    with operation("api.orchestrate", name="API Orchestration", context=context) as current:
        outcomes = await orchestrator.call_all(apis, wanted.input)
        current.set("failed", sum(outcome.reason is not None for outcome in outcomes))
    return Orchestration(
        results={outcome.api: outcome.data for outcome in outcomes if outcome.reason is None},
        failures={
            outcome.api: Failure(reason=outcome.reason, status=outcome.status)
            for outcome in outcomes
            if outcome.reason is not None
        },
        timings_ms={outcome.api: outcome.duration_ms for outcome in outcomes},
    )
