"""An API key becomes a `User`, for HTTP and WebSocket alike.

Keys are random with 256 bits, so a plain SHA-256 keeps them safe at rest and lets the database find the user
by the hash: no comparison of secrets happens here, and none can be timed.
"""

import hashlib
import secrets
from typing import Annotated

from fastapi import Depends, HTTPException, status
from fastapi.security import APIKeyHeader
from sqlalchemy import select
from sqlalchemy.ext.asyncio import AsyncSession
from starlette.exceptions import WebSocketException
from starlette.requests import HTTPConnection

from app.database import AppDatabase
from app.models import Tier, User
from app.observability import identify_user

KEY_PREFIX = "streamapi_"
_MISSING = "An API key is required, in the header X-API-Key or as Authorization: Bearer"
_UNKNOWN = "This API key is not known"

# Only so that the documentation at /docs offers to send a key; `current_user` does the work.
documented_key = APIKeyHeader(name="X-API-Key", auto_error=False)


def make_api_key() -> str:
    """Make a new random key."""
    return KEY_PREFIX + secrets.token_urlsafe(32)


def hash_api_key(key: str) -> str:
    """Return what is stored of a key."""
    return hashlib.sha256(key.encode()).hexdigest()


def add_user(session: AsyncSession, *, user_id: str, tier: Tier) -> str:
    """Add a user to the session, not committed yet, and return the key that nobody can read again."""
    key = make_api_key()
    session.add(User(id=user_id, tier=tier.value, api_key_hash=hash_api_key(key)))
    return key


async def current_user(connection: HTTPConnection, database: AppDatabase) -> User:
    """Return who makes this request or opened this WebSocket, and tell the error reports.

    Raises:
        HTTPException: 401 without a valid key.
        WebSocketException: 1008 likewise; as nothing was accepted yet the client sees HTTP 403.
    """
    api_key = _key_of(connection)
    if not api_key:
        raise _refusal(connection, _MISSING)
    async with database.session() as session:
        user = await session.scalar(select(User).where(User.api_key_hash == hash_api_key(api_key)))
    if user is None:
        raise _refusal(connection, _UNKNOWN)
    identify_user(id=user.id, tier=user.tier)
    return user


CurrentUser = Annotated[User, Depends(current_user)]


def _key_of(connection: HTTPConnection) -> str | None:
    api_key = connection.headers.get("x-api-key")
    if api_key:
        return api_key
    scheme, _, token = connection.headers.get("authorization", "").partition(" ")
    if scheme.lower() == "bearer" and token.strip():
        return token.strip()
    if connection.scope["type"] == "websocket":
        # Browsers cannot set headers on a WebSocket.
        return connection.query_params.get("api_key")
    return None


def _refusal(connection: HTTPConnection, reason: str) -> Exception:
    if connection.scope["type"] == "websocket":
        return WebSocketException(status.WS_1008_POLICY_VIOLATION, reason)
    return HTTPException(status.HTTP_401_UNAUTHORIZED, reason, headers={"WWW-Authenticate": "Bearer"})
