"""What only the command line needs: organization, project, token and address of Sentry's web API.

Kept apart from the settings of the running service, which must start without any of these.
"""

import ipaddress
import os
import re
from collections.abc import Mapping
from urllib.parse import urlsplit

from pydantic import Field, SecretStr, field_validator
from pydantic_settings import BaseSettings, SettingsConfigDict

from ..validation import check_dsn, check_host, clean_text

SAAS_URL = "https://sentry.io"
_RIGHT_URL = "an address such as https://sentry.io or https://de.sentry.io"
_SLUG = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]*")
_BAD_CHARACTERS = "may hold ASCII letters, digits and signs only, and no blanks. Copy it from Sentry again."
_TOKEN = re.compile(r"[!-~]+")
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

    def faults(self) -> dict[str, str]:
        """Say of each variable that is set and can't work what is wrong with it; never repeats a value."""
        found = dict[str, str]()
        if self.url and (fault := _url_fault(self.url)):
            found["SENTRY_URL"] = fault
        if self.auth_token and not _TOKEN.fullmatch(self.auth_token.get_secret_value()):
            found |= {"SENTRY_AUTH_TOKEN": f"SENTRY_AUTH_TOKEN {_BAD_CHARACTERS}"}
        for name, slug in (("SENTRY_ORG", self.org), ("SENTRY_PROJECT", self.project)):
            if slug and not _SLUG.fullmatch(slug):
                found[name] = (
                    f"{name} is no slug: it may hold letters, digits, '.', '_' and '-' only, as in the address of "
                    "its page at Sentry."
                )
        return found

    def api_url(self, dsn: str | None = None) -> str:
        """Return the web API's origin: SENTRY_URL, else the one that `dsn` points to, else sentry.io.

        Raises:
            OpsConfigError: SENTRY_URL is no http(s) origin, or would send the token in clear text; or it is not
                set and `dsn` is no DSN: the token must not go to sentry.io because of a typing error.
        """
        if self.url:
            if fault := _url_fault(self.url):
                raise OpsConfigError(fault)
            return self.url.rstrip("/")
        if dsn is None:
            return SAAS_URL
        origin = origin_of_dsn(checked_dsn(dsn))
        if origin is None or _is_clear_text(origin):
            raise OpsConfigError(
                "SENTRY_DSN uses http, under which the token would travel in clear text. Set SENTRY_URL to the "
                "address of Sentry that starts with https://."
            )
        return origin


def checked_dsn(dsn: str) -> str:
    """Return the DSN.

    Raises:
        OpsConfigError: It is none.
    """
    try:
        return check_dsn(dsn)
    except ValueError as fault:
        raise OpsConfigError(
            f"SENTRY_DSN {fault}. Copy it from Sentry again: Settings > Client Keys."
        ) from None


def _url_fault(url: str) -> str | None:
    try:
        parts = urlsplit(url)
        host, has_port = parts.hostname or "", parts.port != 0
        check_host(host)
    except ValueError:
        host, has_port = "", False
    if not host or not has_port or parts.scheme not in ("http", "https"):
        return f"SENTRY_URL must be {_RIGHT_URL}."
    if "@" in parts.netloc or parts.query or parts.fragment or not url.isascii():
        return f"SENTRY_URL must be {_RIGHT_URL}: without user, query and '#'."
    if parts.path.strip("/"):
        return f"SENTRY_URL must be {_RIGHT_URL}: drop the path behind the host."
    if _is_clear_text(url):
        return (
            "SENTRY_URL must start with https://, else the token would travel in clear text "
            f"(only loopback addresses may use http, {host} is none)."
        )
    return None


def _is_clear_text(origin: str) -> bool:
    parts = urlsplit(origin)
    return parts.scheme == "http" and not is_loopback(parts.hostname or "")


def origin_of_dsn(dsn: str | None) -> str | None:
    """Return the origin of the web API that belongs to a DSN; None for no DSN.

    Sentry's cloud receives events at `o<org>.ingest[.<region>].sentry.io` and answers the API at
    `[<region>.]sentry.io`.
    """
    if not dsn:
        return None
    try:
        parts = urlsplit(dsn)
        host, port = (parts.hostname or "").removesuffix("."), parts.port
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
