"""The scrubber as its users see it: one object, built once, safe to share between threads."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any, Final

from .keys import KeyClassifier
from .patterns import split_custom
from .scan import Scan
from .text import Mode, TextScrubber
from .walk import Removal, Walk
from .words import words

KINDS: Final = words("event transaction log metric span session check_in feedback breadcrumb headers")


@dataclass(frozen=True, slots=True)
class Scrubbed:
    """A payload that may leave, and where something was taken out of it."""

    payload: Any
    removed: tuple[Removal, ...]


class Scrubber:
    """Remove everything sensitive from payloads.

    Args:
        extra_keys: words or phrases that are sensitive as keys; ``re:...`` is a pattern for values.
        allow_keys: words or phrases that are harmless as keys.

    Raises:
        ValueError: an entry is not usable; the message says why and shows a right one.
    """

    def __init__(self, extra_keys: Iterable[str] = (), allow_keys: Iterable[str] = ()) -> None:
        words, patterns = split_custom(extra_keys)
        allowed, _ = split_custom(allow_keys)
        self._keys = KeyClassifier(words, allowed)
        self._text = TextScrubber(self._keys, patterns)
        self._scan = Scan(self._keys, self._text)

    def scrub(self, payload: Any, kind: str = "event") -> Scrubbed:
        """Return a scrubbed copy; the payload itself is never changed."""
        if kind not in KINDS:
            raise ValueError(f"unknown kind of payload {kind!r}; one of {', '.join(sorted(KINDS))}")
        if kind == "session" and isinstance(payload, Mapping):
            payload = _without_person(payload)
        walk = Walk(self._scan)
        out = walk.run(payload)
        return Scrubbed(out, tuple(dict.fromkeys(walk.removed)) if walk.removed else ())

    def scrub_text(self, text: str) -> str:
        """Return the text without anything sensitive."""
        return self._text.scrub(text, Mode.TEXT, [])


def _without_person(session: Mapping[str, Any]) -> dict[str, Any]:
    """A session without who had it: the SDK takes that from the event as it was before scrubbing."""
    out = {key: value for key, value in session.items() if key != "did"}
    if isinstance(out.get("attrs"), Mapping):
        out["attrs"] = {
            key: value for key, value in out["attrs"].items() if key not in ("ip_address", "user_agent")
        }
    return out


_DEFAULT: Final = Scrubber()


def scrub_event(event: dict[str, Any]) -> dict[str, Any]:
    """Scrub an event with the built-in rules."""
    payload: dict[str, Any] = _DEFAULT.scrub(event).payload
    return payload


def scrub_text(text: str) -> str:
    """Scrub a string with the built-in rules."""
    return _DEFAULT.scrub_text(text)
