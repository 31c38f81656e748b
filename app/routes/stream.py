"""`WS /ws/stream`: orchestration, one message a result, in the order in which they arrive.

A client sends `{"id": ..., "apis": [...], "input": {...}}` and gets messages of type `result` or `failure`,
then one `done`, all with its id. What cannot be understood gets an `error`, and the connection stays open.
"""

import time
from contextlib import aclosing
from typing import Any

from fastapi import APIRouter, WebSocket, WebSocketDisconnect
from pydantic import ValidationError

from app.auth import CurrentUser
from app.database import AppDatabase, Database
from app.models import Tier, User
from app.observability import operation
from app.orchestration import (
    AppOrchestrator,
    OrchestrationRefusedError,
    OrchestrationRequest,
    Orchestrator,
    Outcome,
    find_apis,
)

router = APIRouter()


class StreamRequest(OrchestrationRequest):
    """A request with an id of the client's choice, which comes back with everything that belongs to it."""

    id: str | int | None = None


@router.websocket("/ws/stream")
async def stream(
    websocket: WebSocket, user: CurrentUser, database: AppDatabase, orchestrator: AppOrchestrator
) -> None:
    """Serve messages one after the other until the client leaves."""
    await websocket.accept()
    try:
        while (message := await websocket.receive())["type"] != "websocket.disconnect":
            wanted = await _understand(websocket, message.get("text"))
            if wanted is not None:
                await _serve(websocket, wanted, user, database, orchestrator)
    except WebSocketDisconnect:
        # Left while we were sending. Nothing to do, and nothing that anybody has to know.
        return


async def _understand(websocket: WebSocket, text: str | None) -> StreamRequest | None:
    if text is None:
        await _send(websocket, None, type="error", detail="Send text, not bytes")
        return None
    try:
        return StreamRequest.model_validate_json(text)
    except ValidationError as error:
        await _send(websocket, None, type="error", detail=_describe(error))
        return None


async def _serve(
    websocket: WebSocket, wanted: StreamRequest, user: User, database: Database, orchestrator: Orchestrator
) -> None:
    started = time.perf_counter()
    counts = {"results": 0, "failures": 0}
    try:
        apis = await find_apis(database, wanted, Tier(user.tier))
    except OrchestrationRefusedError as refusal:
        await _send(websocket, wanted.id, type="error", detail=refusal.detail)
        return
    context = {"endpoint": "/ws/stream", "user_tier": user.tier, "api_count": len(apis)}
    async with operation("api.stream", name="API Stream", context=context) as current:
        async with aclosing(orchestrator.call_each(apis, wanted.input)) as outcomes:
            async for outcome in outcomes:
                counts["results" if outcome.reason is None else "failures"] += 1
                await _send(websocket, wanted.id, **_message(outcome))
        current.set("failed", counts["failures"])
    total_ms = round((time.perf_counter() - started) * 1000, 1)
    await _send(websocket, wanted.id, type="done", **counts, total_ms=total_ms)


def _message(outcome: Outcome) -> dict[str, Any]:
    if outcome.reason is None:
        return {"type": "result", **outcome.model_dump(include={"api", "duration_ms", "data"})}
    return {"type": "failure", **outcome.model_dump(include={"api", "duration_ms", "reason", "status"})}


async def _send(websocket: WebSocket, request_id: str | int | None, **fields: Any) -> None:
    await websocket.send_json({"id": request_id, **fields})


def _describe(error: ValidationError) -> str:
    faults = error.errors(include_url=False, include_input=False, include_context=False)
    return "; ".join(f"{'.'.join(map(str, fault['loc'])) or 'message'}: {fault['msg']}" for fault in faults)
