"""The whole tour of a newcomer: fresh clone, dashboard, test error, issue in the dashboard, feedback."""

import os
import re
import shutil
import signal
import subprocess
from pathlib import Path

import httpx
import pytest

from tests.support.requirements import is_missing
from tools.bugsink import BugsinkServer
from tools.processes import ServerProcess, free_port

PROJECT = Path(__file__).parents[2]

pytestmark = [pytest.mark.slow, pytest.mark.bugsink]


@pytest.fixture
def clone(tmp_path: Path, bugsink: BugsinkServer) -> Path:
    """What a newcomer has: the committed files, no virtual environment. Bugsink is installed by its fixture."""
    if shutil.which("git") is None or shutil.which("make") is None or not (PROJECT / ".git").exists():
        is_missing("The tour needs make, git and the project's history")
    folder = tmp_path / "streamapi"
    subprocess.run(["git", "clone", "--quiet", str(PROJECT), str(folder)], check=True)
    return folder


@pytest.mark.timeout(600)
def test_from_a_fresh_clone_to_an_issue_in_the_dashboard(clone: Path) -> None:
    environment = {
        name: value for name, value in os.environ.items() if not name.startswith(("SENTRY_", "MAKE"))
    }
    environment |= {
        "PORT": str(free_port()),
        "DASHBOARD_PORT": str(free_port()),
        "BUGSINK_VENV": os.environ.get("BUGSINK_VENV") or str(PROJECT / ".venv-bugsink"),
        "SENTRY_SPOOL_DIR": str(clone / "spool"),
    }
    with ServerProcess(
        ["make", "dashboard"], log=clone / "output.log", env=environment, cwd=clone
    ) as running:
        running.wait_until(lambda: "Ctrl-C stops both" in running.output(), timeout_s=400)
        service, dashboard = re.findall(r"(http://127\.0\.0\.1:\d+)/", running.output())[-2:]

        report = httpx.get(f"{service}/test-sentry", timeout=30).json()
        assert (report["mode"], report["accepted"]) == ("live", True)
        page = wait_for_page(report["issue_url"])
        assert report["issue_url"].startswith(dashboard)
        assert "SentryTestError" in page
        assert "sentry-test" in page

        form = {"event_id": report["event_id"], "comments": "I was only looking"}
        thanks = httpx.post(
            f"{service}/_obs/feedback", data=form, headers={"accept": "text/html"}, timeout=30
        )
        assert thanks.status_code == 200
        assert "Thank you" in thanks.text
        running.wait_until(lambda: feedback_is_accepted(service), timeout_s=30)
        running.stop(signal.SIGINT)


def wait_for_page(url: str) -> str:
    """The dashboard's page of an event, which it shows a moment after it has taken the event."""
    for _ in range(100):
        answer = httpx.get(url, timeout=30, follow_redirects=True)
        if answer.status_code == 200:
            return answer.text
    return answer.text


def feedback_is_accepted(service: str) -> bool:
    counters = httpx.get(f"{service}/observability/status", timeout=30).json()["counters"]
    return any(
        "accepted" in fates for category, fates in counters.items() if category in ("feedback", "default")
    )
