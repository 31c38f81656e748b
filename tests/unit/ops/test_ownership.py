"""Ownership rules: what Sentry would refuse is found, what others wrote is recognized."""

from pathlib import Path

import pytest

from app.observability.ops.alerts.document import Ownership
from app.observability.ops.ownership import is_foreign, ownership_body, ownership_differences, rule_faults

ROOT = Path(__file__).parents[3]
SETTINGS = Ownership(assign="owner")


def test_the_rules_of_this_project_have_no_fault() -> None:
    assert rule_faults((ROOT / "sentry" / "ownership.txt").read_text(encoding="utf-8")) == []


@pytest.mark.parametrize(
    "rule",
    [
        "path:src/* #team",
        "module:app.routes.* ada@example.com #team",
        "url:*/ws/* #team",
        "tags.db.failure:timeout #team",
        'path:"src with blank/*" #team',
        "# a comment",
        "",
    ],
)
def test_a_right_rule_passes(rule: str) -> None:
    assert rule_faults(rule) == []


@pytest.mark.parametrize(
    ("rule", "expected"),
    [
        ("src/* #team", "a rule is path:"),
        ("file:src #team", "a rule is path:"),
        ("path:src/*", "no owner"),
        ("path:src/* team", "team is neither"),
        ("path:src/* #Team", "#Team is neither"),
    ],
)
def test_a_wrong_rule_is_named_with_its_line(rule: str, expected: str) -> None:
    (fault,) = rule_faults(f"path:ok #team\n{rule}\n")
    assert fault.startswith("line 2: ")
    assert expected in fault


def test_rules_by_hand_are_foreign_and_ours_are_not() -> None:
    assert not is_foreign({"raw": None})
    assert not is_foreign({"raw": " \n"})
    assert is_foreign({"raw": "path:a #b"})
    assert not is_foreign({"raw": ownership_body(SETTINGS, "path:a #b")["raw"]})


def test_differences_are_told_line_by_line() -> None:
    body = ownership_body(SETTINGS, "path:a #b\npath:c #d\n")
    assert ownership_differences(body, {**body, "raw": body["raw"].replace("\n", "\r\n")}) == []
    found = {**body, "raw": body["raw"].replace("path:c", "path:x"), "fallthrough": False}
    assert ownership_differences(body, found) == [
        "rule: add path:c #d",
        "rule: remove path:x #d",
        "fallthrough: False -> True",
    ]
    turned = {**body, "raw": "\n".join(reversed(body["raw"].splitlines()))}
    assert "another order" in ownership_differences(body, turned)[0]
