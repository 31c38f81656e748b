"""Aliases for the SDK's JSON and for ASGI, so that `Any` stands in one place.

Must not import the SDK: pure files use these aliases too.
"""

from collections.abc import Awaitable, Callable, MutableMapping
from typing import Any, TypeAlias

Event: TypeAlias = dict[str, Any]
"""An event payload (error, message, transaction, check-in, feedback) as the SDK serialized it."""

Hint: TypeAlias = dict[str, Any]
"""What the SDK passes beside an event: `exc_info`, `log_record`, `attachments`."""

AsgiScope: TypeAlias = MutableMapping[str, Any]
Message: TypeAlias = MutableMapping[str, Any]
Receive: TypeAlias = Callable[[], Awaitable[Message]]
Send: TypeAlias = Callable[[Message], Awaitable[None]]
AsgiApp: TypeAlias = Callable[[AsgiScope, Receive, Send], Awaitable[None]]
