"""Reading alerts.toml: what is right is understood, what is wrong is named with its place."""

from pathlib import Path

import pytest

from app.observability.ops.alerts.apply import body_faults
from app.observability.ops.alerts.document import AlertFileError, load

ROOT = Path(__file__).parents[3]
HEAD = 'prefix = "svc"\nenvironment = "production"\nnotify = ["owners"]\n'
MONITOR = """
[[monitor]]
name = "slow pages"
meaning = "Pages are slow."
dataset = "spans"
aggregate = "p95(span.duration)"
window = "10m"
high = 1000
"""
ALERT = """
[[alert]]
name = "slow pages"
meaning = "Somebody looks."
monitors = ["slow pages"]
when = ["new"]
at_most_every = "1h"
"""


def written(tmp_path: Path, text: str) -> Path:
    path = tmp_path / "alerts.toml"
    path.write_text(text, encoding="utf-8")
    return path


def faults_of(tmp_path: Path, text: str) -> str:
    with pytest.raises(AlertFileError) as caught:
        load(written(tmp_path, text))
    return str(caught.value)


def test_the_file_of_this_project_has_no_fault() -> None:
    assert body_faults(load(ROOT / "sentry" / "alerts.toml")) == []


def test_the_file_of_this_project_covers_what_ops_ask_for() -> None:
    document = load(ROOT / "sentry" / "alerts.toml")
    names = {alert.name for alert in document.alert}
    assert names >= {
        "error rate over 1 %",
        "error volume",
        "new error type",
        "regressed issue",
        "slow",
        "WebSocket messages failing",
        "authentication spike",
        "database failures",
        "premium users with errors",
        "watched user",
        "monthly budget at 80 %",
    }
    rate = next(monitor for monitor in document.monitor if monitor.name == "error rate over 1 %")
    assert (rate.medium, rate.aggregate) == (0.01, "failure_rate()")
    assert "!http.response.status_code:4*" in rate.query


def test_times_are_read_as_seconds(tmp_path: Path) -> None:
    document = load(written(tmp_path, HEAD + MONITOR + ALERT))
    assert (document.monitor[0].window, document.alert[0].at_most_every) == (600, 3600)


def test_a_star_means_every_environment(tmp_path: Path) -> None:
    document = load(written(tmp_path, HEAD.replace('"production"', '"*"') + MONITOR + ALERT))
    assert document.environment is None


def test_a_missing_file_is_named(tmp_path: Path) -> None:
    with pytest.raises(AlertFileError, match="no such file"):
        load(tmp_path / "none.toml")


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("prefix = ", "is wrong"),
        (HEAD + MONITOR.replace('"10m"', '"600"') + ALERT, "monitor 'slow pages' window: must be a time"),
        (HEAD + MONITOR.replace("high = 1000", "") + ALERT, "needs `high` or `medium`"),
        (HEAD + MONITOR + "medium = 2000" + ALERT, "needs high > medium"),
        (HEAD + MONITOR + "medium = 1000" + ALERT, "the same value"),
        (HEAD + MONITOR + "resolve = 1001" + ALERT, "needs high > medium >= resolve"),
        (HEAD + MONITOR + 'direction = "below"\nresolve = 999' + ALERT, "needs high < medium <= resolve"),
        (HEAD + MONITOR.replace("spans", "transactions") + ALERT, "dataset"),
        (HEAD + MONITOR + "treshold = 4" + ALERT, "treshold"),
        (HEAD + MONITOR.replace("1000", '"1000"') + ALERT, "monitor 'slow pages' high"),
        (HEAD + MONITOR + MONITOR + ALERT, "two monitors are called 'slow pages'"),
        (HEAD + MONITOR + ALERT + ALERT, "two alerts are called 'slow pages'"),
        (HEAD + MONITOR + ALERT.replace('["slow pages"]', '["fast pages"]'), "not here: 'fast pages'"),
        (HEAD + MONITOR, "no alert names monitor 'slow pages'"),
        (HEAD + MONITOR + ALERT.replace('["new"]', "[]"), "alert 'slow pages' when"),
        (HEAD + MONITOR + ALERT + 'notify = ["bob"]', "alert 'slow pages' notify: must be"),
        (HEAD.replace("owners", "user:bob") + MONITOR + ALERT, "notify: must be"),
        (HEAD + MONITOR + ALERT + "only_if = [{ }]", "exactly one of"),
        (HEAD + MONITOR + ALERT + 'only_if = [{ level = "error", category = "error" }]', "this one uses 2"),
        (HEAD + MONITOR + ALERT + 'only_if = [{ tag = "a" }]', "`equals` or `is_set` goes with"),
        (
            HEAD + MONITOR + ALERT + 'only_if = [{ level = "error", equals = "x" }]',
            "`equals` or `is_set` goes",
        ),
        (HEAD + MONITOR + ALERT + 'only_if = [{ tag = "a", equals = "x", is_set = true }]', "not both"),
        (HEAD + MONITOR + ALERT + "only_if = [{ users_over = 3 }]", "`within` goes with"),
        (HEAD + MONITOR + ALERT + 'only_if = [{ users_over = 3, within = "5m" }]', "within"),
    ],
)
def test_every_fault_is_named_with_its_place(tmp_path: Path, text: str, expected: str) -> None:
    assert expected in faults_of(tmp_path, text)


def test_all_faults_come_at_once(tmp_path: Path) -> None:
    text = faults_of(tmp_path, HEAD + MONITOR.replace('"10m"', "10").replace("spans", "x") + ALERT)
    assert "window" in text
    assert "dataset" in text
