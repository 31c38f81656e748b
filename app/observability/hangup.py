"""Tells whether a client is still there: a server says so only to whoever asks it for the next message.

An application that computes for a long time and then answers never asks, so nobody would know that the answer went to
a closed connection. Reads nothing that the application has not read for good: what comes instead is handed back.
"""

import asyncio

from .types import Message, Receive

TURNS = 4
"""Turns of the loop that a closed socket needs to become a message: readiness, end of file, loss of the connection."""


async def look_for_client(receive: Receive) -> tuple[bool, list[Message]]:
    """Return whether the client has hung up, and the messages, a body's end at most, that were read on the way."""
    read: list[Message] = []
    for _ in range(TURNS):
        await asyncio.sleep(0)
    while True:
        message = await _next_message(receive)
        if message is None:
            return False, read
        if message["type"] == "http.disconnect":
            return True, read
        read.append(message)
        if message.get("more_body", False):  # an upload that nobody reads; it is not ours to swallow
            return False, read


async def _next_message(receive: Receive) -> Message | None:
    """The next message if there is one already."""
    receiving = asyncio.ensure_future(receive())
    try:
        for _ in range(TURNS):
            if receiving.done():
                break
            await asyncio.sleep(0)
    finally:
        receiving.cancel()
    await asyncio.wait([receiving])
    return None if receiving.cancelled() or receiving.exception() is not None else receiving.result()
