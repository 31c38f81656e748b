"""`GET /health`: is this process able to serve?"""

from fastapi import APIRouter, Request, Response, status
from pydantic import BaseModel

from app.database import AppDatabase

DATABASE_CHECK_TIMEOUT_S = 2.0

router = APIRouter(tags=["health"])


class Health(BaseModel):
    """Answer to a health check. Open to everybody, so it says nothing about the inside."""

    status: str
    observability: str
    database: str


@router.get("/health", responses={503: {"model": Health}})
async def health(request: Request, response: Response, database: AppDatabase) -> Health:
    """Answer 200 while the database does, else 503; never later than the time allowed for the check."""
    is_up = await database.is_up(DATABASE_CHECK_TIMEOUT_S)
    if not is_up:
        response.status_code = status.HTTP_503_SERVICE_UNAVAILABLE
    return Health(
        status="ok" if is_up else "unavailable",
        observability=request.app.state.observability.mode,
        database="up" if is_up else "down",
    )
