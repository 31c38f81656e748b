"""Tell Sentry which release and commit went live where, from what Railway sets; no git needed.

Made to run in a deployment: five seconds at most, and a failure is a sentence, not an obstacle. Running it
twice for one deployment changes nothing.
"""

import os
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any
from urllib.parse import quote

from pydantic import SecretStr

from ..scrubbing import scrub_text
from .api import SentryApi, SentryApiError
from .settings import OpsSettings, variable

BUDGET_S = 5.0
SCOPE = "org:ci (an organization token) or project:releases"
_MAX_MESSAGE = 1000


@dataclass(frozen=True)
class Deployment:
    """What is being deployed: `release` and `environment` exactly as the service itself reports them."""

    release: str
    environment: str
    id: str | None = None
    url: str | None = None
    repository: str | None = None
    commit: str | None = None
    message: str | None = None
    author: str | None = None


@dataclass(frozen=True)
class ReleaseReport:
    """What was done, step by step, and what was not."""

    release: str
    steps: tuple[str, ...]
    skipped: str | None = None


def deployment_from(release: str, environment: str, environ: Mapping[str, str] | None = None) -> Deployment:
    """Read what Railway says about the deployment that runs here; all of it may be absent."""
    environ = os.environ if environ is None else environ
    owner, name = variable("RAILWAY_GIT_REPO_OWNER", environ), variable("RAILWAY_GIT_REPO_NAME", environ)
    domain, message = (
        variable("RAILWAY_PUBLIC_DOMAIN", environ),
        variable("RAILWAY_GIT_COMMIT_MESSAGE", environ),
    )
    return Deployment(
        release=release,
        environment=environment,
        id=(variable("RAILWAY_DEPLOYMENT_ID", environ) or "")[:64] or None,
        url=f"https://{domain}" if domain else None,
        repository=f"{owner}/{name}" if owner and name else None,
        commit=(variable("RAILWAY_GIT_COMMIT_SHA", environ) or "")[:64] or None,
        message=scrub_text(message)[:_MAX_MESSAGE] if message else None,
        author=variable("RAILWAY_GIT_AUTHOR", environ),
    )


def open_api(settings: OpsSettings, dsn: str | None, **options: Any) -> SentryApi:
    """Make a client from settings that were checked with `missing()`."""
    token = settings.auth_token or SecretStr("")
    url = settings.api_url(dsn)
    return SentryApi(url=url, org=settings.org or "", project=settings.project or "", token=token, **options)


def announce(
    api: SentryApi, deployment: Deployment, now: Callable[[], datetime] | None = None
) -> ReleaseReport:
    """Create the release, its commit, its date and the deploy, as far as Sentry lacks them.

    Raises:
        SentryApiError: A call failed; what was done before stays and is not done again next time.
    """
    moment = (now() if now else datetime.now(UTC)).isoformat(timespec="seconds")
    path = f"{api.org_path}/releases/{quote(deployment.release, safe='')}/"
    if _is_deployed(api, path, deployment):
        return ReleaseReport(deployment.release, (), skipped="this deployment is known to Sentry already")
    body = {"version": deployment.release, "projects": [api.project]}
    created = api.post(f"{api.org_path}/releases/", body, scope=SCOPE) or {}
    steps = [f"release {deployment.release}"]
    if deployment.commit and deployment.repository:
        steps.append(_set_commits(api, path, deployment))
    if not created.get("dateReleased"):
        api.put(path, {"dateReleased": moment}, scope=SCOPE)
        steps.append("finalized")
    deploy: dict[str, Any] = {
        "environment": deployment.environment,
        "dateFinished": moment,
        "projects": [api.project],
    }
    deploy |= {key: value for key, value in (("name", deployment.id), ("url", deployment.url)) if value}
    api.post(f"{path}deploys/", deploy, scope=SCOPE)
    steps.append(f"deploy to {deployment.environment}")
    return ReleaseReport(deployment.release, tuple(steps))


def _is_deployed(api: SentryApi, path: str, deployment: Deployment) -> bool:
    try:
        deploys = list(api.pages(f"{path}deploys/", scope=SCOPE))
    except SentryApiError as error:
        if error.status == 404:
            return False
        raise
    # Outside Railway a deployment has no id: one deploy a release and environment then.
    wanted = (deployment.environment, deployment.id)
    return any((deploy.get("environment"), deploy.get("name")) == wanted for deploy in deploys)


def _set_commits(api: SentryApi, path: str, deployment: Deployment) -> str:
    """Name the commit through the linked repository, else by hand; the latter needs no GitHub link."""
    commit, repository = deployment.commit, deployment.repository
    try:
        api.put(path, {"refs": [{"repository": repository, "commit": commit}]}, scope=SCOPE)
    except SentryApiError as error:
        if error.status != 400:
            raise
    else:
        return f"commits of {repository} up to {commit}"
    named = {"id": commit, "repository": (repository or "")[:64]}
    named |= {"message": deployment.message} if deployment.message else {}
    named |= {"author_name": deployment.author[:128]} if deployment.author else {}
    api.put(path, {"commits": [named]}, scope=SCOPE)
    return f"commit {commit} alone ({repository} is not linked to Sentry)"
