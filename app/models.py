"""Tables of the sample domain: users with a tier, and the catalogue of APIs that they may orchestrate."""

from datetime import UTC, datetime
from enum import StrEnum

from sqlalchemy import DateTime, String
from sqlalchemy.orm import DeclarativeBase, Mapped, mapped_column


class Tier(StrEnum):
    """What a user subscribed to."""

    FREE = "free"
    PREMIUM = "premium"
    ENTERPRISE = "enterprise"

    @property
    def apis_per_request(self) -> int:
        """How many APIs one request may call."""
        return _APIS_PER_REQUEST[self]


_APIS_PER_REQUEST = {Tier.FREE: 2, Tier.PREMIUM: 5, Tier.ENTERPRISE: 20}


class Adapter(StrEnum):
    """How the answer of an API is read."""

    JSON = "json"
    LEGACY = "legacy"


class Base(DeclarativeBase):
    """All tables; their names are prefixed because the database may be shared with others."""


class User(Base):
    """Somebody with an API key, of which only the hash is kept."""

    __tablename__ = "streamapi_users"

    id: Mapped[str] = mapped_column(String(64), primary_key=True)
    tier: Mapped[str] = mapped_column(String(16))
    api_key_hash: Mapped[str] = mapped_column(String(64), unique=True)
    created_at: Mapped[datetime] = mapped_column(DateTime(timezone=True), default=lambda: datetime.now(UTC))


class Api(Base):
    """One API of the catalogue.

    `url` is where its calls go, and is written by ops alone: `demo:NAME` for an upstream inside the service,
    else an http(s) address.
    """

    __tablename__ = "streamapi_apis"

    name: Mapped[str] = mapped_column(String(64), primary_key=True)
    category: Mapped[str] = mapped_column(String(64), index=True)
    description: Mapped[str] = mapped_column(String(500), default="")
    url: Mapped[str] = mapped_column(String(500))
    adapter: Mapped[str] = mapped_column(String(16), default=Adapter.JSON.value)
