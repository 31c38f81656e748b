"""What a new database starts with: the catalogue, and in development users to try the service with."""

from sqlalchemy import func, select
from sqlalchemy.ext.asyncio import AsyncSession

from app.auth import add_user
from app.database import Seed
from app.models import Adapter, Api, Base, Tier, User

_CATALOGUE = (
    ("fast", "data", "Echoes its input at once", Adapter.JSON),
    ("slow", "data", "Echoes its input after delay_ms milliseconds, else after one second", Adapter.JSON),
    ("failing", "payments", "Always answers 503", Adapter.JSON),
    (
        "broken",
        "payments",
        "Our adapter for it has a deliberate bug: an error to look at",
        Adapter.LEGACY,
    ),
)


def make_seed(*, with_demo_users: bool, port: int) -> Seed:
    """Make the seed: the catalogue if it is empty, and demo users if wanted and nobody exists yet.

    The keys of demo users are random and only in the text that the seed returns; nothing keeps them.
    """

    async def seed(session: AsyncSession) -> str | None:
        if not await _rows(session, Api):
            for name, category, description, adapter in _CATALOGUE:
                session.add(
                    Api(
                        name=name,
                        category=category,
                        description=description,
                        url=f"demo:{name}",
                        adapter=adapter.value,
                    )
                )
        if not with_demo_users or await _rows(session, User):
            return None
        keys = {tier: add_user(session, user_id=f"demo-{tier}", tier=tier) for tier in Tier}
        return _welcome(keys, f"localhost:{port}")

    return seed


async def _rows(session: AsyncSession, model: type[Base]) -> int:
    return await session.scalar(select(func.count()).select_from(model)) or 0


def _welcome(keys: dict[Tier, str], address: str) -> str:
    line = "=" * 78
    users = "\n".join(f"    demo-{tier:<11} {key}" for tier, key in keys.items())
    key = keys[Tier.PREMIUM]
    return f"""
{line}
  First start: these demo users were made. Their keys are shown here once only.
  Another one later: python -m app.users add --tier premium

{users}

  A request that works, and one that fails for real so that there is an error to see:

    curl -H 'X-API-Key: {key}' http://{address}/api/discovery

    curl -H 'X-API-Key: {key}' -H 'Content-Type: application/json' \\
      -d '{{"apis": ["fast", "broken"], "input": {{"city": "Berlin"}}}}' http://{address}/api/orchestrate
{line}
"""
