"""A partner on the loopback interface: raw sockets that answer, stall, hang up or talk nonsense."""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass, field

Behaviour = Callable[["Partner", str, asyncio.StreamWriter], Awaitable[None]]


@dataclass
class Partner:
    """Where it listens and the head of every request it got."""

    port: int = 0
    requests: list[str] = field(default_factory=list)
    called: asyncio.Event = field(default_factory=asyncio.Event)
    released: asyncio.Event = field(default_factory=asyncio.Event)

    @property
    def url(self) -> str:
        """Its address, without a slash at the end."""
        return f"http://127.0.0.1:{self.port}"

    @property
    def host(self) -> str:
        """What the tag `upstream` calls it."""
        return f"127.0.0.1:{self.port}"

    def header(self, name: str, *, request: int = -1) -> str | None:
        """Value of a header that it was sent, or None."""
        for line in self.requests[request].split("\r\n")[1:]:
            found, _, value = line.partition(":")
            if found.lower() == name:
                return value.strip()
        return None


def answer(status: int, *, headers: str = "", body: str = "{}") -> Behaviour:
    """Answer every request with a status."""

    async def behave(partner: Partner, head: str, writer: asyncio.StreamWriter) -> None:
        text = (
            f"HTTP/1.1 {status} X\r\ncontent-length: {len(body)}\r\nconnection: close\r\n{headers}\r\n{body}"
        )
        writer.write(text.encode())

    return behave


async def stall(partner: Partner, head: str, writer: asyncio.StreamWriter) -> None:
    """Take the request and say nothing."""
    await partner.released.wait()


async def hang_up(partner: Partner, head: str, writer: asyncio.StreamWriter) -> None:
    """Take the request and close the connection."""


async def talk_nonsense(partner: Partner, head: str, writer: asyncio.StreamWriter) -> None:
    """Answer something that is no HTTP."""
    writer.write(b"220 ready for mail\r\n\r\n")


@asynccontextmanager
async def serve_partner(behave: Behaviour, *, greeting: bytes = b"") -> AsyncIterator[Partner]:
    """Listen on a free port, greet whoever connects, and behave that way to every request."""
    partner = Partner()

    async def handle(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            writer.write(greeting)
            head = (await reader.readuntil(b"\r\n\r\n")).decode("latin-1")
            partner.requests.append(head)
            partner.called.set()
            await behave(partner, head, writer)
            await writer.drain()
        except (asyncio.IncompleteReadError, ConnectionError):
            pass
        finally:
            writer.close()

    server = await asyncio.start_server(handle, "127.0.0.1", 0)
    partner.port = server.sockets[0].getsockname()[1]
    try:
        yield partner
    finally:
        partner.released.set()
        server.close()
        await server.wait_closed()
