"""Walk a payload: decide by key, by place and by value; build a new payload and leave the old one alone."""

import re
from collections.abc import Callable, Mapping
from typing import Any, Final, NamedTuple
from urllib.parse import quote

from .harmless import is_harmless
from .keys import KeyClass, KeyClassifier
from .marker import FILTERED, marker
from .text import Mode, TextScrubber

MAX_DEPTH: Final = 60
MAX_NODES: Final = 20_000
MAX_CHARS: Final = 1_048_576
MAX_TAINTS: Final = 50
_MIN_TAINT_CHARS: Final = 6


class Removal(NamedTuple):
    """Where something was removed and by which rule; never what."""

    path: str
    kind: str


Path = tuple[Any, ...]

_FIELD_MODES: Final = {
    **dict.fromkeys(
        "filename abs_path module function event_id trace_id span_id parent_span_id timestamp start_timestamp release environment "
        "platform level dist sdk modules type debug_meta raw_function package category op origin".split(),
        Mode.IDENTIFIER,
    ),
    **dict.fromkeys(("context_line", "pre_context", "post_context"), Mode.SOURCE),
    **dict.fromkeys(("user-agent", "user_agent", "User-Agent", "user_agent.original", "http.user_agent"), Mode.AGENT),
    **dict.fromkeys(("server_name", "server.address", "net.peer.name", "host.name"), Mode.HOST),
    **dict.fromkeys(("url", "query_string", "http.query", "url.full", "http.url", "url.query"), Mode.URL),
    **dict.fromkeys(("db.statement", "db.query.text"), Mode.SQL),
}
_KEEP_KEYED: Final = frozenset({"module", "function", "filename", "abs_path"})
_NAME_KEYS: Final = ("name", "key", "field", "header", "param", "parameter", "k", "column", "attribute", "variable", "label", "property", "loc", "type", "id")
_VALUE_KEYS: Final = frozenset("value val v input input_value content data text old new old_value new_value default current".split())
_COLUMN_KEYS: Final = frozenset("names name columns column keys key fields field header headers cols attributes params labels parameters arg_names argnames".split())
_QUOTES: Final = re.compile(r"^[bBuUrR]{0,2}([\"'])(.*)\1$", re.DOTALL)
_HEADER_PLACES: Final = frozenset({"cookies"})


class Walk:
    """One scrub of one payload. Not shared between threads; holds what it must not keep only while it runs."""

    def __init__(self, keys: KeyClassifier, text: TextScrubber) -> None:
        self._classify = keys.classify
        self._text = text
        self._memos: list[dict[str, tuple[str, tuple[str, ...]]]] = [{} for _ in Mode]
        self._taints: dict[str, None] = {}
        self._found: dict[str, None] = {}
        self._nodes = 0
        self._chars = 0
        self.removed: list[Removal] = []

    def run(self, payload: Any, place: str) -> Any:
        """Scrub the payload; the second pass removes values found under telling keys from everywhere else."""
        out = self._value(payload, (), Mode.TEXT, KeyClass.NONE)
        for found in self._found:
            self._taint(found)
        if self._taints:
            out = self._remove_taints(out)
        return out

    def _value(self, value: Any, path: Path, mode: Mode, kind: KeyClass) -> Any:
        plain = type(value)
        if plain is str:
            return self._keyed(value, path, mode, kind) if kind else self._string(value, path, mode)
        if value is None or plain is bool:
            return value
        if plain is int or plain is float:
            return self._number(value, path, kind)
        self._nodes += 1
        if self._nodes > MAX_NODES or len(path) > MAX_DEPTH:
            return self._remove(path, "budget")
        if isinstance(value, Mapping):
            return self._dict(value, path, mode, kind)
        if isinstance(value, list | tuple | set | frozenset):
            return self._list(list(value), path, mode, kind)
        if isinstance(value, bytes | bytearray | memoryview):
            decoded = bytes(value).decode("utf-8", "replace")
            return self._keyed(decoded, path, mode, kind) if kind else self._string(decoded, path, mode)
        if isinstance(value, str):
            return self._value(str(value), path, mode, kind)
        if isinstance(value, int | float):
            return self._number(value, path, kind)
        return f"<{type(value).__module__}.{type(value).__qualname__}>"

    def _string(self, text: str, path: Path, mode: Mode) -> str:
        memo = self._memos[mode]
        known = memo.get(text)
        if known is None:
            self._chars += len(text)
            if self._chars > MAX_CHARS:
                return self._remove(path, "budget")
            hits: list[str] = []
            try:
                out = self._text.scrub(text, mode, hits, self._found)
            except (ArithmeticError, LookupError, TypeError, ValueError, RecursionError):
                out, hits = marker("error"), ["error"]
            known = memo[text] = (out, tuple(hits))
        if known[1]:
            name = ".".join(map(str, path))
            self.removed.extend(Removal(name, hit) for hit in dict.fromkeys(known[1]))
        return known[0]

    def _number(self, value: float, path: Path, kind: KeyClass) -> Any:
        if kind is KeyClass.NONE:
            if isinstance(value, int) and value > 10**12:
                text = str(value)
                out = self._string(text, path, Mode.TEXT)
                return value if out == text else out
            return value
        if kind in (KeyClass.WEAK, KeyClass.PLACE) or (kind is KeyClass.PERSONAL and abs(value) < 1000):
            return value
        return self._remove(path, "key")

    def _keyed(self, text: str, path: Path, mode: Mode, kind: KeyClass) -> str:
        bare = text
        quoted = _QUOTES.match(text)
        if quoted:
            bare = quoted.group(2)
        if is_harmless(bare, kind):
            return self._string(text, path, mode)
        self._taint(bare)
        return self._remove(path, "key")

    def _remove(self, path: Path, rule: str) -> str:
        self.removed.append(Removal(".".join(map(str, path)), rule))
        return FILTERED if rule == "key" else marker(rule)

    def _taint(self, bare: str) -> None:
        if _MIN_TAINT_CHARS <= len(bare) <= 4096 and len(self._taints) < MAX_TAINTS:
            self._taints[bare] = None

    def _dict(self, value: Mapping[Any, Any], path: Path, mode: Mode, kind: KeyClass) -> dict[str, Any]:
        out: dict[str, Any] = {}
        siblings = KeyClass.NONE
        if not _VALUE_KEYS.isdisjoint(value):
            siblings = self._sibling_kind(value)
        columns = self._columns(value)
        for key, item in value.items():
            name = key if type(key) is str else str(key)
            self._nodes += 1
            if self._nodes > MAX_NODES:
                out[marker("budget")] = marker("budget")
                break
            own = self._classify(name)
            if kind and (not own or own is KeyClass.WEAK):
                own = kind
            if siblings and name in _VALUE_KEYS:
                own = siblings
            new_mode = _FIELD_MODES.get(name, Mode.TEXT)
            safe = self._key_name(name, path)
            if columns and isinstance(item, list | tuple) and own is KeyClass.NONE:
                out[safe] = self._row(item, columns, (*path, safe), new_mode)
                continue
            out[safe] = self._value(item, (*path, safe), new_mode, own)
        return out

    def _columns(self, value: Mapping[Any, Any]) -> list[KeyClass]:
        """The kinds of a list of names beside which lists of their values stand."""
        lists = [(key, item) for key, item in value.items() if type(item) is list or type(item) is tuple]
        if len(lists) < 2:
            return []
        for key, item in lists:
            if str(key).lower() in _COLUMN_KEYS and all(isinstance(name, str) for name in item):
                kinds = [self._classify(name) for name in item]
                if any(kinds):
                    return kinds
        return []

    def _row(self, items: Any, columns: list[KeyClass], path: Path, mode: Mode) -> list[Any]:
        if items and all(isinstance(item, list | tuple) for item in items):
            return [self._row(item, columns, (*path, i), mode) for i, item in enumerate(items[:MAX_NODES])]
        if len(items) != len(columns):
            return self._list(list(items), path, mode, KeyClass.NONE)
        self._nodes += len(items)
        names = [self._classify(item) if isinstance(item, str) else KeyClass.NONE for item in items]
        if names == columns:
            return self._list(list(items), path, mode, KeyClass.NONE)
        return [self._value(item, (*path, i), mode, columns[i]) for i, item in enumerate(items)]

    def _key_name(self, name: str, path: Path) -> str:
        if len(name) < 6:
            return name
        return self._string(name, path, Mode.TEXT)

    def _sibling_kind(self, value: Mapping[Any, Any]) -> KeyClass:
        for key in _NAME_KEYS:
            named = value.get(key)
            if isinstance(named, list | tuple) and named:
                named = named[-1]
            if isinstance(named, str):
                kind = self._classify(named)
                if kind:
                    return kind
        return KeyClass.NONE

    def _list(self, items: list[Any], path: Path, mode: Mode, kind: KeyClass) -> list[Any]:
        if len(items) == 2 and isinstance(items[0], str | bytes) and not kind:
            name = items[0] if isinstance(items[0], str) else items[0].decode("utf-8", "replace")
            pair = self._classify(name)
            if pair:
                second = items[1]
                if not (isinstance(second, str) and second.isidentifier() and (second.islower() and ("_" in second or self._classify(second)))):
                    return [self._value(items[0], (*path, 0), mode, KeyClass.NONE), self._value(second, (*path, 1), mode, pair)]
        out: list[Any] = []
        flag = KeyClass.NONE
        for i, item in enumerate(items):
            self._nodes += 1
            if self._nodes > MAX_NODES:
                out.append(marker("budget"))
                break
            out.append(self._value(item, (*path, i), mode, kind or flag))
            flag = KeyClass.NONE
            if type(item) is str and item[:3].lstrip("'\"").startswith("-"):
                flag = self._classify(item)
        return out

    def _remove_taints(self, out: Any) -> Any:
        wanted: set[str] = set()
        for taint in self._taints:
            wanted.update((taint, quote(taint), quote(taint, safe="")))
        pattern = re.compile("|".join(re.escape(t) for t in sorted(wanted, key=len, reverse=True)))
        return self._taint_walk(out, (), pattern)

    def _taint_walk(self, value: Any, path: Path, pattern: re.Pattern[str]) -> Any:
        if type(value) is str:
            new = pattern.sub(FILTERED, value)
            if new != value:
                self.removed.append(Removal(".".join(map(str, path)), "taint"))
            return new
        if type(value) is dict:
            return {key: self._taint_walk(item, (*path, key), pattern) for key, item in value.items()}
        if type(value) is list:
            return [self._taint_walk(item, (*path, i), pattern) for i, item in enumerate(value)]
        return value


Scan = Callable[[Any], Any]
