"""Child processes that are waited for, read and stopped: how the dashboard and the tests start servers."""

import contextlib
import os
import signal
import socket
import subprocess
import time
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from types import TracebackType
from typing import Self


class ServerFailedError(RuntimeError):
    """A server ended or stayed silent; the message ends with the last lines it wrote."""


def free_port() -> int:
    """Return a TCP port on 127.0.0.1 that nothing listens on at this moment."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
        return port


def accepts_connections(port: int) -> bool:
    """Tell whether something on 127.0.0.1 accepts a connection on this port."""
    try:
        socket.create_connection(("127.0.0.1", port), timeout=1).close()
    except OSError:
        return False
    return True


class ServerProcess:
    """A running server in a process group of its own, its output going to a file.

    Used as a context manager, it is stopped at the end, its children with it.
    """

    def __init__(
        self,
        arguments: Sequence[str | Path],
        *,
        log: Path,
        env: Mapping[str, str] | None = None,
        cwd: Path | None = None,
        user: int | None = None,
        group: int | None = None,
    ) -> None:
        self.name = Path(arguments[0]).name
        self.log = log
        with log.open("ab") as output:
            self.process = subprocess.Popen(
                [str(argument) for argument in arguments],
                stdin=subprocess.DEVNULL,
                stdout=output,
                stderr=subprocess.STDOUT,
                env=None if env is None else dict(env),
                cwd=cwd,
                user=user,
                group=group,
                extra_groups=None if group is None else [],
                start_new_session=True,
            )

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, value: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.stop()

    @property
    def pid(self) -> int:
        """The id of the process itself, not of its children."""
        return self.process.pid

    @property
    def is_running(self) -> bool:
        """Whether the process has not ended yet."""
        return self.process.poll() is None

    def output(self) -> str:
        """Return everything written to standard output and standard error so far."""
        return self.log.read_text(errors="replace")

    def wait_until(self, is_ready: Callable[[], bool], *, timeout_s: float = 30.0) -> None:
        """Return once `is_ready()` is true; raise `ServerFailedError` if the process ends or time is up."""
        deadline = time.monotonic() + timeout_s
        while not is_ready():
            if not self.is_running:
                raise ServerFailedError(f"{self.name} ended with {self.process.returncode}\n{self._tail()}")
            if time.monotonic() > deadline:
                raise ServerFailedError(f"{self.name} was not ready after {timeout_s:g} s\n{self._tail()}")
            time.sleep(0.05)

    def wait(self, *, timeout_s: float = 30.0) -> int:
        """Wait for the process to end by itself and return its exit code (negative: the signal)."""
        return self.process.wait(timeout_s)

    def stop(self, signal_number: int = signal.SIGTERM, *, timeout_s: float = 15.0) -> int:
        """Signal the process, wait for it, kill what is left of its group, and return its exit code.

        Harmless on a process that has ended. SIGKILL takes the whole group at once.
        """
        if self.is_running:
            if signal_number == signal.SIGKILL:
                self._signal_group(signal.SIGKILL)
            else:
                self.process.send_signal(signal_number)
        try:
            self.process.wait(timeout_s)
        except subprocess.TimeoutExpired:
            self._signal_group(signal.SIGKILL)
        code = self.process.wait()
        self._signal_group(signal.SIGKILL)
        return code

    def _signal_group(self, signal_number: int) -> None:
        # Raised where nobody is left in the group (macOS: the second).
        with contextlib.suppress(ProcessLookupError, PermissionError):
            os.killpg(self.process.pid, signal_number)

    def _tail(self) -> str:
        return "\n".join(self.output().splitlines()[-30:])
