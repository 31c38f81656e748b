"""A Sentry ingest on loopback that takes everything: `python -m benchmarks.sink CPU`; prints its port.

Answers headers and body in one packet: two packets cost the client 40 ms each through delayed acknowledgement, which
would measure the sink. `GET /count` tells how many envelopes came in.
"""

import asyncio
import contextlib
import os
import sys

MAX_HEAD_BYTES = 65_536


class Sink:
    """Counts envelopes."""

    def __init__(self) -> None:
        self.envelopes = 0

    async def serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        """Answer the requests of one kept-alive connection."""
        with contextlib.suppress(asyncio.IncompleteReadError, ConnectionError):
            while True:
                head = (await reader.readuntil(b"\r\n\r\n")).lower()
                length = 0
                for line in head.split(b"\r\n"):
                    if line.startswith(b"content-length:"):
                        length = int(line.partition(b":")[2])
                await reader.readexactly(length)
                if head.startswith(b"post"):
                    self.envelopes += 1
                body = b'{"id":"%032x"}' % 0 if head.startswith(b"post") else b"%d" % self.envelopes
                answer = b"HTTP/1.1 200 OK\r\ncontent-type: application/json\r\ncontent-length: %d\r\n\r\n%b"
                writer.write(answer % (len(body), body))
        writer.close()


async def main() -> None:
    """Serve until killed."""
    server = await asyncio.start_server(Sink().serve, "127.0.0.1", 0, limit=MAX_HEAD_BYTES)
    print(server.sockets[0].getsockname()[1], flush=True)
    await server.serve_forever()


if __name__ == "__main__":
    if sys.argv[1].isdigit():
        os.sched_setaffinity(0, {int(sys.argv[1])})
    asyncio.run(main())
