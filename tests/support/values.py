"""Values that carry a secret under a telling name, of every kind that applications hand to the SDK."""

import array
import collections
import dataclasses
import enum
import functools
import http.cookies
import inspect
import pwd
import sqlite3
import sys
import types
import urllib.parse
from collections.abc import Callable, Iterator, Mapping
from typing import Any, NamedTuple

import httpx
import pydantic
from sqlalchemy import create_engine, make_url, text
from starlette.datastructures import Headers, MultiDict, QueryParams
from starlette.requests import Request

SECRET = "Zr7" + "qmLw" + "92xK"
URL = f"https://ada:{SECRET}@shop.example/x?token={SECRET}"


class Login(NamedTuple):
    """A tuple whose names are lost where it is taken for any other."""

    user: str
    password: str


class SilentLogin(Login):
    """One that shows itself without its names."""

    def __repr__(self) -> str:
        return f"<{self.user} {self.password}>"


@dataclasses.dataclass
class Account:
    """A dataclass; its text has the names."""

    user: str
    password: str


class Model(pydantic.BaseModel):
    """A model; its text has the names."""

    user: str
    password: str


class Keys(enum.Enum):
    """A member that is no text."""

    API_KEY = SECRET


class TextKeys(enum.StrEnum):
    """A member that is a text, whose name is lost when it is taken for one."""

    API_KEY = SECRET


class Slots:
    """An object without a text of its own."""

    __slots__ = ("password",)

    def __init__(self) -> None:
        self.password = SECRET


class Lookup(Mapping[str, str]):
    """A mapping that is no dictionary."""

    def __getitem__(self, key: str) -> str:
        return {"user": "ada", "password": SECRET}[key]

    def __iter__(self) -> Iterator[str]:
        return iter(("user", "password"))

    def __len__(self) -> int:
        return 2


def row() -> Any:
    """A database row, whose text is that of a tuple."""
    engine = create_engine("sqlite://")
    with engine.connect() as connection:
        found = connection.execute(text("SELECT 'ada' AS user, :it AS password"), {"it": SECRET}).one()
    engine.dispose()
    return found


def sqlite_row() -> Any:
    """A row of the standard library's driver."""
    connection = sqlite3.connect(":memory:")
    connection.row_factory = sqlite3.Row
    found = connection.execute("SELECT 'ada' AS user, ? AS password", (SECRET,)).fetchone()
    connection.close()
    return found


def scope() -> dict[str, Any]:
    """A raw ASGI scope, with a header that no rule knows."""
    return {
        "type": "http",
        "asgi": {"version": "3.0"},
        "path": "/x",
        "query_string": f"token={SECRET}".encode(),
        "headers": [(b"authorization", f"Bearer {SECRET}".encode()), (b"x-own", SECRET.encode())],
    }


def cookies() -> Any:
    """A cookie jar of the standard library."""
    jar = http.cookies.SimpleCookie()
    jar["session"] = SECRET
    return jar


def log_in(user: str, password: str) -> None:
    """A function with a telling parameter."""


VALUES: dict[str, Callable[[], Any]] = {
    "named tuple": lambda: Login("ada", SECRET),
    "named tuple with another text": lambda: SilentLogin("ada", SECRET),
    "named tuple, deep": lambda: {"a": [{"b": Login("ada", SECRET)}]},
    "named tuple, very deep": lambda: {"a": {"b": {"c": {"d": {"e": {"f": [Login("ada", SECRET)]}}}}}},
    "named tuple in a tuple": lambda: (Login("ada", SECRET), 1),
    "named tuple in a set": lambda: {Login("ada", SECRET)},
    "named tuple in a deque": lambda: collections.deque([Login("ada", SECRET)]),
    "named tuple in a dataclass": lambda: Account("ada", Login("ada", SECRET)),  # type: ignore[arg-type]
    "named tuple among values": lambda: {"k": Login("ada", SECRET)}.values(),
    "named tuple in a list of another class": lambda: collections.UserList([Login("ada", SECRET)]),
    "generator": lambda: (each for each in [Login("ada", SECRET)]),
    "structure of the system": lambda: pwd.struct_passwd(("ada", SECRET, 1, 1, "g", "d", "s")),
    "split url": lambda: urllib.parse.urlsplit(URL),
    "parsed url of bytes": lambda: urllib.parse.urlparse(URL.encode()),
    "database url": lambda: make_url(f"postgresql://ada:{SECRET}@db.example/shop"),
    "url of httpx": lambda: httpx.URL(URL),
    "mapping of a row": lambda: row()._mapping,
    "row of sqlite3": sqlite_row,
    "dataclass": lambda: Account("ada", SECRET),
    "model": lambda: Model(user="ada", password=SECRET),
    "member": lambda: Keys.API_KEY,
    "member that is a text": lambda: TextKeys.API_KEY,
    "member that is a text, nested": lambda: {"k": [TextKeys.API_KEY]},
    "namespace": lambda: types.SimpleNamespace(user="ada", password=SECRET),
    "object with slots": Slots,
    "ordered dictionary": lambda: collections.OrderedDict(password=SECRET),
    "default dictionary": lambda: collections.defaultdict(str, password=SECRET),
    "dictionary of a class": lambda: collections.UserDict(password=SECRET),
    "read-only dictionary": lambda: types.MappingProxyType({"password": SECRET}),
    "chain of dictionaries": lambda: collections.ChainMap({"password": SECRET}),
    "items of a dictionary": lambda: {"password": SECRET}.items(),
    "mapping": Lookup,
    "headers": lambda: Headers({"authorization": SECRET, "x-api-key": SECRET}),
    "headers of httpx": lambda: httpx.Headers({"authorization": f"Bearer {SECRET}"}),
    "query": lambda: QueryParams([("token", SECRET), ("token", SECRET)]),
    "form": lambda: MultiDict([("password", SECRET)]),
    "parsed query": lambda: urllib.parse.parse_qs(f"password={SECRET}"),
    "cookies": cookies,
    "bytes": lambda: f"password={SECRET}".encode(),
    "byte array": lambda: bytearray(f"password={SECRET}".encode()),
    "view of bytes": lambda: memoryview(f"password={SECRET}".encode()),
    "array of characters": lambda: array.array(
        "w" if sys.version_info >= (3, 13) else "u", f"password={SECRET}"
    ),
    "pair of bytes": lambda: [(b"authorization", SECRET.encode())],
    "exception": lambda: ValueError(f"password={SECRET}"),
    "exception with two arguments": lambda: KeyError("password", SECRET),
    "partial call": lambda: functools.partial(log_in, "ada", password=SECRET),
    "bound arguments": lambda: inspect.signature(log_in).bind("ada", SECRET),
    "raw scope": scope,
    "request": lambda: Request(scope()),
}
