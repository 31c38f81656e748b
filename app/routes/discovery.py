"""`GET /api/discovery`: what can be orchestrated."""

from typing import Annotated

from fastapi import APIRouter, Query, Security
from pydantic import BaseModel
from sqlalchemy import select

from app.auth import CurrentUser, documented_key
from app.database import AppDatabase
from app.models import Api
from app.observability import operation

router = APIRouter(prefix="/api", tags=["discovery"], dependencies=[Security(documented_key)])


class ApiView(BaseModel):
    """One API, without its address, which is nobody's business."""

    name: str
    category: str
    description: str


class Discovery(BaseModel):
    """The catalogue, or the part of it that was asked for."""

    count: int
    apis: list[ApiView]


@router.get("/discovery")
async def discover(
    user: CurrentUser, database: AppDatabase, category: Annotated[str | None, Query(max_length=64)] = None
) -> Discovery:
    """List the catalogue by name, all of it or one category."""
    context = {"endpoint": "/api/discovery", "user_tier": user.tier}
    with operation("api.discovery", name="API Discovery", context=context) as current:
        query = select(Api).order_by(Api.name)
        if category is not None:
            query = query.where(Api.category == category)
        async with database.session() as session:
            rows = (await session.scalars(query)).all()
        current.set("api_count", len(rows))
    apis = [ApiView(name=row.name, category=row.category, description=row.description) for row in rows]
    return Discovery(count=len(apis), apis=apis)
