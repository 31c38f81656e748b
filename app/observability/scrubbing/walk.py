"""Walk a payload: decide by key, by place and by value; build a new payload and leave the old one alone.

Bounded in depth, nodes, characters and time: what is not looked at is not sent. A leaf that makes a rule fail is
replaced by a marker; whatever else goes wrong is the caller's to catch. Most of a payload is harmless and has been seen
before, so `plain_dict` and `list_` pass over what the caches know and call the rest of the rules for what is left.
"""

import re
import time
from collections.abc import Callable, Mapping
from typing import Any, Final, NamedTuple

from .bounds import MAX_CHARS, MAX_DEPTH, MAX_NODES, MAX_SECONDS
from .fields import MODES
from .harmless import is_harmless
from .keys import KeyClass
from .marker import FILTERED, marker
from .scan import BYTES, LEAF_ERRORS, MAX_CACHED_CHARS, Scan, as_text, key_text
from .shapes import is_hash, is_phrase, is_plain, match_plain, match_stamp
from .taint import Taints
from .telling import header, row, telling_dict
from .text import Mode
from .values import is_sentence
from .words import words

_MAX_ROUNDS: Final = 4
_CHECK_TIME_EVERY: Final = 64
_QUOTES: Final = re.compile(r"^[bBuUrR]{0,2}([\"'])(.*)\1$", re.DOTALL)
_MAX_PLAIN_NUMBER: Final = 10**12
_MAX_NUMBER: Final = 10**30
# Members of an enumeration are slow to look up where every leaf passes.
_NONE: Final = KeyClass.NONE
_TEXT: Final = Mode.TEXT
_IDENTIFIER: Final = Mode.IDENTIFIER
_SQL: Final = Mode.SQL
_MAX_QUICK_CHARS: Final = 1000
_STRINGS: Final = (str, *BYTES)
_MIN_HASH: Final = 20
_MAX_HASH: Final = 66
_ROWS: Final = (list, tuple)
_COMPLAINTS: Final = words("errors error messages violations problems detail invalid_params")
# What these promise is never a plain number.
_ABOUT_TEXT: Final = (KeyClass.WEAK, KeyClass.PLACE, KeyClass.RANDOM)


class Removal(NamedTuple):
    """Where something was removed and by which rule; never what."""

    path: str
    kind: str


class Walk:
    """One scrub of one payload. Not shared between threads; holds what it must not keep only while it runs."""

    def __init__(self, scan: Scan, clock: Callable[[], float] = time.thread_time) -> None:
        self.scan = scan
        self.path: list[Any] = []
        self.nodes = 0
        self.removed: list[Removal] = []
        self.found: dict[str, None] = {}
        self._taints = Taints()
        self._memo: dict[tuple[str, Mode], str | tuple[str, tuple[str, ...]]] = {}
        self._chars = 0
        self._scans = 0
        self._is_plain = scan.text.is_plain
        self._clock = clock
        self._deadline = 0.0

    def run(self, payload: Any) -> Any:
        """Scrub the payload; a second pass removes values found under telling names from everywhere else."""
        out = self.value(payload, _TEXT, _NONE)
        self.scan.count(self.nodes)
        for _ in range(_MAX_ROUNDS):
            for found in self.found:
                self._taints.add(found)
            if not self._taints:
                break
            clean = self._taints.remove(out, self.scan, self.note)
            if clean is out or clean == out:
                break
            # A removed value may have been part of a name: look at what the payload says now.
            self._memo = {}
            self.nodes = self._chars = 0
            out = self.value(clean, _TEXT, _NONE)
        return out

    def note(self, rule: str, path: list[Any] | None = None) -> None:
        """Write down that something was removed here."""
        self.removed.append(Removal(".".join(map(str, self.path if path is None else path)), rule))

    def remove(self, rule: str) -> str:
        """Write down that what stands here is removed; return what stands there instead."""
        self.note(rule)
        return FILTERED if rule == "key" else marker(rule)

    def value(self, value: Any, mode: Mode, kind: KeyClass) -> Any:
        """Scrub anything, found under a key of this kind."""
        plain = type(value)
        if plain is str:
            if kind:
                return self._keyed(value, mode, kind)
            return self._text(value, mode)
        if value is None or plain is bool:
            return value
        if plain is int or plain is float:
            return self._number(value, kind) if kind or value > _MAX_PLAIN_NUMBER else value
        if self.nodes > MAX_NODES or len(self.path) > MAX_DEPTH:
            return self.remove("budget")
        if plain is dict or isinstance(value, Mapping):
            if plain is dict and not kind:
                return self.plain_dict(value, mode)
            return telling_dict(self, value, mode, kind)
        if plain is not list and isinstance(value, tuple) and hasattr(value, "_asdict"):
            # the names of its fields tell what they hold
            return self.value(value._asdict(), mode, kind)
        if plain is list or isinstance(value, list | tuple | set | frozenset):
            return self.list_(value if isinstance(value, list | tuple) else list(value), mode, kind)
        text = as_text(value)
        if text is not None:
            return self.value(text, mode, kind)
        if isinstance(value, int | float):
            return self._number(value, kind)
        return f"<{plain.__module__}.{plain.__qualname__}>"

    def plain_dict(self, value: dict[Any, Any], outer: Mode) -> dict[str, Any]:
        """Scrub a dict that stands under no telling key; one that has such keys is passed on."""
        scan = self.scan
        nodes = self.nodes + len(value)
        if (
            not value.keys() <= scan.simple and scan.needs_look(value, outer, self.found, self.path)
        ) or nodes > MAX_NODES:
            return telling_dict(self, value, outer, _NONE)
        self.nodes = nodes
        out: dict[str, Any] = value.copy()
        text, fields = scan.clean[_TEXT], scan.fields
        path = self.path
        path.append("")
        for key, item in value.items():
            kind = type(item)
            if kind is str:
                clean = fields.get(key, text)
                if item in clean:
                    continue
                plain = match_plain(item)
                if plain and (plain.lastindex != 1 or not is_phrase(item)):
                    if plain.lastindex != 2 and len(item) <= MAX_CACHED_CHARS:
                        clean.add(item)
                    continue
                path[-1] = key
                out[key] = self.string(item, MODES.get(key, _TEXT))
            elif kind is dict and len(path) <= MAX_DEPTH:
                path[-1] = key
                out[key] = self.plain_dict(item, MODES.get(key, _TEXT))
            elif item is None or kind is bool or (kind is int and item <= _MAX_PLAIN_NUMBER):
                continue
            elif kind is list and len(path) <= MAX_DEPTH:
                path[-1] = key
                out[key] = self.list_(item, MODES.get(key, _TEXT), _NONE)
            else:
                path[-1] = key
                out[key] = self.value(item, MODES.get(key, _TEXT), _NONE)
        path.pop()
        return out

    def list_(self, items: list[Any] | tuple[Any, ...], mode: Mode, kind: KeyClass) -> list[Any]:
        """Scrub a list; a list of two may be a name and its value, and an option speaks of what follows it."""
        clean = self.scan.clean[mode]
        path = self.path
        if len(items) == 2 and not kind and isinstance(items[0], _STRINGS):
            pair = self._pair(items[0], items[1], mode)
            if pair:
                return pair
        if len(items) > 1 and not kind and type(items[0]) in _ROWS and type(items[1]) in _ROWS:
            columns = header(self, items)
            if columns:
                return row(self, items, columns, mode)
        out: list[Any] = []
        flag = _NONE
        left = MAX_NODES - self.nodes
        self.nodes += len(items)
        path.append(0)
        for i, item in enumerate(items):
            if i >= left:
                out.append(marker("budget"))
                self.note("budget", path[:-1])
                break
            if kind or flag:
                path[-1] = i
                out.append(self.value(item, mode, kind or flag))
                flag = _NONE
            elif type(item) is str:
                if item not in clean:
                    plain = match_plain(item)
                    if not plain or (plain.lastindex == 1 and is_phrase(item)):
                        path[-1] = i
                        flag = self._flag(item)
                        item = self.string(item, mode)
                    elif plain.lastindex != 2 and len(item) <= MAX_CACHED_CHARS:
                        clean.add(item)
                out.append(item)
            else:
                path[-1] = i
                if type(item) is dict and len(path) <= MAX_DEPTH:
                    out.append(self.plain_dict(item, mode))
                    continue
                text = as_text(item)
                if text is not None:
                    flag = self._flag(text)
                out.append(self.value(item, mode, _NONE))
        path.pop()
        return out

    def _pair(self, first: Any, second: Any, mode: Mode) -> list[Any] | None:
        """A name and its value; None if the first names nothing."""
        text = first if type(first) is str else key_text(first)
        name = text if text in self.scan.clean[mode] else self.value(text, mode, _NONE)
        kind = self.scan.classify(text) or (_NONE if name is text else self.scan.classify(name))
        return [name, self.value(second, mode, kind)] if kind and not self._is_name(second) else None

    def _flag(self, option: str) -> KeyClass:
        """What an option says of the value that follows it in the list."""
        is_option = "-" in option[:3] and option.lstrip("'\"")[:1] == "-"
        return self.scan.classify(option) if is_option else _NONE

    def string(self, text: str, mode: Mode) -> str:
        """Scrub a string that stands under no telling key, is not among the clean ones and not plain."""
        if mode is _IDENTIFIER and match_stamp(text):
            return text
        size = len(text)
        if (
            size <= _MAX_QUICK_CHARS
            and mode is not _SQL
            and self._chars <= MAX_CHARS
            and self._is_plain(text)
        ):
            self._chars += size
            self.scan.keep(text, mode)
            return text
        known = self._memo.get((text, mode)) or self._look(text, mode)
        if type(known) is str:
            return known
        for hit in known[1]:
            self.note(hit)
        return known[0]

    def _text(self, text: str, mode: Mode) -> str:
        return text if text in self.scan.clean[mode] or is_plain(text) else self.string(text, mode)

    def _look(self, text: str, mode: Mode) -> str | tuple[str, tuple[str, ...]]:
        if _MIN_HASH <= len(text) <= _MAX_HASH and is_hash(text):
            return text
        if not self._scans:
            self._deadline = self._clock() + MAX_SECONDS
        self._chars += len(text)
        self._scans += 1
        if self._scans % _CHECK_TIME_EVERY == 0 and self._clock() > self._deadline:
            self._chars = MAX_CHARS + 1
        if self._chars > MAX_CHARS:
            return marker("budget"), ("budget",)
        known: str | tuple[str, tuple[str, ...]]
        hits: list[str] = []
        try:
            known = self.scan.text.scrub(text, mode, hits, self.found)
        except LEAF_ERRORS:
            known, hits = marker("error"), ["error"]
        if hits:
            known = known, tuple(hits)
        elif known == text:
            self.scan.keep(text, mode)
        self._memo[text, mode] = known
        return known

    def _number(self, value: float, kind: KeyClass) -> Any:
        if kind is _NONE:
            if isinstance(value, int) and value > _MAX_PLAIN_NUMBER:
                text = str(value) if value < _MAX_NUMBER else marker("number")
                out = self.value(text, _TEXT, _NONE)
                return value if out == text and value < _MAX_NUMBER else out
            return value
        if kind in _ABOUT_TEXT or (kind is KeyClass.PERSONAL and -1000 < value < 1000):
            return value
        return self.remove("key")

    def _keyed(self, text: str, mode: Mode, kind: KeyClass) -> str:
        quoted = _QUOTES.match(text)
        bare = quoted.group(2) if quoted else text
        if is_harmless(bare, kind) or (" " in bare and self._is_complaint(bare)):
            return self._text(text, mode)
        self._taints.add(bare)
        return self.remove("key")

    def _is_complaint(self, bare: str) -> bool:
        """True for a sentence about a field that was filled in wrong: `{"errors": {"password": ["is required"]}}`."""
        return any(str(key).strip("'").lower() in _COMPLAINTS for key in self.path[-4:-1]) and (
            is_sentence(bare) and not any(char.isdigit() for char in bare)
        )

    def _is_name(self, second: Any) -> bool:
        bare = (as_text(second) or "").strip("'\"")
        return (
            bare.isidentifier()
            and bare.islower()
            and ("_" in bare or self.scan.classify(bare) is not KeyClass.NONE)
        )
