"""Starts Bugsink on loopback, with a project, a DSN and a way to read events back."""

import json
import os
import secrets
import subprocess
import time
from pathlib import Path
from types import TracebackType
from typing import Any, Self

import httpx

from ..processes import ServerProcess, free_port
from .install import install

_INSIDE = Path(__file__).with_name("inside")


class BugsinkServer:
    """A running Bugsink; a context manager that stops it at the end.

    Attributes:
        url: Address of the dashboard, without a slash at the end.
        dsn: DSN of its one project.
    """

    def __init__(self, data: Path, *, port: int | None = None) -> None:
        """Start it and return when it answers; `data` is kept and may be used again."""
        programs = install()
        data.mkdir(parents=True, exist_ok=True)
        port = port or free_port()
        env = _environment(data, port)
        project = _make_project(programs, env, data)
        self.url = f"http://127.0.0.1:{port}"
        self.dsn: str = project["dsn"]
        self._project: int = project["project"]
        self._headers = {"Authorization": f"Bearer {project['token']}"}
        options = ["--workers", "1", "--threads", "4", "--no-control-socket", "--log-level", "warning"]
        self.process = ServerProcess(
            [programs / "gunicorn", "--bind", f"127.0.0.1:{port}", *options, "bugsink.wsgi"],
            env=env,
            cwd=data,
            log=data / "bugsink.log",
        )
        try:
            self.process.wait_until(self._is_ready, timeout_s=60)
        except BaseException:
            self.stop()
            raise

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, value: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.stop()

    def stop(self) -> None:
        """Stop the server; its data stays."""
        self.process.stop()

    def event(self, event_id: str, *, timeout_s: float = 15.0) -> dict[str, Any]:
        """Return the payload that Bugsink stored under this id, waiting until it is digested.

        Raises:
            TimeoutError: it did not arrive in time.
        """
        deadline = time.monotonic() + timeout_s
        while time.monotonic() < deadline:
            payload = self.find_event(event_id)
            if payload is not None:
                return payload
            time.sleep(0.1)
        raise TimeoutError(f"Bugsink has no event {event_id} after {timeout_s:g} s")

    def find_event(self, event_id: str) -> dict[str, Any] | None:
        """Return the stored payload, or None while there is none under this id."""
        answer = self.get("/api/canonical/0/events/lookup/", project=self._project, event_id=event_id)
        if answer.status_code == httpx.codes.NOT_FOUND:
            return None
        payload: dict[str, Any] = answer.raise_for_status().json()["data"]
        return payload

    def get(self, path: str, **parameters: str | int) -> httpx.Response:
        """Ask Bugsink's API, with the token that may read everything."""
        return httpx.get(
            self.url + path, params=parameters, headers=self._headers, timeout=10, trust_env=False
        )

    def issues(self) -> list[dict[str, Any]]:
        """Return the project's issues, newest first."""
        found = self.get("/api/canonical/0/issues/", project=self._project).raise_for_status().json()
        results: list[dict[str, Any]] = found["results"]
        return results

    def _is_ready(self) -> bool:
        try:
            return httpx.get(f"{self.url}/health/ready", timeout=2, trust_env=False).is_success
        except httpx.TransportError:
            return False


def _environment(data: Path, port: int) -> dict[str, str]:
    foreign = ("SENTRY_", "DJANGO_", "BUGSINK_")
    kept = {name: value for name, value in os.environ.items() if not name.startswith(foreign)}
    return kept | {
        "BUGSINK_DATA": str(data.resolve()),
        "BUGSINK_PORT": str(port),
        "BUGSINK_SECRET_KEY": secrets.token_hex(32),
        "DJANGO_SETTINGS_MODULE": "bugsink_conf",
        "PYTHONPATH": str(_INSIDE),
        "PYTHONDONTWRITEBYTECODE": "1",
    }


def _make_project(programs: Path, env: dict[str, str], data: Path) -> dict[str, Any]:
    command = [programs / "python", _INSIDE / "make_project.py"]
    made = subprocess.run(command, env=env, cwd=data, check=True, stdout=subprocess.PIPE, text=True)
    project: dict[str, Any] = json.loads(made.stdout.splitlines()[-1])
    return project
