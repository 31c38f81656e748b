"""One night, end to end: a scan of the login page, Sentry away, a crash loop. In the morning all is told, and paid."""

import asyncio
import json
import subprocess
import sys
from collections import Counter
from pathlib import Path
from typing import Any

import pytest

from tests.support.ingest import IngestServer
from tests.support.load import hammer
from tests.support.uvicorn_server import StartServer, server_environment

pytestmark = pytest.mark.slow
APP = "tests.support.night_app:app"
LIVES = ("killed", "in order", "start fails", "killed", "killed", "start fails", "in order")
SENTRY_IS_BACK_IN_LIFE = 4
SCAN = ["/login", "/wp-login.php", "/.env", "/admin", "/login"] * 12


def kind_of(event: dict[str, Any]) -> str:
    values = (event.get("exception") or {}).get("values") or [{}]
    return str(values[-1].get("type") or event.get("tags", {}).get("failure") or "other")


@pytest.mark.timeout(240)
def test_in_the_morning_every_kind_is_there_with_its_true_count_and_the_quota_is_intact(
    start_server: StartServer, tmp_path: Path
) -> None:
    failures: Counter[str] = Counter()
    ingest = IngestServer()
    ingest.start()
    ingest.stop()
    env = {
        "SENTRY_ENABLED": "true",
        "SENTRY_DSN": ingest.dsn,
        "SENTRY_ENVIRONMENT": "production",
        "SENTRY_SPOOL_DIR": str(tmp_path / "spool"),
        "SENTRY_TRACES_SAMPLE_RATE": "0",
        "SENTRY_FLUSH_TIMEOUT_S": "0.5",
    }
    with ingest:
        ingest.stop()
        for life, end in enumerate(LIVES):
            if life == SENTRY_IS_BACK_IN_LIFE:
                ingest.start()
            if end == "start fails":
                fail_to_start(tmp_path / f"life-{life}", env)
                failures["StartError"] += 1
                continue
            server = start_server(APP, env=env, arguments=["--log-level", "critical"])
            calls = ["/orders"] * (20 + life) + ["/report"] * (3 * life + 1)
            statuses = asyncio.run(hammer(server.port, [*calls, *SCAN]))
            assert statuses == {500: len(calls), 401: 24, 404: 36}
            failures.update(PriceListError=20 + life, ReportError=3 * life + 1)
            if end == "killed":
                asyncio.run(hammer(server.port, ["/die"]))
                server.wait()
            else:
                server.stop()
        morning = start_server(APP, env=env | {"SENTRY_FLUSH_TIMEOUT_S": "10"})
        morning.stop()
        # What was under way when a process died may have been sent twice, under one id.
        events = {event["event_id"]: event for event in ingest.events()}
        metrics = [metric for payload in ingest.events("trace_metric") for metric in payload["items"]]
    counts: Counter[str] = Counter()
    for event in events.values():
        counts[kind_of(event)] += event["extra"]["occurrences"]
    assert {kind: counts[kind] for kind in failures} == dict(failures)
    issues = Counter(map(kind_of, events.values()))
    assert set(issues) == {*failures, "auth_refused", "auth_spike"}, issues
    assert sum(issues.values()) < 60, issues  # of 5,000 a month
    assert not any("wp-login" in json.dumps(event) for event in events.values())
    assert {metric["name"] for metric in metrics} >= {"auth.refused"}
    (state,) = (tmp_path / "spool").glob("state-*/budget.json")
    ledger = json.loads(state.read_text())["ledger"]
    assert sum(ledger["gone"][pool] for pool in ("new", "steady", "final")) < 100
    assert list((tmp_path / "spool").rglob("*.envelope")) == []


def fail_to_start(folder: Path, env: dict[str, str]) -> None:
    folder.mkdir()
    command = [sys.executable, "-m", "uvicorn", APP, "--port", "0", "--log-level", "critical"]
    ran = subprocess.run(
        command,
        cwd=folder,
        env=server_environment(folder) | env | {"NIGHT_START": "fails"},
        timeout=60,
        capture_output=True,
        check=False,
    )
    assert ran.returncode == 3
