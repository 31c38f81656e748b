"""Ownership rules as code: who is asked first about an issue, and whom Sentry assigns it to.

Rules that somebody wrote in Sentry's own form are never overwritten unless asked for: what we wrote starts
with a line that says so.
"""

import re
from typing import Any

from .alerts.document import Ownership

MARK = "# From ownership.txt in the repository: change it there."
_ASSIGNMENTS = {
    "owner": "Auto Assign to Issue Owner",
    "suspect-commits": "Auto Assign to Suspect Commits",
    "nobody": "Turn off Auto-Assignment",
}
_RULE = re.compile(r'(?P<matcher>(path|module|url|tags\.[\w.:-]+):("[^"]+"|\S+))(?P<owners>(\s+\S+)*)')
_OWNER = re.compile(r"#[a-z0-9_-]+|[^@\s]+@[^@\s]+\.[^@\s]+")


def rule_faults(text: str) -> list[str]:
    """List the lines that Sentry would refuse, with what is wrong."""
    faults = list[str]()
    for number, line in enumerate(text.splitlines(), start=1):
        rule = line.strip()
        if not rule or rule.startswith("#"):
            continue
        found = _RULE.fullmatch(rule)
        if found is None:
            faults.append(
                f"line {number}: a rule is path:, module:, url: or tags.NAME: with a pattern, then owners"
            )
        elif not found["owners"].split():
            faults.append(f"line {number}: {found['matcher']} has no owner (#team or an e-mail address)")
        else:
            wrong = [owner for owner in found["owners"].split() if not _OWNER.fullmatch(owner)]
            faults += [f"line {number}: {owner} is neither a #team nor an e-mail address" for owner in wrong]
    return faults


def ownership_body(settings: Ownership, rules: str) -> dict[str, Any]:
    """Return the body that sets rules and automatic assignment."""
    return {
        "raw": f"{MARK}\n{rules.strip()}\n",
        "fallthrough": settings.everybody_if_no_rule_matches,
        "autoAssignment": _ASSIGNMENTS[settings.assign],
    }


def is_foreign(found: dict[str, Any]) -> bool:
    """Say whether Sentry holds rules that did not come from our file."""
    raw = found.get("raw") or ""
    return bool(raw.strip()) and MARK not in raw


def ownership_differences(body: dict[str, Any], found: dict[str, Any]) -> list[str]:
    """Say line by line where Sentry's rules and settings depart from `body`."""
    wanted, there = _lines(body["raw"]), _lines(found.get("raw") or "")
    lines = [f"rule: add {line}" for line in wanted if line not in there and line != MARK]
    lines += [f"rule: remove {line}" for line in there if line not in wanted]
    if not lines and wanted != there:
        lines.append("rules: another order (the last rule that matches wins)")
    for key in ("fallthrough", "autoAssignment"):
        if found.get(key) != body[key]:
            lines.append(f"{key}: {found.get(key)} -> {body[key]}")
    return lines


def _lines(raw: str) -> list[str]:
    return [line.strip() for line in raw.splitlines() if line.strip()]
