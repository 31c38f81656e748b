"""What only the command line needs: organization, project, token and address of Sentry's web API.

Kept apart from the settings of the running service, which must start without any of these.
"""

import ipaddress
import os
from collections.abc import Mapping
from urllib.parse import urlsplit

from pydantic import Field, SecretStr, field_validator
from pydantic_settings import BaseSettings, SettingsConfigDict

from ..validation import clean_text

SAAS_URL = "https://sentry.io"
COMMAND = f"python -m {(__package__ or 'observability').removesuffix('.ops')}"
"""How people start the command line; right in a copy of the module under another name, too."""


class OpsConfigError(ValueError):
    """A variable that a command needs is missing or wrong; the message says which, and how it should look."""


class OpsSettings(BaseSettings):
    """SENTRY_ORG, SENTRY_PROJECT, SENTRY_AUTH_TOKEN and SENTRY_URL, the names that Sentry's own tools use."""

    model_config = SettingsConfigDict(env_prefix="SENTRY_", frozen=True, extra="ignore")

    org: str | None = Field(default=None, description="Slug of the Sentry organization.")
    project: str | None = Field(default=None, description="Slug of the Sentry project.")
    auth_token: SecretStr | None = Field(default=None, description="Token for Sentry's web API.")
    url: str | None = Field(
        default=None, description="Address of Sentry; by default the one the DSN belongs to."
    )

    @field_validator("org", "project", "auth_token", "url", mode="before")
    @classmethod
    def _repair(cls, value: object) -> object:
        return (clean_text(value) or None) if isinstance(value, str) else value

    def missing(self) -> list[str]:
        """Name the variables that a call to the web API needs and that are not set."""
        needed = {
            "SENTRY_ORG": self.org,
            "SENTRY_PROJECT": self.project,
            "SENTRY_AUTH_TOKEN": self.auth_token,
        }
        return [name for name, value in needed.items() if not value]

    def api_url(self, dsn: str | None = None) -> str:
        """Return the web API's origin: SENTRY_URL, else the one that `dsn` points to, else sentry.io.

        Raises:
            OpsConfigError: SENTRY_URL is no http(s) origin, or would send the token in clear text.
        """
        origin = (self.url or origin_of_dsn(dsn) or SAAS_URL).rstrip("/")
        parts = urlsplit(origin)
        if parts.scheme not in ("http", "https") or not parts.hostname or parts.query or parts.username:
            raise OpsConfigError(
                "SENTRY_URL must be an address such as https://sentry.io or https://de.sentry.io."
            )
        if parts.scheme == "http" and not is_loopback(parts.hostname):
            raise OpsConfigError(
                "SENTRY_URL must start with https://, else the token would travel in clear text "
                f"(only loopback addresses may use http, {parts.hostname} is none)."
            )
        return origin


def origin_of_dsn(dsn: str | None) -> str | None:
    """Return the origin of the web API that belongs to a DSN; None for no DSN.

    Sentry's cloud receives events at `o<org>.ingest[.<region>].sentry.io` and answers the API at
    `[<region>.]sentry.io`.
    """
    if not dsn:
        return None
    try:
        parts = urlsplit(dsn)
        host, port = parts.hostname, parts.port
    except ValueError:
        return None
    if not host or parts.scheme not in ("http", "https"):
        return None
    if host == "sentry.io" or host.endswith(".sentry.io"):
        region = host.partition(".ingest.")[2].removesuffix("sentry.io").strip(".")
        # The `us` region is served by sentry.io itself as well, under which the organization's links work.
        return f"https://{region}.sentry.io" if region and region != "us" else SAAS_URL
    netloc = f"[{host}]" if ":" in host else host
    return f"{parts.scheme}://{netloc}" + (f":{port}" if port else "")


def is_loopback(host: str) -> bool:
    """Say whether `host` names this machine."""
    if host == "localhost" or host.endswith(".localhost"):
        return True
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return False


def variable(name: str, environ: Mapping[str, str] | None = None) -> str | None:
    """Return a variable without outer blanks and quotes; None if it is unset or empty."""
    return clean_text((os.environ if environ is None else environ).get(name, "")) or None
