"""An application under `init_sentry` in LOCAL mode, in this process, and what it reported.

The whole pipeline runs: real SDK, real hooks, scrubber and gate; only the last step keeps instead of sending. Repeats
are not folded unless a test asks for it, because most tests count.
"""

from collections import deque
from typing import Any

import httpx
import sentry_sdk
from fastapi import FastAPI

from app.observability import ObservabilitySettings, init_sentry
from app.observability.httpflow import BACKGROUND_OP
from app.observability.recording import RecordingTransport

Json = dict[str, Any]
KNOWN_SETTINGS: Json = {"environment": "development", "release": "streamapi@1.0.0", "traces_sample_rate": 0.0}


class Observed:
    """One instrumented application.

    Args:
        app: Default: a new one.
        folds: Whether repeats are folded, as they are in production.
        settings: Of `ObservabilitySettings`; traces are off unless set.
        options: Of `init_sentry`.
    """

    def __init__(
        self,
        app: FastAPI | None = None,
        *,
        folds: bool = False,
        options: Json | None = None,
        **settings: Any,
    ) -> None:
        self.app = app or FastAPI()
        self.settings = ObservabilitySettings(**{**KNOWN_SETTINGS, **settings})
        self.handle = init_sentry(self.app, settings=self.settings, **(options or {}))
        transport = self.handle.transport
        assert isinstance(transport, RecordingTransport)
        self.transport = transport
        self.transport._envelopes = deque()
        if not folds and self.handle.pipeline is not None:
            self.handle.pipeline.folding = None

    def client(self, **options: Any) -> httpx.AsyncClient:
        """Make a client whose requests the application answers in this loop; a crash is a 500, as under a server."""
        transport = httpx.ASGITransport(self.app, raise_app_exceptions=False)
        return httpx.AsyncClient(transport=transport, base_url="http://testserver", **options)

    async def get(self, path: str, **options: Any) -> httpx.Response:
        """Request once."""
        async with self.client() as client:
            return await client.get(path, **options)

    async def post(self, path: str, **options: Any) -> httpx.Response:
        """Request once with a body."""
        async with self.client() as client:
            return await client.post(path, **options)

    def items(self, kind: str) -> list[Json]:
        """Return the payloads of one envelope item type, oldest first."""
        sentry_sdk.flush()
        return [payload for each, payload in self.transport.items() if each == kind]

    @property
    def events(self) -> list[Json]:
        """Error and message events."""
        return self.items("event")

    @property
    def event(self) -> Json:
        """The one event there is."""
        events = self.events
        assert len(events) == 1, [titles(each) for each in events]
        return events[0]

    @property
    def transactions(self) -> list[Json]:
        """Transactions of requests, messages and operations."""
        return [each for each in self.items("transaction") if not is_background(each)]

    @property
    def background(self) -> list[Json]:
        """Transactions of what ran after an answer; a machine that stands still for a while is enough to make one."""
        return [each for each in self.items("transaction") if is_background(each)]

    def metrics(self, name: str) -> list[Json]:
        """Return the metrics of one name, each with plain `attributes`."""
        return [
            {**metric, "attributes": {key: each["value"] for key, each in metric["attributes"].items()}}
            for payload in self.items("trace_metric")
            for metric in payload["items"]
            if metric["name"] == name
        ]


def is_background(transaction: Json) -> bool:
    """Whether a transaction is about what ran after an answer."""
    return bool(transaction["contexts"]["trace"]["op"] == BACKGROUND_OP)


def titles(event: Json) -> list[str]:
    """Type of each exception of an event, outermost first; else its message."""
    values = (event.get("exception") or {}).get("values") or []
    return [value["type"] for value in reversed(values)] or [event.get("message") or message_of(event)]


def message_of(event: Json) -> str:
    """Text of a message event or log event."""
    entry = event.get("logentry") or {}
    return str(event.get("message") or entry.get("formatted") or entry.get("message"))


def is_handled(event: Json) -> bool:
    """Whether the event's outermost exception counts as handled."""
    return bool(event["exception"]["values"][-1]["mechanism"]["handled"])
