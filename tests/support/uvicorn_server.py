"""The fixture `start_server`: the service, or any ASGI app, under a real uvicorn in a process of its own.

The machine's own SENTRY_*, RAILWAY_* and DATABASE_URL do not reach it, and its working folder is empty::

    def test_over_http(start_server):
        server = start_server(env={"SENTRY_ENABLED": "false"})
        httpx.get(server.url + "/health")
        assert server.stop() == -signal.SIGTERM
"""

import os
import signal
import sys
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import ExitStack
from pathlib import Path

import httpx
import pytest

from tools.processes import ServerProcess, free_port

PROJECT = Path(__file__).resolve().parents[2]
_NOT_INHERITED = (
    "SENTRY_",
    "RAILWAY_",
    "DATABASE_",
    "PG",
    "PORT",
    "BIND_HOST",
    "LOG_LEVEL",
    "COVERAGE_PROCESS",
)


class UvicornServer(ServerProcess):
    """A server that has answered its first request.

    Attributes:
        port: Where it listens on 127.0.0.1.
        url: Its address, without a slash at the end.
        folder: Its working folder, where its embedded database and its spool are unless `env` says otherwise.
    """

    def __init__(
        self,
        folder: Path,
        app: str = "app.main:app",
        *,
        env: Mapping[str, str] | None = None,
        workers: int = 1,
        arguments: Sequence[str] = (),
        app_dir: Path = PROJECT,
        ready_path: str = "/health",
        port: int | None = None,
        timeout_s: float = 30.0,
    ) -> None:
        """Start it and return when it answers `ready_path`, whatever the status."""
        self.port = port or free_port()
        self.url = f"http://127.0.0.1:{self.port}"
        self.folder = folder
        self._ready_url = self.url + ready_path
        folder.mkdir(parents=True, exist_ok=True)
        workers_option = [] if workers == 1 else ["--workers", str(workers)]
        super().__init__(
            [sys.executable, "-m", "uvicorn", app, "--port", str(self.port), *workers_option, *arguments],
            log=folder / "output.log",
            env=server_environment(folder, app_dir) | dict(env or {}),
            cwd=folder,
        )
        try:
            self.wait_until(self._answers, timeout_s=timeout_s)
        except BaseException:
            self.stop(signal.SIGKILL)
            raise

    def kill(self) -> None:
        """End the server and its workers at once, as a lost machine does."""
        self.stop(signal.SIGKILL)

    def _answers(self) -> bool:
        try:
            httpx.get(self._ready_url, timeout=5, trust_env=False)
        except httpx.TransportError:
            return False
        return True


def server_environment(folder: Path, app_dir: Path = PROJECT) -> dict[str, str]:
    """Return the environment of a process that imports the service: this one's, less what configures it."""
    kept = {name: value for name, value in os.environ.items() if not name.startswith(_NOT_INHERITED)}
    return kept | {
        "PYTHONPATH": os.pathsep.join([str(app_dir), str(PROJECT)] if app_dir != PROJECT else [str(PROJECT)]),
        "PYTHONUNBUFFERED": "1",
        "PYTHONDONTWRITEBYTECODE": "1",
        "SENTRY_SPOOL_DIR": str(folder / "spool"),
    }


StartServer = Callable[..., UvicornServer]


@pytest.fixture
def start_server(tmp_path: Path) -> Iterator[StartServer]:
    """Give a function that starts servers, each in a folder of its own; they are stopped after the test.

    It takes the keyword arguments of `UvicornServer`.
    """
    with ExitStack() as servers:
        number = 0

        def start(
            app: str = "app.main:app", *, folder: Path | None = None, **options: object
        ) -> UvicornServer:
            nonlocal number
            number += 1
            server = UvicornServer(folder or tmp_path / f"server-{number}", app, **options)  # type: ignore[arg-type]
            return servers.enter_context(server)

        yield start
