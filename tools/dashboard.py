"""`make dashboard`: the service, sending for real, beside a Sentry-compatible dashboard on this machine.

Issues stay in `.data/bugsink` until that folder is removed. Ports: `PORT` (8000) for the service,
`DASHBOARD_PORT` (8100) for the dashboard; a port that is taken is replaced by a free one.
"""

import os
import signal
import subprocess
import sys
import time
from pathlib import Path
from types import FrameType

import httpx

from tools.bugsink import BugsinkServer
from tools.processes import accepts_connections, free_port

_PROJECT = Path(__file__).resolve().parents[1]


def main() -> int:
    """Run both until Ctrl-C, SIGTERM or the end of the service; return the service's exit code."""
    signal.signal(signal.SIGTERM, _interrupt)
    port = _port("PORT", 8000)
    with BugsinkServer(_PROJECT / ".data" / "bugsink", port=_port("DASHBOARD_PORT", 8100)) as dashboard:
        service = subprocess.Popen(
            [sys.executable, "-m", "app"], cwd=_PROJECT, env=os.environ | _variables(dashboard, port)
        )
        try:
            if _wait_until_it_answers(service, port):
                print(_welcome(dashboard, port), flush=True)
            return service.wait()
        except KeyboardInterrupt:
            # At a terminal the service has got the Ctrl-C as well, and a second signal would cut its flush short.
            if not sys.stdin.isatty():
                service.terminate()
            service.wait()
            return 0
        finally:
            if service.poll() is None:
                service.kill()


def _variables(dashboard: BugsinkServer, port: int) -> dict[str, str]:
    """Return what the service needs; a rate or an environment that is set already stays."""
    return {
        "PORT": str(port),
        "SENTRY_ENABLED": "true",
        "SENTRY_DSN": dashboard.dsn,
        "SENTRY_ISSUE_URL": f"{dashboard.url}/issues/event/{{event_id}}/",
        "SENTRY_ENVIRONMENT": os.environ.get("SENTRY_ENVIRONMENT", "development"),
        "SENTRY_TRACES_SAMPLE_RATE": os.environ.get("SENTRY_TRACES_SAMPLE_RATE", "1.0"),
    }


def _welcome(dashboard: BugsinkServer, port: int) -> str:
    return f"""
  Service    http://127.0.0.1:{port}/test-sentry   raises a real error
  Dashboard  {dashboard.url}/   shows it a moment later

  Ctrl-C stops both.
"""


def _wait_until_it_answers(service: "subprocess.Popen[bytes]", port: int) -> bool:
    while service.poll() is None:
        try:
            httpx.get(f"http://127.0.0.1:{port}/health", timeout=2, trust_env=False)
        except httpx.TransportError:
            time.sleep(0.1)
        else:
            return True
    return False


def _port(variable: str, default: int) -> int:
    wanted = int(os.environ.get(variable) or default)
    if not accepts_connections(wanted):
        return wanted
    other = free_port()
    print(f"Port {wanted} is taken, so {variable} is {other}.", file=sys.stderr)
    return other


def _interrupt(_number: int, _frame: FrameType | None) -> None:
    raise KeyboardInterrupt


if __name__ == "__main__":
    sys.exit(main())
