"""DATABASE_URL in every form that people and platforms write, turned into what SQLAlchemy and asyncpg take.

Pure but for the certificate files that the URL names. Fails with `DatabaseUrlError`, whose text names parts
and parameters and never repeats a value: a URL that cannot be read may have its password anywhere.
"""

import ssl
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field

from sqlalchemy.engine import URL, make_url
from sqlalchemy.exc import ArgumentError

EXAMPLE = "postgresql://USER:PASSWORD@HOST:5432/DATABASE"
CONNECT_TIMEOUT_S = 10.0

_DRIVERS = {
    "postgres": "postgresql+asyncpg",
    "postgresql": "postgresql+asyncpg",
    "sqlite": "sqlite+aiosqlite",
}
_SSL_MODES = ("disable", "allow", "prefer", "require", "verify-ca", "verify-full")
_SSL_FLAGS = {"true": "require", "1": "require", "false": "disable", "0": "disable"}
_TLS_FILES = frozenset({"sslrootcert", "sslcert", "sslkey", "sslpassword"})

# libpq knows these and asyncpg would send them to the server as settings, which refuses the connection.
_IGNORED = frozenset(
    {
        "channel_binding",
        "client_encoding",
        "gssencmode",
        "keepalives",
        "keepalives_count",
        "keepalives_idle",
        "keepalives_interval",
        "load_balance_hosts",
        "sslcompression",
        "sslsni",
        "tcp_user_timeout",
    }
)
_SERVER_SETTINGS = {
    "application_name": "application_name",
    "fallback_application_name": "application_name",
    "options": "options",
    "schema": "search_path",
    "search_path": "search_path",
    "statement_timeout": "statement_timeout",
    "timezone": "timezone",
}
_DRIVER_ARGUMENTS: dict[str, tuple[str, Callable[[str], object]]] = {
    "command_timeout": ("command_timeout", float),
    "connect_timeout": ("timeout", float),
    "passfile": ("passfile", str),
    "prepared_statement_cache_size": ("prepared_statement_cache_size", int),
    "statement_cache_size": ("statement_cache_size", int),
    "target_session_attrs": ("target_session_attrs", str),
    "timeout": ("timeout", float),
}
_ADDRESS = frozenset({"host", "port"})


class DatabaseUrlError(ValueError):
    """Says what is wrong with a database URL without repeating any part of it that may be secret."""


@dataclass(frozen=True)
class DatabaseTarget:
    """Where the database is. Its repr shows no password: `URL` hides its own, the arguments are left out."""

    url: URL
    connect_args: Mapping[str, object] = field(default_factory=dict, repr=False)

    @property
    def is_embedded(self) -> bool:
        """Whether the database is a SQLite file or memory of this process, not a server."""
        return self.url.get_backend_name() == "sqlite"


def database_target(text: str) -> DatabaseTarget:
    """Read a database URL; the driver is always the asynchronous one that the service brings.

    Raises:
        DatabaseUrlError: the URL cannot be read, names another kind of database, or has a parameter that
            neither PostgreSQL's own clients nor asyncpg know. Ignoring `ssl_mode=require` would be worse.
    """
    url = _parse(text)
    backend = url.drivername.lower().partition("+")[0]
    driver = _DRIVERS.get(backend)
    if driver is None:
        raise DatabaseUrlError("names a kind of database other than postgresql and sqlite")
    url = url.set(drivername=driver)
    if backend == "sqlite":
        return DatabaseTarget(url)
    return _postgres_target(url)


def _parse(text: str) -> URL:
    if "${{" in text:
        raise DatabaseUrlError("holds a reference that was not replaced; check the name of the service in it")
    try:
        url = make_url(text)
    except (ArgumentError, ValueError):
        raise DatabaseUrlError("cannot be read as a URL") from None
    if "@" in (url.host or ""):
        raise DatabaseUrlError("has an unescaped '@' in user or password; write it as %40")
    return url


def _postgres_target(url: URL) -> DatabaseTarget:
    query = {name: value if isinstance(value, str) else value[-1] for name, value in url.query.items()}
    known = {"ssl", "sslmode", "pgbouncer", "user", "password", "dbname"}
    known |= _TLS_FILES | _IGNORED | _SERVER_SETTINGS.keys() | _DRIVER_ARGUMENTS.keys() | _ADDRESS
    unknown = sorted(query.keys() - known)
    if unknown:
        raise DatabaseUrlError(f"has parameters that are not known: {', '.join(unknown)}")
    # A password in the query would be shown wherever SQLAlchemy prints the URL.
    url = url.set(
        username=url.username or query.get("user"),
        password=url.password or query.get("password"),
        database=url.database or query.get("dbname"),
        # As it was, not the copy: several hosts are several values of one name.
        query={name: value for name, value in url.query.items() if name in _ADDRESS},
    )
    arguments: dict[str, object] = {"timeout": CONNECT_TIMEOUT_S}
    for name, (argument, convert) in _DRIVER_ARGUMENTS.items():
        if name in query:
            try:
                arguments[argument] = convert(query[name])
            except ValueError:
                raise DatabaseUrlError(f"has a {name} that is not a number") from None
    if query.get("pgbouncer", "").lower() in ("true", "1"):
        # A pooler hands each transaction another server connection, where prepared statements are missing.
        arguments |= {"statement_cache_size": 0, "prepared_statement_cache_size": 0}
    server = {_SERVER_SETTINGS[name]: value for name, value in query.items() if name in _SERVER_SETTINGS}
    if server:
        arguments["server_settings"] = server
    arguments |= _tls(query)
    return DatabaseTarget(url, arguments)


def _tls(query: Mapping[str, str]) -> dict[str, object]:
    """Build asyncpg's `ssl` argument; without sslrootcert the system's own certificates are trusted."""
    wanted = query.get("sslmode") or query.get("ssl")
    files = _TLS_FILES & query.keys()
    if wanted is None and not files:
        return {}
    mode = _SSL_FLAGS.get((wanted or "require").lower(), (wanted or "require").lower())
    if mode not in _SSL_MODES:
        raise DatabaseUrlError(f"has an sslmode that is none of {', '.join(_SSL_MODES)}")
    if mode == "disable":
        return {"ssl": False}
    if not mode.startswith("verify") and not files:
        return {"ssl": mode}
    return {"ssl": _context(mode, query)}


def _context(mode: str, query: Mapping[str, str]) -> ssl.SSLContext:
    root = query.get("sslrootcert")
    try:
        context = ssl.create_default_context(cafile=None if root in (None, "system") else root)
        if "sslcert" in query:
            context.load_cert_chain(query["sslcert"], query.get("sslkey"), query.get("sslpassword"))
    except (OSError, ValueError):
        raise DatabaseUrlError("names a certificate file that cannot be used") from None
    context.check_hostname = mode == "verify-full"
    if not mode.startswith("verify") and root is None:
        context.verify_mode = ssl.CERT_NONE
    return context
