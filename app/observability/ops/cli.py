"""The commands. Each reads settings, calls the part that does the work, prints what came of it and sets the
exit code.
"""

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import asdict
from pathlib import Path
from typing import Annotated

import typer

from ..settings import ObservabilityConfigError, ObservabilitySettings
from . import railway as railway_format
from .alerts.apply import Done, apply_plan, body_faults
from .alerts.document import AlertDocument, AlertFileError, load
from .alerts.plan import Change, Plan, make_plan, read_state
from .api import SentryApi, SentryApiError
from .check.finding import Severity
from .check.run import check, look_around, resolved
from .console import FINDINGS, OK, WRONG_USE, give_up, paint, say, say_json, table
from .ownership import rule_faults
from .release import BUDGET_S, announce, deployment_from, open_api
from .settings import COMMAND, OpsConfigError, OpsSettings, variable

HELP = """Look after the Sentry side of this service.

Exit codes: 0 fine, 1 findings, differences or failure, 2 wrong use."""

app = typer.Typer(
    name=COMMAND,
    help=HELP,
    no_args_is_help=True,
    add_completion=False,
    # Typer's own error display can show the values of variables.
    pretty_exceptions_enable=False,
)
alerts = typer.Typer(help="Alert rules and ownership as code: sentry/alerts.toml.", no_args_is_help=True)
railway = typer.Typer(help="Railway's deployment formats.", no_args_is_help=True)
app.add_typer(alerts, name="alerts")
app.add_typer(railway, name="railway")

AsJson = Annotated[bool, typer.Option("--json", help="Print JSON instead of text.")]
AlertFile = Annotated[Path, typer.Option("--file", help="The alert rules.")]
DEFAULT_FILE = Path("sentry/alerts.toml")
Prune = Annotated[
    bool, typer.Option("--prune", help="Also remove what we created and the file no longer has.")
]
Adopt = Annotated[
    bool, typer.Option("--adopt-ownership", help="Also replace ownership rules written by hand at Sentry.")
]


@contextmanager
def _worded(as_json: bool) -> Iterator[None]:
    """Turn the failures that people can act on into a sentence and an exit code."""
    try:
        yield
    except OpsConfigError as error:
        give_up(str(error), as_json=as_json, code=WRONG_USE)
    except (SentryApiError, AlertFileError) as error:
        give_up(str(error), as_json=as_json)


@app.command("check")
def check_set_up(
    offline: Annotated[bool, typer.Option("--offline", help="Do not ask Sentry anything.")] = False,
    root: Annotated[Path, typer.Option("--root", help="Folder with Procfile and railway.json.")] = Path(),
    as_json: AsJson = False,
) -> None:
    """Find what is wrong with variables, Sentry, clock, spool, budget and deployment, and say how to mend it."""
    at = look_around(root, is_offline=offline)
    findings, rows = check(at), resolved(at)
    bad = [finding for finding in findings if finding.severity is not Severity.NOTE]
    if as_json:
        variables = {name: {"value": value, "origin": origin} for name, value, origin in rows}
        say_json({"variables": variables, "facts": at.facts, "findings": list(map(asdict, findings))})
        raise typer.Exit(FINDINGS if bad else OK)
    for line in table(rows):
        say(line)
    say()
    for name, fact in at.facts.items():
        say(f"{name}: {fact}")
    for finding in findings:
        say()
        say(f"{paint(finding.severity, _COLOURS[finding.severity])} {finding.code}: {finding.what}")
        say(f"    Why it matters: {finding.why}")
        say(f"    What to do: {finding.fix}")
    say()
    say("Nothing to mend." if not bad else f"{len(bad)} to mend.", "green" if not bad else "red")
    raise typer.Exit(FINDINGS if bad else OK)


@app.command("send-test")
def send_one_of_each(
    wait_s: Annotated[
        float, typer.Option("--wait", help="Seconds to wait for Sentry's answers.", min=0.1)
    ] = 10.0,
    as_json: AsJson = False,
) -> None:
    """Send a test error, transaction, log and metric, and say what Sentry accepted and where it is."""
    # Imports the SDK and the whole module, which no other command needs.
    from .send_test import send_test

    with _worded(as_json):
        try:
            sent = send_test(ObservabilitySettings(), OpsSettings(), wait_s=wait_s)
        except ObservabilityConfigError as error:
            raise OpsConfigError(str(error)) from None
    if as_json:
        say_json({"sent": list(map(asdict, sent))})
    else:
        for item in sent:
            verdict = {True: "accepted", False: "refused", None: "unknown"}[item.accepted]
            colour = "green" if item.accepted else "red"
            reason = "" if item.accepted else f" ({item.reason})"
            say(f"{item.kind:12}{paint(verdict, colour)}{reason}  {item.link or item.id or ''}".rstrip())
    raise typer.Exit(OK if all(item.accepted for item in sent) else FINDINGS)


_COLOURS = {Severity.ERROR: "red", Severity.WARNING: "yellow", Severity.NOTE: "blue"}


@alerts.command("validate")
def alerts_validate(file: AlertFile = DEFAULT_FILE, as_json: AsJson = False) -> None:
    """Check the file against what Sentry accepts, without asking Sentry. No token needed."""
    with _worded(as_json):
        document = load(file)
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
    with _worded(as_json):
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
    with _worded(as_json):
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


@app.command("release")
def release(
    strict: Annotated[
        bool, typer.Option(help="Fail if Sentry could not be told. Blocks a deployment.")
    ] = False,
    as_json: AsJson = False,
) -> None:
    """Tell Sentry which release and commit go live, from Railway's variables. Ends well even if that
    fails.
    """
    error: str | None = None
    steps: tuple[str, ...] = ()
    try:
        settings = ObservabilitySettings()
        deployment = deployment_from(settings.release, settings.environment)
        ops = _ops_settings()
        with open_api(ops, settings.dsn, timeout_s=BUDGET_S, budget_s=BUDGET_S) as api:
            report = announce(api, deployment)
        steps = (report.skipped,) if report.skipped else report.steps
    except (OpsConfigError, ObservabilityConfigError, SentryApiError) as problem:
        error = " ".join(str(problem).split())
    if as_json:
        say_json({"release": None if error else report.release, "steps": steps, "error": error})
    elif error:
        typer.echo(f"Sentry was not told about this release: {error}", err=True)
    else:
        say(f"Sentry: {', '.join(steps)}.")
    raise typer.Exit(FINDINGS if error and strict else OK)


@railway.command("migrate")
def railway_migrate(
    language: Annotated[str, typer.Option("--lang", help="ts (generally available) or py (beta).")] = "ts",
    file: Annotated[Path, typer.Option("--file", help="The deployment to translate.")] = Path("railway.json"),
    name: Annotated[str | None, typer.Option("--service", help="Name of the service on Railway.")] = None,
    project: Annotated[str | None, typer.Option("--project", help="Name of the project on Railway.")] = None,
    names: Annotated[
        list[str] | None,
        typer.Option("--variable", help="A variable of the service to keep; repeat it for more."),
    ] = None,
) -> None:
    """Print the deployment of railway.json in the format that follows it. Changes nothing.

    Run inside `railway run`, it knows project, service, repository, volume and the names (never the values) of the
    variables.
    """
    if language not in ("ts", "py"):
        raise typer.BadParameter("must be ts or py", param_hint="--lang")
    with _worded(as_json=False):
        found = railway_format.service_from(railway_format.read_config(file), tuple(names or ()))
        service = railway_format.renamed(found, project, name)
    say(
        (railway_format.as_typescript if language == "ts" else railway_format.as_python)(service).rstrip("\n")
    )


def _ops_settings() -> OpsSettings:
    settings = OpsSettings()
    if missing := settings.missing():
        raise OpsConfigError(f"{', '.join(missing)} must be set (see the README, part for ops).")
    return settings


def _api() -> SentryApi:
    return open_api(_ops_settings(), variable("SENTRY_DSN"))


def _checked(file: Path) -> tuple[AlertDocument, str]:
    document = load(file)
    rules, faults = _ownership(document, file)
    faults = [*body_faults(document), *faults]
    if faults:
        raise AlertFileError(file, faults)
    return document, rules


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


def main() -> None:
    """Run the command line."""
    app()
