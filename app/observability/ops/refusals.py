"""Words for what Sentry's web API refused: what is wrong, which scope or variable, what to do. Pure."""

from dataclasses import dataclass

import httpx

ORG_TOKENS_START = "sntrys_"
WRONG_HOST = "Is SENTRY_URL the address of Sentry in your region (https://sentry.io, https://de.sentry.io)?"
_STATUS_PAGE = "See https://status.sentry.io."
_ENVIRONMENT_HINT = (
    " Sentry learns an environment from its first event: run `send-test` there, then this again."
)
_OWNERS_HINT = " Each #team must exist at Sentry and have access to the project."
_MAX_DETAIL = 300


@dataclass(frozen=True)
class Refusal:
    """A call that Sentry answered with an error, and what it said about it."""

    status: int
    said: str
    method: str
    path: str
    scope: str
    url: str
    org: str
    project: str
    is_org_token: bool

    def words(self) -> str:
        """Return one message for ops."""
        return self._why() + (f" Sentry says: {self.said}" if self.said else "") + self._hint()

    def _why(self) -> str:
        call, scope = f"{self.method} {self.path}", self.scope
        if self.status == 401 and self.is_org_token:
            return (
                f"Sentry refused an organization token for {call} (401). Such a token serves `release` only; "
                f"make a personal token or an internal integration with the scope {scope}."
            )
        if self.status == 401:
            return (
                "Sentry refused the token (401): mistyped, expired or revoked. Set SENTRY_AUTH_TOKEN to a "
                f"personal token or an internal integration's token with the scope {scope}."
            )
        if self.status == 403:
            return (
                f"The token may not do {call} (403). It needs the scope {scope}, and its owner must have "
                f"access to the project {self.project}."
            )
        if self.status == 404:
            slugs = f"SENTRY_ORG={self.org} and SENTRY_PROJECT={self.project}"
            return (
                f"Sentry knows no {self.path} (404). Check {slugs} (slugs, as in the address of the "
                f"project's page) and the region: this was {self.url}."
            )
        if self.status == 409:
            return f"Someone else changed the same thing at the same time (409, {call}). Run it again."
        if self.status == 429:
            return f"Sentry asks to slow down (429, {call}). Try again in a few minutes."
        if self.status >= 500:
            return f"Sentry has a fault of its own ({self.status}, {call}). {_STATUS_PAGE}"
        if 300 <= self.status < 400:
            return f"Sentry sent {call} elsewhere ({self.status}); the token is not sent there. {WRONG_HOST}"
        return f"Sentry refused {call} ({self.status})."

    def _hint(self) -> str:
        if self.status != 400:
            return ""
        said = self.said.lower()
        return _ENVIRONMENT_HINT if "environment" in said else _OWNERS_HINT if "rule owners" in said else ""


def timed_out(url: str, method: str, path: str) -> str:
    """Word that no answer came; a creation may have happened all the same."""
    again = (
        " It may have been created: run it again, what exists is found by its name."
        if method == "POST"
        else ""
    )
    return f"Sentry at {url} did not answer {method} {path} in time.{again} {_STATUS_PAGE}"


def detail(answer: httpx.Response) -> str:
    """Return what the body of a refusal says, in one short line."""
    try:
        body = answer.json()
    except ValueError:
        return ""
    told = body.get("detail") if isinstance(body, dict) else None
    text = " ".join((told if isinstance(told, str) else str(body)).split())
    return text if len(text) <= _MAX_DETAIL else text[: _MAX_DETAIL - 1] + "…"
