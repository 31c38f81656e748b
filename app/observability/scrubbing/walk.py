"""Walk a payload: decide by key, by place and by value; build a new payload and leave the old one alone.

Bounded in depth, nodes, characters and time: what is not looked at is not sent. A leaf that makes a rule fail is
replaced by a marker; whatever else goes wrong is the caller's to catch.
"""

import json
import re
import time
from collections.abc import Callable, Iterable, Mapping
from itertools import islice
from typing import Any, Final, NamedTuple
from urllib.parse import quote

from .harmless import is_harmless
from .keys import KeyClass, KeyClassifier
from .marker import FILTERED, marker
from .text import MIN_TAINT_CHARS, Mode, TextScrubber, is_hash, match_plain, match_stamp, taint_pattern
from .words import words

MAX_DEPTH: Final = 60
MAX_NODES: Final = 20_000
MAX_CHARS: Final = 1_048_576
MAX_TAINTS: Final = 50
MAX_SECONDS: Final = 0.2
_MAX_TAINT_CHARS: Final = 4096
_MAX_CACHED: Final = 8192
_MAX_CACHED_CHARS: Final = 120
_MAX_PLANS: Final = 2048
_MAX_PLANNED_KEYS: Final = 40
_MAX_ROUNDS: Final = 4
_CHECK_TIME_EVERY: Final = 64


class Removal(NamedTuple):
    """Where something was removed and by which rule; never what."""

    path: str
    kind: str


class KeyInfo(NamedTuple):
    """What a key tells: how it is written in the output, what it promises, and which rules its value needs."""

    name: str
    kind: KeyClass
    mode: Mode
    hits: tuple[str, ...]
    is_plain: bool


_FIELD_MODES: Final = {
    **dict.fromkeys(
        words(
            "filename abs_path module function event_id trace_id span_id parent_span_id timestamp "
            "start_timestamp release environment "
            "platform level dist sdk modules type debug_meta raw_function package category op origin "
            "sentry.op sentry.origin"
        ),
        Mode.IDENTIFIER,
    ),
    **dict.fromkeys(("context_line", "pre_context", "post_context"), Mode.SOURCE),
    **dict.fromkeys(
        ("user-agent", "user_agent", "User-Agent", "user_agent.original", "http.user_agent"), Mode.AGENT
    ),
    **dict.fromkeys(("server_name", "server.address", "net.peer.name", "host.name"), Mode.HOST),
    **dict.fromkeys(("url", "query_string", "http.query", "url.full", "http.url", "url.query"), Mode.URL),
    **dict.fromkeys(("db.statement", "db.query.text"), Mode.SQL),
}
_STAMPS: Final = words("event_id trace_id span_id parent_span_id timestamp start_timestamp")
_NAME_KEYS: Final = (
    "name", "key", "field", "header", "param", "parameter", "k", "column", "attribute", "variable",
    "label", "property", "loc", "type", "id",
)  # fmt: skip
_VALUE_KEYS: Final = words(
    "value val v input input_value content data text old new old_value new_value default current"
)
_COLUMN_KEYS: Final = words(
    "names name columns column keys key fields field header headers cols attributes params labels "
    "parameters arg_names argnames"
)
_QUOTES: Final = re.compile(r"^[bBuUrR]{0,2}([\"'])(.*)\1$", re.DOTALL)
_MAX_PLAIN_NUMBER: Final = 10**12
_LEAF_ERRORS: Final = (ArithmeticError, LookupError, TypeError, ValueError, RecursionError, AttributeError)
# Members of an enumeration are slow to look up where every leaf passes.
_NONE: Final = KeyClass.NONE
_IDENTIFIER: Final = Mode.IDENTIFIER
_ROWS: Final = (list, tuple)
_Memo = dict[str, str | tuple[str, tuple[str, ...]]]


class Plan(NamedTuple):
    """What the keys of a dict ask for when all of them are harmless: worked out once for each set of keys."""

    fields: tuple[tuple[str, Mode, dict[str, str], bool], ...]
    size: int
    names: tuple[str, ...]
    columns: tuple[str, ...]


_NO_PLAN: Final = Plan((), 0, (), ())


class Scan:
    """What outlives one payload: the rules, and bounded caches of keys and of short strings that held nothing."""

    def __init__(self, keys: KeyClassifier, text: TextScrubber) -> None:
        self.classify = keys.classify
        self.text = text
        self.keys: dict[str, KeyInfo] = {}
        self.clean: list[dict[str, str]] = [{} for _ in Mode]
        self.plans: dict[tuple[Any, ...], Plan] = {}

    def keep(self, text: str, mode: Mode) -> None:
        """Remember a short string that held nothing; an option is none, since it speaks of what follows it."""
        if len(text) <= _MAX_CACHED_CHARS and "-" not in text[:3]:
            clean = self.clean[mode]
            if len(clean) >= _MAX_CACHED:
                clean.clear()
            clean[text] = text


class Walk:
    """One scrub of one payload. Not shared between threads; holds what it must not keep only while it runs."""

    def __init__(self, scan: Scan, clock: Callable[[], float] = time.thread_time) -> None:
        self._scan = scan
        self._classify = scan.classify
        self._memos: list[_Memo] = [{} for _ in Mode]
        self._taints: dict[str, None] = {}
        self._found: dict[str, None] = {}
        self._nodes = 0
        self._chars = 0
        self._scans = 0
        self._clock = clock
        self._deadline = clock() + MAX_SECONDS
        self._path: list[Any] = []
        self.removed: list[Removal] = []

    def run(self, payload: Any, mode: Mode = Mode.TEXT) -> Any:
        """Scrub the payload; a second pass removes values found under telling names from everywhere else."""
        out = self._value(payload, mode, KeyClass.NONE)
        for _ in range(_MAX_ROUNDS):
            for found in self._found:
                self._taint(found)
            clean = self._remove_taints(out) if self._taints else out
            if clean is out or clean == out:
                break
            # A removed value may have been part of a name: look at what the payload says now.
            self._memos = [{} for _ in Mode]
            self._nodes = self._chars = 0
            out = self._value(clean, mode, KeyClass.NONE)
        return out

    def _value(self, value: Any, mode: Mode, kind: KeyClass) -> Any:
        plain = type(value)
        if plain is str:
            return self._keyed(value, mode, kind) if kind else self._string(value, mode)
        if value is None or plain is bool:
            return value
        if plain is int or plain is float:
            return self._number(value, kind) if kind or value > _MAX_PLAIN_NUMBER else value
        if self._nodes > MAX_NODES or len(self._path) > MAX_DEPTH:
            return self._remove("budget")
        if plain is dict or isinstance(value, Mapping):
            return self._dict(value, mode, kind)
        if plain is not list and isinstance(value, tuple) and hasattr(value, "_asdict"):
            return self._dict(value._asdict(), mode, kind)  # the names of its fields tell what they hold
        if plain is list or isinstance(value, list | tuple | set | frozenset):
            return self._list(value if isinstance(value, list | tuple) else list(value), mode, kind)
        if isinstance(value, bytes | bytearray | memoryview):
            return self._value(bytes(value).decode("utf-8", "replace"), mode, kind)
        if isinstance(value, str):
            return self._value(str.__str__(value), mode, kind)
        if isinstance(value, int | float):
            return self._number(value, kind)
        return f"<{plain.__module__}.{plain.__qualname__}>"

    def _string(self, text: str, mode: Mode) -> str:
        if text in self._scan.clean[mode] or (mode is _IDENTIFIER and match_stamp(text)):
            return text
        known = self._memos[mode].get(text)
        if known is None:
            if match_plain(text):
                self._scan.keep(text, mode)
                return text
            known = self._look(text, mode)
        if type(known) is str:
            return known
        name = ".".join(map(str, self._path))
        self.removed.extend(Removal(name, hit) for hit in dict.fromkeys(known[1]))
        return known[0]

    def _look(self, text: str, mode: Mode) -> str | tuple[str, tuple[str, ...]]:
        memo = self._memos[mode]
        if is_hash(text):
            memo[text] = text
            return text
        self._chars += len(text)
        self._scans += 1
        late = self._scans % _CHECK_TIME_EVERY == 0 and self._clock() > self._deadline
        if late:
            self._chars = MAX_CHARS + 1
        known: str | tuple[str, tuple[str, ...]]
        if self._chars > MAX_CHARS:
            return marker("budget"), ("budget",)
        hits: list[str] = []
        try:
            out = self._scan.text.scrub(text, mode, hits, self._found)
        except _LEAF_ERRORS:
            out, hits = marker("error"), ["error"]
        if hits:
            known = out, tuple(hits)
        else:
            known = out
            if out == text:
                self._scan.keep(text, mode)
        memo[text] = known
        return known

    def _number(self, value: float, kind: KeyClass) -> Any:
        if kind is KeyClass.NONE:
            if isinstance(value, int) and value > 10**12:
                text = str(value) if value < 10**30 else marker("number")
                out = self._string(text, Mode.TEXT)
                return value if out == text and value < 10**30 else out
            return value
        if kind in (KeyClass.WEAK, KeyClass.PLACE) or (kind is KeyClass.PERSONAL and -1000 < value < 1000):
            return value
        return self._remove("key")

    def _keyed(self, text: str, mode: Mode, kind: KeyClass) -> str:
        quoted = _QUOTES.match(text)
        bare = quoted.group(2) if quoted else text
        if is_harmless(bare, kind):
            return self._string(text, mode)
        self._taint(bare)
        return self._remove("key")

    def _remove(self, rule: str) -> str:
        self.removed.append(Removal(".".join(map(str, self._path)), rule))
        return FILTERED if rule == "key" else marker(rule)

    def _taint(self, bare: str) -> None:
        if (
            MIN_TAINT_CHARS <= len(bare) <= _MAX_TAINT_CHARS
            and len(self._taints) < MAX_TAINTS
            and not bare.isspace()
        ):
            self._taints[bare] = None

    def _info(self, key: Any) -> KeyInfo:
        name = key if type(key) is str else self._key_text(key)
        mode = _FIELD_MODES.get(name, Mode.TEXT)
        hits: list[str] = []
        safe = name
        if len(name) >= 6 and not match_plain(name):
            try:
                safe = self._scan.text.scrub(name, Mode.TEXT, hits, self._found)
            except _LEAF_ERRORS:
                safe = marker("error")
        kind = self._classify(name) or self._classify(safe)
        info = KeyInfo(
            safe, kind, mode, tuple(hits), not kind and not hits and safe is name and name != "value"
        )
        if safe is name and len(name) <= _MAX_CACHED_CHARS and len(self._scan.keys) < _MAX_CACHED:
            self._scan.keys[name] = info
        return info

    def _key_text(self, key: Any) -> str:
        if isinstance(key, str):
            return str.__str__(key)
        if isinstance(key, bytes):
            return key.decode("utf-8", "replace")
        return (
            str(key) if key is None or isinstance(key, int | float | bool) else f"<{type(key).__qualname__}>"
        )

    def _plan(self, keys: tuple[Any, ...]) -> Plan:
        """Work out what these keys ask for; a plan without fields if one of them is telling or not plain."""
        infos = [self._scan.keys.get(key) or self._info(key) for key in keys if type(key) is str]
        plan = _NO_PLAN
        if len(infos) == len(keys) and all(info.is_plain for info in infos):
            clean = self._scan.clean
            fields = tuple((info.name, info.mode, clean[info.mode], info.name in _STAMPS) for info in infos)
            has_values = not _VALUE_KEYS.isdisjoint(keys)
            names = tuple(key for key in _NAME_KEYS if has_values and key in keys)
            plan = Plan(fields, len(keys), names, tuple(_COLUMN_KEYS.intersection(keys)))
        if len(keys) <= _MAX_PLANNED_KEYS and all(map(self._scan.keys.__contains__, keys)):
            if len(self._scan.plans) >= _MAX_PLANS:
                self._scan.plans.clear()
            self._scan.plans[keys] = plan
        return plan

    def _plain_dict(self, value: dict[Any, Any]) -> dict[str, Any] | None:
        """Scrub a dict without telling keys; None if it needs a closer look."""
        keys = tuple(value)
        plan = self._scan.plans.get(keys) or self._plan(keys)
        if not plan.fields:
            return None
        fields, size, names, columns = plan
        if (names and self._sibling_kind(value, names)) or self._nodes + size > MAX_NODES:
            return None
        for column in columns:
            if isinstance(value[column], _ROWS):
                return None
        self._nodes += size
        out: dict[str, Any] = value.copy()
        path = self._path
        path.append("")
        for (key, mode, clean, is_stamp), item in zip(fields, value.values(), strict=True):
            kind = type(item)
            if kind is str:
                if item in clean or (is_stamp and match_stamp(item)):
                    continue
                path[-1] = key
                out[key] = self._string(item, mode)
            elif kind is dict and len(path) <= MAX_DEPTH:
                path[-1] = key
                out[key] = self._plain_dict(item) or self._telling_dict(item, mode, _NONE)
            elif item is None or kind is bool or (kind is int and item <= _MAX_PLAIN_NUMBER):
                continue
            else:
                path[-1] = key
                out[key] = self._value(item, mode, _NONE)
        path.pop()
        return out

    def _dict(self, value: Mapping[Any, Any], outer: Mode, kind: KeyClass) -> dict[str, Any]:
        if not kind and value and type(value) is dict:
            plain = self._plain_dict(value)
            if plain is not None:
                return plain
        return self._telling_dict(value, outer, kind)

    def _telling_dict(self, value: Mapping[Any, Any], outer: Mode, kind: KeyClass) -> dict[str, Any]:
        out: dict[str, Any] = {}
        siblings = KeyClass.NONE if _VALUE_KEYS.isdisjoint(value) else self._sibling_kind(value, _NAME_KEYS)
        columns = [] if _COLUMN_KEYS.isdisjoint(value) else self._columns(value)
        path = self._path
        path.append("")
        self._nodes += len(value)
        left = MAX_NODES - self._nodes + len(value)
        if left < len(value):
            value = dict(islice(value.items(), max(left, 0)))
            out[marker("budget")] = marker("budget")
            self.removed.append(Removal(".".join(map(str, path[:-1])), "budget"))
        infos = self._scan.keys
        is_special = bool(kind or siblings or columns)
        for key, item in value.items():
            info = infos.get(key) or self._info(key)
            if info[4] and not is_special:
                if item is None or item is True or item is False:
                    out[key] = item
                    continue
                path[-1] = key
                out[key] = self._value(item, info[2], KeyClass.NONE)
                continue
            name, own, mode, hits, _ = info
            path[-1] = name
            if hits:
                self.removed.extend(Removal(".".join(map(str, path)), hit) for hit in dict.fromkeys(hits))
            while name in out:
                name += "+"
            if key == "value":
                mode = outer
            if kind and (not own or own is KeyClass.WEAK) and _inherits(key, kind):
                own = kind
            if siblings and key in _VALUE_KEYS:
                own = siblings
            if columns and not own and isinstance(item, list | tuple):
                out[name] = self._row(item, columns, mode)
            else:
                out[name] = self._value(item, mode, own)
        path.pop()
        return out

    def _sibling_kind(self, value: Mapping[Any, Any], names: tuple[str, ...]) -> KeyClass:
        for key in names:
            named = value.get(key)
            if isinstance(named, list | tuple) and named:
                named = named[-1]
            if isinstance(named, str):
                kind = self._classify(named)
                if kind:
                    return kind
        return KeyClass.NONE

    def _columns(self, value: Mapping[Any, Any]) -> list[KeyClass]:
        """The kinds of a list of names beside which lists of their values stand."""
        for key in _COLUMN_KEYS.intersection(value):
            item = value[key]
            if isinstance(item, list | tuple) and item and all(_is_column(name) for name in item):
                kinds = [self._classify(name) for name in item]
                if any(kinds):
                    return kinds
        return []

    def _row(self, items: Any, columns: list[KeyClass], mode: Mode) -> list[Any]:
        if items and all(isinstance(item, list | tuple) for item in items) and self._nodes < MAX_NODES:
            self._nodes += len(items)
            return [
                self._row(item, columns, mode)
                if len(item) == len(columns)
                else self._list(item, mode, KeyClass.NONE)
                for item in items
            ]
        if len(items) != len(columns):
            return self._list(items, mode, KeyClass.NONE)
        self._nodes += len(items)
        if [self._classify(item) if isinstance(item, str) else KeyClass.NONE for item in items] == columns:
            return self._list(items, mode, KeyClass.NONE)
        return [self._value(item, mode, columns[i]) for i, item in enumerate(items)]

    def _list(self, items: list[Any] | tuple[Any, ...], mode: Mode, kind: KeyClass) -> list[Any]:
        clean = self._scan.clean[mode]
        if not kind and len(items) > 2 and type(items[0]) is str and self._nodes + len(items) <= MAX_NODES:
            if _has_all(clean, items):
                self._nodes += len(items)
                return list(items)
        elif len(items) == 2 and not kind and isinstance(items[0], str | bytes):
            name = self._value(items[0], mode, KeyClass.NONE)
            pair = self._classify(self._key_text(items[0])) or self._classify(name)
            if pair and not self._is_name(items[1]):
                return [name, self._value(items[1], mode, pair)]
        out: list[Any] = []
        flag = _NONE
        path = self._path
        path.append(0)
        self._nodes += len(items)
        left = MAX_NODES - self._nodes + len(items)
        for i, item in enumerate(items):
            if i >= left:
                out.append(marker("budget"))
                self.removed.append(Removal(".".join(map(str, path[:-1])), "budget"))
                break
            if type(item) is str and not kind and not flag:
                if item in clean:
                    out.append(item)
                    continue
                path[-1] = i
                out.append(self._string(item, mode))
                if "-" in item[:3] and item.lstrip("'\"")[:1] == "-":
                    flag = self._classify(item)
                continue
            path[-1] = i
            out.append(self._value(item, mode, kind or flag))
            flag = _NONE
        path.pop()
        return out

    def _is_name(self, second: Any) -> bool:
        if not isinstance(second, str):
            return False
        bare = second.strip("'\"")
        return (
            bare.isidentifier()
            and bare.islower()
            and ("_" in bare or self._classify(bare) is not KeyClass.NONE)
        )

    def _remove_taints(self, out: Any) -> Any:
        wanted: set[str] = set()
        for taint in self._taints:
            wanted.update((taint, quote(taint), quote(taint, safe="")))
            if "\\" not in taint and not taint.isascii():
                wanted.add(ascii(taint)[1:-1])
        seen = json.dumps(out, ensure_ascii=False)
        present = [taint for taint in wanted if json.dumps(taint, ensure_ascii=False)[1:-1] in seen]
        if not present:
            return out
        return self._taint_walk(out, taint_pattern(present))

    def _taint_walk(self, value: Any, pattern: re.Pattern[str]) -> Any:
        if type(value) is str:
            new = pattern.sub(FILTERED, value)
            if new == value:
                return value
            self.removed.append(Removal(".".join(map(str, self._path)), "taint"))
            try:
                return self._scan.text.scrub(new, Mode.TEXT, [])
            except _LEAF_ERRORS:
                return FILTERED
        if type(value) is dict:
            out: dict[str, Any] = {}
            self._path.append("")
            for key, item in value.items():
                name = pattern.sub(FILTERED, key)
                self._path[-1] = name
                safe = (
                    key in _FIELD_MODES
                    and _FIELD_MODES[key] is Mode.IDENTIFIER
                    and type(item) is str
                    and item.isidentifier()
                )
                out[name] = item if safe else self._taint_walk(item, pattern)
            self._path.pop()
            return out
        if type(value) is list:
            rows = []
            self._path.append(0)
            for i, item in enumerate(value):
                self._path[-1] = i
                rows.append(self._taint_walk(item, pattern))
            self._path.pop()
            return rows
        return value


def _has_all(clean: dict[str, str], items: Iterable[Any]) -> bool:
    try:
        return all(map(clean.__contains__, items))
    except TypeError:
        return False


def _is_column(name: Any) -> bool:
    return isinstance(name, str) and not name.startswith("[Filtered")


def _inherits(key: Any, kind: KeyClass) -> bool:
    """True if a field of a container under a telling name holds a piece of the thing, not a fact about it."""
    if kind is not KeyClass.SECRET and kind is not KeyClass.WEAK:
        return key in _VALUE_KEYS
    return not (isinstance(key, str) and key.lower() in _ABOUT)


_ABOUT: Final = words(
    "type kind expires expires_in expires_at created_at updated_at enabled status active scope scopes "
    "count minlength maxlength min max pattern required format description title min_length max_length "
    "version provider algorithm alg issued_at"
)
