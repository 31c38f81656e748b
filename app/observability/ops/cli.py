"""The commands. Each reads settings, calls the part that does the work, prints what came of it, sets the exit code."""

import sys
from dataclasses import asdict
from pathlib import Path
from typing import Annotated

import typer
from dotenv import load_dotenv

from ..settings import ObservabilityConfigError, ObservabilitySettings
from . import railway as railway_format
from .alert_commands import alerts
from .api import SentryApiError
from .check.finding import Severity
from .check.run import check, look_around, resolved
from .common import AsJson, ops_settings, unexpected, worded
from .console import FINDINGS, OK, paint, say, say_json, table
from .release import BUDGET_S, announce, deployment_from, open_api
from .send_test import send_test
from .settings import COMMAND, OpsConfigError, OpsSettings, checked_dsn, variable

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
railway = typer.Typer(help="Railway's deployment formats.", no_args_is_help=True)
app.add_typer(alerts, name="alerts")
app.add_typer(railway, name="railway")


@app.command("check")
def check_set_up(
    offline: Annotated[bool, typer.Option("--offline", help="Do not ask Sentry anything.")] = False,
    root: Annotated[
        Path,
        typer.Option(
            "--root", help="Folder with Procfile, railway.json and .env.", exists=True, file_okay=False
        ),
    ] = Path(),
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
    """Send a test error, transaction, log and metric, and say what Sentry accepted and where it is.

    Sends to SENTRY_DSN whatever SENTRY_ENABLED says. Keeps nothing: what could not be sent is not sent later.
    """
    with worded(as_json):
        if dsn := variable("SENTRY_DSN"):
            checked_dsn(dsn)
        try:
            sent = send_test(ObservabilitySettings(), OpsSettings(), wait_s=wait_s)
        except ObservabilityConfigError as error:
            raise OpsConfigError(str(error)) from None
    if as_json:
        say_json({"sent": list(map(asdict, sent))})
    else:
        for item in sent:
            verdict = {True: "accepted", False: "refused", None: "off" if item.is_off else "unknown"}
            colour = "green" if item.accepted else "blue" if item.is_off else "red"
            rest = (item.link or item.id or "") if item.accepted else item.reason
            say(f"{item.kind:12}{paint(f'{verdict[item.accepted]:10}', colour)}{rest}".rstrip())
    raise typer.Exit(OK if all(item.accepted or item.is_off for item in sent) else FINDINGS)


_COLOURS = {Severity.ERROR: "red", Severity.WARNING: "yellow", Severity.NOTE: "blue"}


@app.command("release")
def release(
    strict: Annotated[
        bool, typer.Option(help="Fail if Sentry could not be told; that can stop a deployment.")
    ] = False,
    as_json: AsJson = False,
) -> None:
    """Tell Sentry which release and commit go live, from Railway's variables.

    Ends with exit code 0 even if Sentry could not be told, so that it never stops a deployment; --strict changes that.
    """
    error: str | None = None
    steps: tuple[str, ...] = ()
    try:
        settings = ObservabilitySettings()
        deployment = deployment_from(settings.release, settings.environment)
        ops = ops_settings()
        # Not `settings.dsn`, which is None for a wrong DSN while SENTRY_ENABLED=false.
        with open_api(ops, variable("SENTRY_DSN"), timeout_s=BUDGET_S, budget_s=BUDGET_S) as api:
            report = announce(api, deployment)
        steps = (report.skipped,) if report.skipped else report.steps
    except (OpsConfigError, ObservabilityConfigError, SentryApiError) as problem:
        error = " ".join(str(problem).split())
    except Exception as problem:  # noqa: BLE001  whatever it is, it must not fail a deployment
        error = unexpected(problem)
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
        typer.Option("--variable", help="Another variable of the service to keep. Repeat it for more."),
    ] = None,
) -> None:
    """Print the deployment of railway.json in the format that follows it. Changes nothing.

    Run it inside `railway run`: it then knows project, service, repository and
    volume, and keeps the variables that are set (their names, never their
    values): SENTRY_*, DATABASE_URL, those in the .env.example beside
    railway.json, and Railway's own switches such as
    RAILWAY_DEPLOYMENT_DRAINING_SECONDS. Railway removes what the file leaves
    out: name every other variable of the service with --variable.
    """
    if language not in ("ts", "py"):
        raise typer.BadParameter("must be ts or py", param_hint="--lang")
    with worded(as_json=False):
        known = railway_format.known_from(file.parent / ".env.example")
        config = railway_format.read_config(file)
        found = railway_format.service_from(config, tuple(names or ()), known=known)
        service = railway_format.renamed(found, project, name)
    say(
        (railway_format.as_typescript if language == "ts" else railway_format.as_python)(service).rstrip("\n")
    )


def main() -> None:
    """Run the command line with the variables of a `.env` file if there is one, as the service does.

    Ends with one sentence and exit code 1 if something happens that no command expects: a traceback helps nobody
    in the log of a deployment, and could show a secret.
    """
    try:
        load_dotenv(".env")
    except (OSError, ValueError) as error:
        typer.echo(f"warning: .env can't be read ({type(error).__name__}), none of it is used.", err=True)
    try:
        app()
    except Exception as error:  # noqa: BLE001  the last resort
        sys.exit(f"error: {unexpected(error)}")
