"""A server on loopback that does with each connection what a test says, byte by byte."""

import socket
import threading
from collections.abc import Callable
from types import TracebackType
from typing import Self

Script = Callable[[socket.socket], None]


class ScriptedServer:
    """A context manager: the first connection gets the first script, and so on; more than there are scripts are cut.

    Leaving it waits for all scripts and raises what failed in them.
    """

    def __init__(self, *scripts: Script, family: socket.AddressFamily = socket.AF_INET) -> None:
        self._scripts = list(scripts)
        self._listening = socket.socket(family)
        self._listening.bind(("::1" if family == socket.AF_INET6 else "127.0.0.1", 0))
        self._listening.listen()
        self._thread = threading.Thread(target=self._serve)
        self._failures: list[BaseException] = []
        self.port: int = self._listening.getsockname()[1]
        self.connections = 0

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, value: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._listening.shutdown(socket.SHUT_RDWR)
        self._thread.join()
        self._listening.close()
        if self._failures and value is None:
            raise self._failures[0]

    def _serve(self) -> None:
        workers = []
        while True:
            try:
                connection, _ = self._listening.accept()
            except OSError:
                break
            self.connections += 1
            script = self._scripts.pop(0) if self._scripts else socket.socket.close
            workers.append(threading.Thread(target=self._run, args=(script, connection)))
            workers[-1].start()
        for worker in workers:
            worker.join()

    def _run(self, script: Script, connection: socket.socket) -> None:
        with connection:
            connection.settimeout(10)
            try:
                script(connection)
            except BaseException as failure:  # noqa: BLE001 - raised again by the test
                self._failures.append(failure)


def read_request(connection: socket.socket) -> bytes:
    """Read one request with its body; nothing if the client has gone."""
    received = b""
    while b"\r\n\r\n" not in received:
        part = connection.recv(65_536)
        if not part:
            return received
        received += part
    head, _, body = received.partition(b"\r\n\r\n")
    length = int(head.lower().partition(b"content-length:")[2].split(b"\r\n")[0] or 0)
    while len(body) < length:
        body += connection.recv(65_536)
    return head + b"\r\n\r\n" + body
