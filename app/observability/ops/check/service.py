"""Checks of Sentry itself: is it reached, does it take this DSN and this token, and is our clock right?"""

import json
from collections.abc import Iterator
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime
from urllib.parse import urlsplit

import httpx

from ...settings import Mode
from ...version import PACKAGE, __version__
from ..api import SentryApiError
from ..refusals import ORG_TOKENS_START
from ..release import open_api
from ..settings import OpsConfigError
from .finding import Finding, Surroundings, error, note, warning

TIMEOUT_S = 10.0
MOST_SKEW_S = 60.0


def ingest(at: Surroundings) -> Iterator[Finding]:
    """Send an envelope that costs no quota (a report of nothing lost), and read the answer."""
    settings = at.settings
    if at.is_offline or settings is None or not settings.dsn or settings.mode is Mode.OFF:
        return
    parts = urlsplit(settings.dsn)
    base, _, project = parts.path.rpartition("/")
    host = parts.netloc.rpartition("@")[2]
    url = f"{parts.scheme}://{host}{base}/api/{project}/envelope/"
    now = at.now.astimezone(UTC).isoformat().replace("+00:00", "Z")
    report = {"timestamp": now, "discarded_events": []}
    body = (
        "\n".join(json.dumps(part) for part in ({"sent_at": now}, {"type": "client_report"}, report)) + "\n"
    )
    auth = f"Sentry sentry_key={parts.username}, sentry_version=7, sentry_client={PACKAGE}/{__version__}"
    headers = {"X-Sentry-Auth": auth, "Content-Type": "application/x-sentry-envelope"}
    try:
        answer = httpx.post(url, content=body.encode(), headers=headers, timeout=TIMEOUT_S)
    except (httpx.HTTPError, httpx.InvalidURL, ValueError) as failure:  # the latter for a wrong HTTPS_PROXY
        yield error(
            "sentry.unreachable",
            f"{host} can't be reached ({type(failure).__name__}).",
            "Events wait in the spool and are lost when it is full.",
            "Check the host in SENTRY_DSN and HTTPS_PROXY, and that this machine may open connections to it.",
        )
        return
    at.facts["sentry"] = f"{host} answered {answer.status_code}"
    yield from _understood(answer, host)
    yield from _clock(at, answer)


def _understood(answer: httpx.Response, host: str) -> Iterator[Finding]:
    status = answer.status_code
    if status in (401, 403):
        yield error(
            "sentry.refused-key",
            f"Sentry refuses the key in SENTRY_DSN ({status}).",
            "Nothing is accepted.",
            "The key was revoked or belongs to another project: copy the DSN again from Settings > Client Keys.",
        )
    elif status == 404:
        yield error(
            "sentry.no-project",
            "Sentry knows no such project (404).",
            "Nothing is accepted.",
            "Copy the DSN again.",
        )
    elif status == 429 or "x-sentry-rate-limits" in answer.headers:
        limits = answer.headers.get("x-sentry-rate-limits", answer.headers.get("retry-after", ""))
        yield warning(
            "sentry.rate-limited",
            f"Sentry limits this project now ({limits}).",
            "The quota is spent or a limit is set on the key; events of that kind are dropped by Sentry.",
            "See Settings > Usage, and the key's rate limit.",
        )
    elif status >= 500:
        yield warning(
            "sentry.fault",
            f"Sentry has a fault ({status}).",
            "Events wait in the spool.",
            "https://status.sentry.io",
        )
    elif status != 200:
        yield error(
            "sentry.odd",
            f"{host} answered {status}.",
            "That is no Sentry, or one too old.",
            "Check SENTRY_DSN.",
        )
    elif not _is_json(answer):
        yield error(
            "sentry.odd",
            f"{host} answered 200, but not as Sentry does.",
            "A proxy or another program takes the events.",
            "Check the host in SENTRY_DSN and HTTPS_PROXY.",
        )


def _is_json(answer: httpx.Response) -> bool:
    try:
        return isinstance(answer.json(), dict)
    except ValueError:
        return False


def _clock(at: Surroundings, answer: httpx.Response) -> Iterator[Finding]:
    try:
        there = parsedate_to_datetime(answer.headers["date"])
    except (KeyError, ValueError):
        return
    skew_s = (at.now - there).total_seconds() if there.tzinfo else 0.0
    at.facts["clock"] = f"{abs(skew_s):.0f} s {'ahead of' if skew_s > 0 else 'behind'} Sentry's"
    if abs(skew_s) > MOST_SKEW_S:
        yield warning(
            "clock.wrong",
            f"The clock is {abs(skew_s):.0f} s {'fast' if skew_s > 0 else 'slow'}.",
            "Traces over several services do not fit together, and months of the budget begin at the wrong time.",
            "Set the clock (NTP).",
        )


def web_api(at: Surroundings) -> Iterator[Finding]:
    """Whether `alerts` and `release` could do their work."""
    missing, faults = at.ops.missing(), at.ops.faults()
    for name, fault in faults.items():
        code = "api.address" if name == "SENTRY_URL" else "api.wrong"
        yield error(code, fault, "`alerts` and `release` do nothing.", f"Mend {name}.")
    if faults:
        return
    if missing:
        if len(missing) < 3:
            yield warning(
                "api.incomplete",
                f"{', '.join(missing)} must be set too.",
                "`alerts` and `release` do nothing.",
                "See the README, part for ops.",
            )
        else:
            yield note(
                "api.none",
                f"{', '.join(missing)} are not set.",
                "`alerts` and `release` do nothing.",
                "Set these three to use them: see the README, part for ops.",
            )
        return
    try:
        at.ops.api_url(at.variable("SENTRY_DSN"))
    except OpsConfigError as failure:
        yield error("api.address", str(failure), "`alerts` and `release` do nothing.", "Mend it as said.")
        return
    if (at.ops.auth_token.get_secret_value() if at.ops.auth_token else "").startswith(ORG_TOKENS_START):
        yield note(
            "api.org-token",
            "SENTRY_AUTH_TOKEN is an organization token.",
            "Enough for `release`; `alerts` can't read monitors with it.",
            "Use a personal token or an internal integration for `alerts`.",
        )
    elif not at.is_offline:
        yield from _token(at)


def _token(at: Surroundings) -> Iterator[Finding]:
    with open_api(at.ops, at.variable("SENTRY_DSN"), timeout_s=TIMEOUT_S) as api:
        try:
            api.get(f"{api.project_path}/", scope="project:read")
        except SentryApiError as failure:
            yield error("api.refused", str(failure), "`alerts` does nothing.", "As said.")
            return
        try:
            api.get(f"{api.org_path}/detectors/", scope="alerts:read, and alerts:write to apply")
        except SentryApiError as failure:
            yield warning("api.no-alerts", str(failure), "`alerts` does nothing.", "As said.")


CHECKS = (ingest, web_api)


def now() -> datetime:
    """Return the time, with its zone."""
    return datetime.now(UTC)
