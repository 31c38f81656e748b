"""Rules for single settings: repair harmless slips, refuse everything else with a reason.

Pure; imports neither the SDK nor pydantic. Every function takes what the environment or the caller gave and
returns the clean value or raises `ValueError` whose text says what is wrong and never repeats a secret.
"""

import ipaddress
import math
import re
from urllib.parse import urlsplit

MAX_ENVIRONMENT = 64
MAX_RELEASE = 200
_TRUE = frozenset({"true", "1", "yes", "on"})
_FALSE = frozenset({"false", "0", "no", "off"})
_ENVIRONMENT = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]*")
_UNSAFE_IN_NAME = re.compile(r"[^A-Za-z0-9._-]+")
_LABEL = re.compile(r"(?=.{1,63}$)[A-Za-z0-9_]([A-Za-z0-9_-]*[A-Za-z0-9_])?")
_HEADER = re.compile(r"[A-Za-z0-9!#$%&'*+.^_`|~-]+")
_PUBLIC_KEY = re.compile(r"[A-Za-z0-9]+")


def clean_text(value: str) -> str:
    """Remove outer blanks, newlines and one pair of quotes, the slips of copy and paste."""
    text = value.strip()
    if len(text) >= 2 and text[0] == text[-1] and text[0] in "\"'":
        text = text[1:-1].strip()
    return text


def parse_flag(value: object) -> bool:
    """Read true/false, yes/no, on/off, 1/0 in any case; `bool("False")` is never used."""
    if isinstance(value, bool):
        return value
    word = str(value).lower()
    if word in _TRUE:
        return True
    if word in _FALSE:
        return False
    raise ValueError("is neither true nor false")


def parse_rate(value: object) -> float:
    """Read a rate in [0, 1]; `10%` and a decimal comma are understood, anything else is refused.

    The SDK accepts `"10%"`, 10 or nan without a word and then keeps no trace (SDK 2.75
    `is_valid_sample_rate`; contract test `test_sdk_options`).
    """
    if isinstance(value, bool):
        raise ValueError("is a truth value, not a rate")
    text = str(value).replace(" ", "").replace(",", ".")
    percent = text.endswith("%")
    try:
        rate = float(text.removesuffix("%"))
    except ValueError:
        raise ValueError("is not a number") from None
    if percent:
        rate /= 100
    if not math.isfinite(rate) or not 0 <= rate <= 1:
        raise ValueError("must lie between 0 (nothing) and 1 (everything); ten per cent is 0.1 or 10%")
    return rate


def check_host(host: str) -> str:
    """Return the host if it is an address or a name that can be looked up."""
    if ":" in host:
        return str(ipaddress.ip_address(host))
    name = host.removesuffix(".")
    try:
        # What the name is turned into before it is looked up; `xn--` alone is no name, nor is an empty label.
        labels = name.encode("idna").decode("ascii").split(".")
        readable = [label.encode("ascii").decode("idna") for label in labels]
    except UnicodeError:
        raise ValueError("has a host name that can't exist") from None
    if not all(readable) or not all(map(_LABEL.fullmatch, labels)):
        raise ValueError("has a host name that can't exist")
    return host


def check_dsn(dsn: str) -> str:
    """Return the DSN if Sentry's SDK can use it; the reason never contains the key."""
    if "${" in dsn:
        raise ValueError("is a reference that was not resolved; check the name of the referenced variable")
    if any(character.isspace() for character in dsn):
        raise ValueError("contains a blank")
    try:
        parts = urlsplit(dsn)
        port_is_valid = parts.port is None or parts.port > 0
    except ValueError:
        raise ValueError("is not a URL") from None
    if parts.scheme not in {"http", "https"}:
        raise ValueError("is not a DSN: it must start with https:// (or http:// for a server of your own)")
    if not parts.username or not _PUBLIC_KEY.fullmatch(parts.username):
        raise ValueError("has no public key between https:// and @")
    if not parts.hostname or not port_is_valid:
        raise ValueError("has no host after @")
    check_host(parts.hostname)
    project = parts.path.rsplit("/", 1)[-1]
    if not (project.isascii() and project.isdigit()):
        raise ValueError("does not end with a project id, a number")
    return dsn


def check_environment(name: str) -> str:
    """Return the environment if Sentry accepts it and it is a slug (Relay `validate_environment`)."""
    if name.lower() == "none":
        raise ValueError("must not be 'none': Sentry drops that name")
    if len(name) > MAX_ENVIRONMENT:
        raise ValueError(f"is longer than {MAX_ENVIRONMENT} characters")
    if not _ENVIRONMENT.fullmatch(name):
        raise ValueError("may hold letters, digits, '.', '_' and '-' only, and starts with a letter or digit")
    return name


def check_release(name: str) -> str:
    """Return the release if Sentry accepts it (Relay `validate_release`; service limit 200 characters)."""
    if name in {".", ".."} or name.lower() == "latest":
        raise ValueError("must not be '.', '..' or 'latest': Sentry refuses these names")
    if len(name) > MAX_RELEASE:
        raise ValueError(f"is longer than {MAX_RELEASE} characters")
    if "/" in name or "\\" in name or not name.isprintable():
        raise ValueError("must not contain '/', '\\', a tab or a newline: Sentry refuses them")
    return name


def check_header(name: str) -> str:
    """Return the name if HTTP allows it as that of a header (RFC 9110, `token`)."""
    if not _HEADER.fullmatch(name):
        raise ValueError(
            "is not the name of a header: it may hold ASCII letters, digits and '-', no blank and no ':'"
        )
    return name


def check_origin(origin: str) -> str:
    """Return the origin if a browser could send it: scheme, host and perhaps a port."""
    reason = f"has {origin!r}, which is no origin: it is https:// and a host, without path or star"
    try:
        parts = urlsplit(origin)
        host, has_port = parts.hostname or "", parts.port != 0
        check_host(host)
    except ValueError:
        raise ValueError(reason) from None
    is_bare = parts.path in ("", "/") and not parts.query and not parts.fragment and "@" not in parts.netloc
    if (
        parts.scheme not in ("http", "https")
        or not host
        or not has_port
        or not is_bare
        or not origin.isascii()
    ):
        raise ValueError(reason)
    return origin


def check_path(path: str) -> str:
    """Return the path of a page if a request could ask for it."""
    if not path.startswith("/") or "?" in path or "#" in path:
        raise ValueError(f"has {path!r}, which is no path: it starts with / and has no '?' or '#'")
    return path


def slug(text: str, fallback: str) -> str:
    """Turn a platform's free-text name into an environment that Sentry accepts."""
    name = _UNSAFE_IN_NAME.sub("-", text).strip("-._")[:MAX_ENVIRONMENT]
    return fallback if not name or name.lower() == "none" else name
