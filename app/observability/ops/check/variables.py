"""Checks of the variables: wrong, unknown, contradictory or careless ones."""

import difflib
import re
from collections.abc import Iterator
from urllib.parse import urlsplit

from ...settings import PREFIX, Mode, ObservabilitySettings
from ...validation import clean_text
from ..settings import OpsSettings, is_loopback
from .finding import Finding, Surroundings, error, note, reason, warning

OF_THE_SDK = ("SENTRY_DEBUG", "SENTRY_KEEP_ALIVE", "SENTRY_SPOTLIGHT", "SENTRY_SPOTLIGHT_ON_ERROR")
OF_SENTRY_CLI = (
    "SENTRY_LOG_LEVEL",
    "SENTRY_PROPERTIES",
    "SENTRY_NO_PROGRESS_BAR",
    "SENTRY_DISABLE_UPDATE_CHECK",
)
OF_TESTS = ("SENTRY_SCHEMA_DIR",)
_GUESSABLE = (
    "secret",
    "password",
    "changeme",
    "test",
    "token",
    "streamapi",
    "sentry",
    "example",
    "12345",
    "qwerty",
)
_HOST = re.compile(
    r"(?=.{1,253}$)[a-z0-9_]([a-z0-9_-]*[a-z0-9])?(\.[a-z0-9_]([a-z0-9_-]*[a-z0-9])?)*|\d+(\.\d+){3}"
)
LEAST_KINDS_OF_CHARACTERS = 8


def known_variables() -> list[str]:
    """Return every SENTRY_* variable that somebody reads."""
    fields = (*ObservabilitySettings.model_fields, *OpsSettings.model_fields)
    return sorted({*(f"{PREFIX}{name.upper()}" for name in fields), *OF_THE_SDK, *OF_SENTRY_CLI, *OF_TESTS})


def faulty(at: Surroundings) -> Iterator[Finding]:
    """Settings that stop the start."""
    for fault in at.faults:
        yield error(
            "settings.wrong", fault, "The service does not start with it.", "Set it as the example shows."
        )


def sleeping(at: Surroundings) -> Iterator[Finding]:
    """Settings that would stop the start if Sentry were switched on."""
    for fault in at.sleeping:
        yield warning(
            "settings.sleeping",
            fault,
            "SENTRY_ENABLED=false starts all the same; switched on, the service would not start.",
            "Set it as the example shows.",
        )


def dotenv(at: Surroundings) -> Iterator[Finding]:
    """A `.env` file that can't be read."""
    try:
        (at.root / ".env").read_text(encoding="utf-8")
    except (FileNotFoundError, IsADirectoryError):
        return
    except (OSError, UnicodeDecodeError) as failure:
        yield error(
            "dotenv.unreadable",
            f".env can't be read: {reason(failure)}.",
            "None of its variables is used.",
            "Save it as UTF-8, readable for the service's user.",
        )


def unknown(at: Surroundings) -> Iterator[Finding]:
    """Names that nobody reads, nearly always slips."""
    known = known_variables()
    for name in sorted(at.environ):
        if name.startswith(PREFIX) and name not in known:
            near = difflib.get_close_matches(name, known, n=1, cutoff=0.75)
            fix = f"Rename it to {near[0]}." if near else "Remove it."
            yield warning(
                "settings.unknown", f"{name} is read by nobody.", "What it should do does not happen.", fix
            )


def quoted(at: Surroundings) -> Iterator[Finding]:
    """Values with quotes or blanks around them, which other programs take literally."""
    for name in sorted(at.environ):
        value = at.environ[name]
        if name.startswith(PREFIX) and value and clean_text(value) != value:
            yield warning(
                "settings.quoted",
                f"{name} has quotes or blanks around its value.",
                "This module repairs it; sentry-cli and other programs take it literally.",
                "Remove them; Railway wants bare values.",
            )


def mode(at: Surroundings) -> Iterator[Finding]:
    """A service that monitors nothing, or less than somebody thinks."""
    settings = at.settings
    if settings is None:
        return
    if at.is_production and settings.mode is not Mode.LIVE:
        yield error(
            "mode.off",
            f"Nothing is sent: the mode is {settings.mode} in the environment {settings.environment}.",
            "Failures in production stay unseen.",
            "Set SENTRY_ENABLED=true and SENTRY_DSN.",
        )
    elif settings.dsn and settings.enabled is None:
        yield warning(
            "mode.undecided",
            "SENTRY_DSN is set, but SENTRY_ENABLED is not.",
            "A DSN alone never sends.",
            "Set SENTRY_ENABLED to true, or to false if this is meant.",
        )
    if at.is_on_railway and settings.environment == "development":
        yield error(
            "environment.development",
            "The service runs on Railway with the environment development.",
            "Events are mixed up with those of developers, and variables of frames are sent.",
            "Set SENTRY_ENVIRONMENT, or remove it to use Railway's own name.",
        )


def release(at: Surroundings) -> Iterator[Finding]:
    """A release that does not tell deployments apart."""
    settings, commit = at.settings, at.variable("RAILWAY_GIT_COMMIT_SHA")
    if settings is None or not at.is_on_railway:
        return
    is_set = at.variable("SENTRY_RELEASE") is not None
    if not commit and not is_set:
        yield warning(
            "release.same",
            f"Every deployment reports the release {settings.release}.",
            "Sentry can't say which deployment brought an error. Railway names the commit only for GitHub deploys.",
            "Deploy from GitHub, or set SENTRY_RELEASE for each `railway up`.",
        )
    if commit and is_set and commit[:7] not in settings.release:
        yield warning(
            "release.pinned",
            "SENTRY_RELEASE is set by hand and does not contain the commit that is deployed.",
            "Each deployment reports the same release until somebody changes the variable.",
            "Remove SENTRY_RELEASE: the version with the commit is the default.",
        )
    if "@" not in settings.release:
        yield note(
            "release.form",
            f"The release {settings.release} does not have the form name@version.",
            "Releases are shared by the whole organization, and Sentry orders only that form by version.",
            "Use name@1.2.3.",
        )


def rates(at: Surroundings) -> Iterator[Finding]:
    """Sampling and budgets that do not go together with production."""
    settings = at.settings
    if settings is None or not at.is_production:
        return
    if settings.traces_sample_rate > 0.5:
        yield warning(
            "rate.high",
            f"SENTRY_TRACES_SAMPLE_RATE is {settings.traces_sample_rate:g} in production.",
            "The month's spans are spent early, and the budget then lowers the rate.",
            "0.1 shows the same percentiles.",
        )
    if settings.traces_sample_rate == 0:
        yield note("rate.zero", "No request is traced.", "Performance alerts see nothing.", "Set it to 0.1.")
    for name, value in (("ERRORS", settings.monthly_errors), ("SPANS", settings.monthly_spans)):
        if value == 0:
            yield warning(
                "budget.unlimited",
                f"SENTRY_MONTHLY_{name} is 0: without limit.",
                "One crash loop can spend the whole quota, and Sentry then drops everything until the next month.",
                "Set what the plan holds.",
            )


def privacy(at: Surroundings) -> Iterator[Finding]:
    """Settings that let more out than a production service should."""
    settings = at.settings
    if settings is None:
        return
    if at.is_production and settings.include_locals:
        yield warning(
            "privacy.locals",
            "SENTRY_INCLUDE_LOCALS is true in production.",
            "Variables hold what users typed; scrubbing finds known kinds only.",
            "Remove it.",
        )
    if (settings.client_ip_header or "").lower() in ("x-forwarded-for", "forwarded"):
        yield warning(
            "privacy.forgeable-ip",
            f"SENTRY_CLIENT_IP_HEADER is {settings.client_ip_header}, which clients can write themselves.",
            "Addresses in Sentry may be forged.",
            "Use x-real-ip, which Railway sets.",
        )
    for target in settings.trace_targets:
        if not _HOST.fullmatch(target.lower()) or ("." not in target and not target.islower()):
            yield error(
                "privacy.trace-target",
                f"SENTRY_TRACE_TARGETS has {target!r}, which is no host name.",
                "No host equals it, so that the trace ends here.",
                "Write hosts only: no scheme, port, path or star.",
            )
    if settings.tunnel and not settings.feedback_origins:
        yield warning(
            "privacy.tunnel",
            "SENTRY_TUNNEL is on, but SENTRY_FEEDBACK_ORIGINS is empty.",
            "Pages of other origins are refused; only pages of this host can use it.",
            "List the origins of your pages.",
        )


def token(at: Surroundings) -> Iterator[Finding]:
    """A test token that could be guessed, or none where it is wanted."""
    found = at.settings.test_token if at.settings else None
    if found is None:
        if at.is_production:
            yield note(
                "token.none",
                "SENTRY_TEST_TOKEN is not set.",
                "/test-sentry answers 404 here.",
                "Set it to use the page.",
            )
        return
    text = found.get_secret_value()
    if len(set(text)) < LEAST_KINDS_OF_CHARACTERS or any(word in text.lower() for word in _GUESSABLE):
        yield error(
            "token.weak",
            "SENTRY_TEST_TOKEN can be guessed: it has a word in it, or few different characters.",
            "It opens the pages that show events and raise errors.",
            "Make one: python -c 'import secrets; print(secrets.token_urlsafe(24))'",
        )


def dsn(at: Surroundings) -> Iterator[Finding]:
    """A DSN that works but should look otherwise."""
    if at.settings is None or not at.settings.dsn:
        return
    parts = urlsplit(at.settings.dsn)
    if parts.password:
        yield warning(
            "dsn.secret-key",
            "SENTRY_DSN has the old form with a secret key.",
            "The secret key is not needed and should not lie around.",
            "Copy the DSN from Sentry again: Settings > Client Keys.",
        )
    if parts.scheme == "http" and not is_loopback(parts.hostname or ""):
        yield warning(
            "dsn.clear-text", "SENTRY_DSN uses http.", "Events cross the network in clear text.", "Use https."
        )


def sdk_variables(at: Surroundings) -> Iterator[Finding]:
    """Variables of the bare SDK that this module does not follow."""
    for name in OF_THE_SDK:
        if at.variable(name):
            yield note("settings.sdk", f"{name} is set.", "This module does not follow it.", "Remove it.")


def database(at: Surroundings) -> Iterator[Finding]:
    """A reference that Railway did not resolve."""
    for name in ("DATABASE_URL", "SENTRY_DSN"):
        if "${{" in (at.environ.get(name) or ""):
            yield error(
                "settings.unresolved",
                f"{name} holds an unresolved reference.",
                "Railway puts references in only if service and variable exist.",
                "Check the names in ${{Service.VARIABLE}}.",
            )


CHECKS = (
    faulty,
    sleeping,
    dotenv,
    unknown,
    quoted,
    mode,
    release,
    rates,
    privacy,
    token,
    dsn,
    sdk_variables,
    database,
)
