"""Every form of DATABASE_URL that people write reaches the driver, and none that fails shows its password."""

import contextlib
import ssl
import traceback
from pathlib import Path
from urllib.parse import quote

import pytest
from hypothesis import given
from hypothesis import strategies as st

from app.database_url import DatabaseUrlError, database_target

PASSWORD = "p%40ss" + "%2Fword%3A%25"
CLEAR = "p@ss" + "/word:%"


@pytest.mark.parametrize(
    "scheme",
    [
        "postgres",
        "postgresql",
        "postgresql+asyncpg",
        "postgresql+psycopg",
        "postgresql+psycopg2",
        "postgresql+pg8000",
        "POSTGRES",
    ],
)
def test_every_spelling_of_the_scheme_means_asyncpg(scheme: str) -> None:
    url = database_target(f"{scheme}://user:{PASSWORD}@db.example:5433/shop").url
    assert url.drivername == "postgresql+asyncpg"
    assert (url.username, url.password, url.host, url.port, url.database) == (
        "user",
        CLEAR,
        "db.example",
        5433,
        "shop",
    )


@pytest.mark.parametrize(
    ("text", "path"),
    [
        ("sqlite:///.data/a.db", ".data/a.db"),
        ("sqlite+aiosqlite:////data/a.db", "/data/a.db"),
        ("sqlite+pysqlite:///a.db", "a.db"),
        ("sqlite://", None),
    ],
)
def test_sqlite_is_embedded_and_asynchronous(text: str, path: str | None) -> None:
    target = database_target(text)
    assert target.is_embedded
    assert (target.url.drivername, target.url.database) == ("sqlite+aiosqlite", path)


@pytest.mark.parametrize(
    ("query", "expected"),
    [
        ("sslmode=require", "require"),
        ("ssl=require", "require"),
        ("ssl=true", "require"),
        ("ssl=0", False),
        ("sslmode=disable", False),
        ("sslmode=prefer", "prefer"),
        ("sslmode=allow", "allow"),
    ],
)
def test_sslmode_becomes_the_drivers_argument(query: str, expected: object) -> None:
    target = database_target(f"postgres://u:p@h/db?{query}")
    assert target.connect_args["ssl"] == expected
    assert not target.url.query


@pytest.mark.parametrize(
    ("query", "verify", "checks_host"),
    [
        ("sslmode=verify-full", ssl.CERT_REQUIRED, True),
        ("sslmode=verify-full&sslrootcert=system", ssl.CERT_REQUIRED, True),
        ("sslmode=verify-ca", ssl.CERT_REQUIRED, False),
        # As libpq does it: who names a root certificate wants it to be used.
        ("sslmode=require&sslrootcert=system", ssl.CERT_REQUIRED, False),
    ],
)
def test_verifying_modes_verify(query: str, verify: ssl.VerifyMode, checks_host: bool) -> None:
    context = database_target(f"postgres://u:p@h/db?{query}").connect_args["ssl"]
    assert isinstance(context, ssl.SSLContext)
    assert (context.verify_mode, context.check_hostname) == (verify, checks_host)


def test_a_certificate_file_that_is_missing_is_a_fault(tmp_path: Path) -> None:
    with pytest.raises(DatabaseUrlError, match="certificate file"):
        database_target(f"postgres://u:p@h/db?sslmode=verify-full&sslrootcert={tmp_path / 'none.crt'}")


def test_without_sslmode_the_driver_decides() -> None:
    assert "ssl" not in database_target("postgres://u:p@h/db").connect_args


def test_what_hosted_databases_append_is_understood() -> None:
    target = database_target(
        "postgresql://u:p@h/db?sslmode=require&channel_binding=require&options=endpoint%3Dep-1"
        "&application_name=shop&connect_timeout=3&keepalives_idle=30&target_session_attrs=read-write"
    )
    assert target.connect_args == {
        "ssl": "require",
        "server_settings": {"options": "endpoint=ep-1", "application_name": "shop"},
        "timeout": 3.0,
        "target_session_attrs": "read-write",
    }


def test_a_pooler_between_turns_prepared_statements_off() -> None:
    arguments = database_target("postgres://u:p@h/db?pgbouncer=true").connect_args
    assert (arguments["statement_cache_size"], arguments["prepared_statement_cache_size"]) == (0, 0)


def test_several_hosts_and_sockets_stay_in_the_query() -> None:
    assert database_target("postgres:///db?host=/run/pg").url.query == {"host": "/run/pg"}
    assert database_target("postgres:///db?host=a:1&host=b:2").url.query == {"host": ("a:1", "b:2")}


def test_user_and_password_in_the_query_move_to_where_they_are_hidden() -> None:
    target = database_target("postgres://h/db?user=u&password=" + "hush-hush")
    assert (target.url.username, target.url.password) == ("u", "hush-hush")
    assert "hush-hush" not in repr(target) + str(target.url)


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        ("pg::user:HUSH@h", "cannot be read"),
        ("HUSH", "cannot be read"),
        ("postgres://user:pass@host:HUSH/db", "cannot be read"),
        ("mysql://user:HUSH@h/db", "another|other than"),
        ("postgres://user:one@HUSH@h/db", "%40"),
        ("${{Postgres.HUSH}}", "reference"),
        ("postgres://u:HUSH@h/db?ssl_mode=require", "ssl_mode"),
        ("postgres://u:HUSH@h/db?sslmode=HUSH", "sslmode"),
        ("postgres://u:p@h/db?connect_timeout=HUSH", "connect_timeout"),
        ("postgres://u:p@h/db?sslrootcert=/HUSH", "certificate"),
    ],
)
def test_a_url_that_cannot_be_used_is_explained_without_its_values(text: str, reason: str) -> None:
    with pytest.raises(DatabaseUrlError, match=reason) as caught:
        database_target(text)
    assert "HUSH" not in str(caught.value)


def test_not_even_a_traceback_shows_a_url_that_cannot_be_read() -> None:
    """Case 96."""
    secret = "hush" + "-hush"
    with pytest.raises(DatabaseUrlError) as caught:
        database_target(f"pg::user:{secret}@host")
    assert secret not in "".join(traceback.format_exception(caught.value))


@given(
    st.sampled_from(["", "postgres://", "postgres://u:p@h/db?", "sqlite:///", "mysql://"]),
    st.text("ab:/@?&=%[]1 \n", max_size=30),
)
def test_any_text_is_a_target_or_an_error_of_our_own(start: str, rest: str) -> None:
    with contextlib.suppress(DatabaseUrlError):
        database_target(start + rest)


@given(st.text(min_size=1, max_size=30), st.text(min_size=1, max_size=30))
def test_percent_encoded_names_and_passwords_arrive_as_they_were(user: str, password: str) -> None:
    text = f"postgres://{quote(user, safe='')}:{quote(password, safe='')}@h/db?sslmode=require"
    url = database_target(text).url
    assert (url.username, url.password) == (user, password)
