"""Services that share a machine's spool folder, but not the Sentry project they send to."""

from pathlib import Path

from app.observability import ObservabilitySettings
from tests.integration.budget.test_unpaid_events import ids_on_disk, start, wait_for_ids
from tests.support.ingest import IngestServer

KINDS = 3
TIMES = 20


def test_what_a_killed_service_left_is_never_sent_to_another_project(tmp_path: Path) -> None:
    with IngestServer() as ours, IngestServer() as theirs:
        ours.answer_with(503)
        start(tmp_path, ours.dsn, KINDS, "kill", TIMES).communicate(timeout=60)
        left = {path: path.read_bytes() for path in files_of(tmp_path, ours.dsn)}
        ids = ids_on_disk(tmp_path)
        start(tmp_path, theirs.dsn, 1, "exit").communicate(timeout=60)
        assert [event["extra"]["occurrences"] for event in theirs.events()] == [1]
        assert {path: path.read_bytes() for path in files_of(tmp_path, ours.dsn)} == left
        assert any(path.name.startswith("counts-") for path in left)
        ours.answer_with()
        heir = start(tmp_path, ours.dsn, 0, "wait")
        wait_for_ids(ours, ids)
        heir.communicate("", timeout=60)
        events = {event["event_id"]: event for event in ours.events()}
    assert sum(event["extra"]["occurrences"] for event in events.values()) == KINDS * TIMES


def files_of(spool: Path, dsn: str) -> list[Path]:
    """What the service that sends to `dsn` keeps of its month."""
    settings = ObservabilitySettings(dsn=dsn, spool_dir=spool)
    return sorted(path for path in settings.state_dir.rglob("*") if path.is_file())
