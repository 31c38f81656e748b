"""What outlives one payload: the rules, and bounded caches of keys and of short strings that held nothing."""

from collections.abc import Container, Mapping
from typing import Any, Final, NamedTuple

from . import shapes
from .documents import MARKS, document_kinds
from .fields import COLUMN_KEYS, MODES, NAME_KEYS, PAIRED_KEYS, VALUE_KEYS
from .keys import KeyClass, KeyClassifier
from .marker import marker
from .text import Mode, TextScrubber

MAX_CACHED: Final = 8192
MAX_CACHED_CHARS: Final = 120
_MAX_SHAPES: Final = 2048
# Tuples, because a union of types is made anew wherever it stands.
_ROWS: Final = (list, tuple)
BYTES: Final = (bytes, bytearray, memoryview)
_MAX_SHAPE_KEYS: Final = 40
# What a rule may raise on a text it was not made for; the text is replaced then.
LEAF_ERRORS: Final = (
    ArithmeticError,
    LookupError,
    TypeError,
    ValueError,
    RecursionError,
    AttributeError,
)


class KeyInfo(NamedTuple):
    """What a key tells: how it is written in the output, what it promises, and which rules its value needs."""

    name: str
    kind: KeyClass
    mode: Mode
    hits: tuple[str, ...]
    is_plain: bool


class Shape(NamedTuple):
    """What harmless keys ask for: those that may name others or head lists, and if a value or a document is there."""

    names: tuple[str, ...]
    columns: tuple[str, ...]
    has_value: bool
    is_marked: bool = False


_NO_PAIRS: Final = Shape((), (), has_value=False)


class Scan:
    """The rules and the caches of a scrubber. Thread-safe: its sets and dicts are only added to and emptied.

    Attributes:
        keys: keys that were looked at.
        plain: those of them that are harmless and come out as they went in.
        simple: those of the plain ones whose value needs no look at the fields beside it.
        clean: for each mode the strings that held nothing; options are none, since they speak of what follows them.
        fields: the same sets under the names of the fields that have a mode of their own.
    """

    def __init__(self, keys: KeyClassifier, text: TextScrubber) -> None:
        self.classify = keys.classify
        self.text = text
        self.keys: dict[str, KeyInfo] = {}
        self.plain: set[str] = set()
        self.simple: set[str] = set()
        self.clean: tuple[set[str], ...] = tuple(set() for _ in Mode)
        self.fields = {name: self.clean[mode] for name, mode in MODES.items()}
        self._shapes: dict[tuple[str, ...], Shape] = {}
        self._counted = 0

    def keep(self, text: str, mode: Mode) -> None:
        """Remember a string that held nothing, if it is short."""
        if len(text) <= MAX_CACHED_CHARS and "-" not in text[:3]:
            self.clean[mode].add(text)

    def forget(self, text: str) -> None:
        """Keep no string that has to go after all, because of what another field says."""
        for clean in self.clean:
            clean.discard(text)

    def count(self, nodes: int) -> None:
        """Empty the sets of strings that may have grown too large while so many more nodes were looked at."""
        self._counted += nodes
        if self._counted > MAX_CACHED:
            self._counted = 0
            for clean in self.clean:
                if len(clean) > MAX_CACHED:
                    clean.clear()

    def needs_look(
        self,
        value: dict[Any, Any],
        outer: Mode,
        found: dict[str, None],
        path: list[Any],
    ) -> bool:
        """True if a key is telling, or if a field or the kind of the document says what another holds."""
        keys = tuple(value)
        shape = self._shapes.get(keys) or self._shape(keys, found)
        if shape is None or (shape.has_value and outer is not Mode.TEXT):
            return True
        if shape.is_marked and document_kinds(value, path):
            return True
        for column in shape.columns:
            if isinstance(value[column], _ROWS):
                return True
        return bool(shape.names) and self.named_kind(value, shape.names) is not KeyClass.NONE

    def _shape(self, keys: tuple[Any, ...], found: dict[str, None]) -> Shape | None:
        """Look at keys that are new; None if one of them is telling."""
        for key in keys:
            if key not in self.plain and (
                type(key) is not str or not (self.keys.get(key) or self.info(key, found)).is_plain
            ):
                return None
        is_marked = not MARKS.isdisjoint(keys)
        if PAIRED_KEYS.isdisjoint(keys) and not is_marked:
            return _NO_PAIRS
        names = () if VALUE_KEYS.isdisjoint(keys) else tuple(key for key in _name_keys(keys) if key in keys)
        shape = Shape(names, tuple(COLUMN_KEYS.intersection(keys)), "value" in keys, is_marked)
        if len(keys) <= _MAX_SHAPE_KEYS and self.plain.issuperset(keys):
            if len(self._shapes) >= _MAX_SHAPES:
                self._shapes.clear()
            self._shapes[keys] = shape
        return shape

    def named_kind(self, value: Mapping[Any, Any], names: tuple[str, ...] = ()) -> KeyClass:
        """What the field that names the others says about them."""
        for key in names or _name_keys(value):
            named = value.get(key)
            if isinstance(named, _ROWS) and named:
                named = named[-1]
            text = named if type(named) is str else as_text(named)
            kind = KeyClass.NONE if text is None else self.classify(text)
            if kind:
                return kind
        return KeyClass.NONE

    def info(self, key: Any, found: dict[str, None]) -> KeyInfo:
        """Look at a key; what was removed from it because of a name in it is added to `found`."""
        name = key if type(key) is str else key_text(key)
        hits: list[str] = []
        safe = name
        if len(name) >= 6 and not shapes.is_plain(name):
            try:
                safe = self.text.scrub(name, Mode.TEXT, hits, found)
            except LEAF_ERRORS:
                safe = marker("error")
        kinds = [kind for kind in (self.classify(name), self.classify(safe)) if kind]
        kind = min(kinds, default=KeyClass.NONE)
        is_plain = not kind and not hits and safe is name
        info = KeyInfo(safe, kind, MODES.get(name, Mode.TEXT), tuple(hits), is_plain)
        if safe is name and len(name) <= MAX_CACHED_CHARS:
            if len(self.keys) >= MAX_CACHED:
                self.keys.clear()
                self.plain.clear()
                self.simple.clear()
            self.keys[name] = info
            if is_plain:
                self.plain.add(name)
                if name not in PAIRED_KEYS and name not in MARKS:
                    self.simple.add(name)
        return info


def _name_keys(keys: Container[Any]) -> tuple[str, ...]:
    """The keys that may name others; in a JSON patch a path does."""
    return (*NAME_KEYS, "path") if "op" in keys and "path" in keys else NAME_KEYS


def key_text(key: Any) -> str:
    """A key as it is written in the output."""
    text = as_text(key)
    if text is not None:
        return text
    return str(key) if key is None or isinstance(key, int | float | bool) else f"<{type(key).__qualname__}>"


def as_text(value: Any) -> str | None:
    """The text that a string or bytes come out as; None for anything else."""
    if isinstance(value, str):
        return value if type(value) is str else str.__str__(value)
    if isinstance(value, BYTES):
        return bytes(value).decode("utf-8", "replace")
    return None
