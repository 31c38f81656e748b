"""The alert rules ask for tags and operations that this service really sends."""

import re
from pathlib import Path

import pytest

from app.observability.ops.alerts.document import load

ROOT = Path(__file__).parents[3]
DOCUMENT = load(ROOT / "sentry" / "alerts.toml")
SOURCE = "\n".join(
    path.read_text(encoding="utf-8")
    for path in (ROOT / "app" / "observability").rglob("*.py")
    if "ops" not in path.relative_to(ROOT / "app" / "observability").parts
)
TAGS = [
    condition
    for alert in DOCUMENT.alert
    for condition in alert.only_if
    if condition.tag not in (None, "user.tier")
]
OPS = sorted(
    {found for monitor in DOCUMENT.monitor for found in re.findall(r"span\.op:(\S+)", monitor.query)}
)
HAS = sorted({found for monitor in DOCUMENT.monitor for found in re.findall(r"has:(\S+)", monitor.query)})


def test_there_are_tags_and_operations_to_look_for() -> None:
    assert (len(TAGS), OPS, HAS) == (2, ["http.server", "websocket.message"], ["db.failure"])


@pytest.mark.parametrize("condition", TAGS, ids=lambda condition: condition.equals)
def test_each_tag_that_an_alert_filters_by_is_set_by_the_module(condition: object) -> None:
    tag, value = getattr(condition, "tag", ""), getattr(condition, "equals", "")
    assert f'"{tag}": "{value}"' in SOURCE


@pytest.mark.parametrize("word", [*OPS, *HAS, "user.tier", "internal_error"])
def test_each_operation_tag_and_status_that_a_monitor_asks_for_is_sent(word: str) -> None:
    assert f'"{word}"' in SOURCE


def test_the_tiers_that_alerts_name_are_tiers_of_the_service() -> None:
    models = (ROOT / "app" / "models.py").read_text(encoding="utf-8").lower()
    tiers = {
        condition.equals
        for alert in DOCUMENT.alert
        for condition in alert.only_if
        if condition.tag == "user.tier"
    }
    tiers |= {
        found for monitor in DOCUMENT.monitor for found in re.findall(r"user\.tier:(\S+)", monitor.query)
    }
    assert tiers == {"premium", "enterprise"}
    for tier in tiers:
        assert f'"{tier}"' in models
