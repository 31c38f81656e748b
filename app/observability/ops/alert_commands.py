"""`alerts validate | plan | apply`: the rules of `sentry/alerts.toml`."""

from dataclasses import asdict
from pathlib import Path
from typing import Annotated

import typer

from .alerts.apply import Done, apply_plan, body_faults
from .alerts.document import AlertDocument, AlertFileError, load
from .alerts.plan import Change, Plan, make_plan, read_state
from .api import SentryApi
from .common import AsJson, ops_settings, worded
from .console import FINDINGS, OK, paint, say, say_json, table
from .ownership import rule_faults
from .release import open_api
from .settings import OpsConfigError, variable

alerts = typer.Typer(help="Alert rules and ownership as code: sentry/alerts.toml.", no_args_is_help=True)

AlertFile = Annotated[Path, typer.Option("--file", help="The alert rules.")]
DEFAULT_FILE = Path("sentry/alerts.toml")
Prune = Annotated[
    bool, typer.Option("--prune", help="Also remove what we created and the file no longer has.")
]
Adopt = Annotated[
    bool, typer.Option("--adopt-ownership", help="Also replace ownership rules written by hand at Sentry.")
]


@alerts.command("validate")
def alerts_validate(file: AlertFile = DEFAULT_FILE, as_json: AsJson = False) -> None:
    """Check the file against what Sentry accepts, without asking Sentry. No token needed."""
    with worded(as_json):
        document = _document(file)
        faults = [*body_faults(document), *_ownership(document, file)[1]]
    if as_json:
        say_json({"faults": faults, "monitors": len(document.monitor), "alerts": len(document.alert)})
    else:
        for fault in faults:
            say(f"  - {fault}", "red")
        if not faults:
            count = f"{len(document.monitor)} monitors and {len(document.alert)} alerts"
            say(f"{file}: {count}, all as Sentry takes them.")
            for line in table((f"  {alert.name}", alert.meaning) for alert in document.alert):
                say(line)
    raise typer.Exit(FINDINGS if faults else OK)


@alerts.command("plan")
def alerts_plan(
    file: AlertFile = DEFAULT_FILE, prune: Prune = False, adopt: Adopt = False, as_json: AsJson = False
) -> None:
    """Say what differs at Sentry and change nothing. Exit code 1 if something differs."""
    with worded(as_json):
        document, rules = _checked(file)
        with _api() as api:
            plan = make_plan(document, read_state(api, document), rules=rules, prune=prune, adopt=adopt)
    if as_json:
        say_json(
            {"in_sync": not plan.changes, "changes": list(map(asdict, plan.changes)), "notes": plan.notes}
        )
    else:
        _say_plan(plan)
    raise typer.Exit(FINDINGS if plan.changes else OK)


@alerts.command("apply")
def alerts_apply(
    file: AlertFile = DEFAULT_FILE, prune: Prune = False, adopt: Adopt = False, as_json: AsJson = False
) -> None:
    """Make Sentry match the file, then look again whether it does. Touches only what this command created."""
    with worded(as_json):
        document, rules = _checked(file)
        with _api() as api:
            plan = make_plan(document, read_state(api, document), rules=rules, prune=prune, adopt=adopt)
            done = apply_plan(
                api, document, plan, rules=rules, tell=(lambda _: None) if as_json else _say_done
            )
            left = plan
            if plan.changes:
                left = make_plan(document, read_state(api, document), rules=rules, prune=prune, adopt=adopt)
    failed = [result for result in done if result.error]
    if as_json:
        say_json(
            {
                "in_sync": not left.changes,
                "done": [{**asdict(result.change), "error": result.error} for result in done],
                "left": list(map(asdict, left.changes)),
                "notes": left.notes,
            }
        )
    else:
        _say_notes(left)
        if not plan.changes:
            say("Nothing to do: Sentry matches the file.", "green")
        elif left.changes:
            say(f"{len(left.changes)} differences are left; run it again.", "red")
            if not failed:
                _say_plan(left)
        else:
            say("Sentry matches the file now.", "green")
    raise typer.Exit(FINDINGS if left.changes else OK)


def _api() -> SentryApi:
    return open_api(ops_settings(), variable("SENTRY_DSN"))


def _checked(file: Path) -> tuple[AlertDocument, str]:
    document = _document(file)
    rules, faults = _ownership(document, file)
    faults = [*body_faults(document), *faults]
    if faults:
        raise AlertFileError(file, faults)
    return document, rules


def _document(file: Path) -> AlertDocument:
    if not file.exists():
        raise OpsConfigError(f"There is no file {file}. Name the alert rules with --file.")
    return load(file)


def _ownership(document: AlertDocument, file: Path) -> tuple[str, list[str]]:
    if document.ownership is None:
        return "", []
    path = file.parent / document.ownership.file
    try:
        rules = path.read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError) as error:
        return "", [f"{path}: {error}"]
    return rules, [f"{path}: {fault}" for fault in rule_faults(rules)]


_SIGNS = {"create": ("+", "green"), "update": ("~", "yellow"), "remove": ("-", "red")}


def _say_plan(plan: Plan) -> None:
    for change in plan.changes:
        sign, colour = _SIGNS[change.action]
        say(f"{sign} {change.kind} {change.name}", colour)
        for detail in change.details:
            say(f"    {detail}")
    _say_notes(plan)
    count = len(plan.changes)
    say(f"{count} to change; `alerts apply` does it." if count else "Sentry matches the file.")


def _say_done(done: Done) -> None:
    sign, colour = _SIGNS[done.change.action]
    say(
        f"{sign} {_title(done.change)}" + (f": {done.error}" if done.error else ""),
        "red" if done.error else colour,
    )
    if not done.error:
        for detail in done.change.details:
            say(f"    {detail}")


def _title(change: Change) -> str:
    return f"{change.kind} {change.name}"


def _say_notes(plan: Plan) -> None:
    for note in plan.notes:
        say(paint("note: ", "blue") + note)
