"""Many requests from one process, each on a connection of its own; bounded in number."""

import asyncio


async def hammer(port: int, paths: list[str], *, at_once: int = 16) -> dict[int, int]:
    """GET every path on 127.0.0.1, `at_once` at a time; return how many answers had which status (0: none)."""
    statuses: dict[int, int] = {}
    waiting = iter(paths)

    async def work() -> None:
        for path in waiting:
            status = await _get(port, path)
            statuses[status] = statuses.get(status, 0) + 1

    await asyncio.gather(*(work() for _ in range(at_once)))
    return statuses


async def _get(port: int, path: str) -> int:
    try:
        reader, writer = await asyncio.open_connection("127.0.0.1", port)
    except OSError:
        return 0
    try:
        writer.write(f"GET {path} HTTP/1.1\r\nHost: 127.0.0.1\r\nConnection: close\r\n\r\n".encode())
        answer = await reader.read()
        return int(answer.split(b" ", 2)[1]) if answer else 0
    except OSError:
        return 0
    finally:
        writer.close()
