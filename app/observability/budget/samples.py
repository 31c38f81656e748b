"""One scrubbed event of each kind on disk, so that a count outliving its process still looks like its kind.

Written in the background, once for a kind; a few hundred are kept.
"""

import contextlib
import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from .document import make_private

MOST_FILES = 512
MOST_CHARS = 32_768


class Samples:
    """A folder of events by kind. For one thread at a time; blocks for the disk and never raises for want of it."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._known: set[str] | None = None

    def save(self, samples: Mapping[str, Mapping[str, Any]]) -> None:
        """Keep samples by digest; those of kinds that have one already, or that are large, are left out."""
        with contextlib.suppress(OSError, TypeError, ValueError, RecursionError):
            for digest in samples.keys() - self._names():
                self._names().add(digest)
                text = json.dumps(samples[digest], separators=(",", ":"))
                if len(text) <= MOST_CHARS:
                    self._write(digest, text)

    def load(self, digest: str) -> dict[str, Any] | None:
        """Return the sample of a kind; None if there is none that can be read."""
        with contextlib.suppress(OSError, ValueError, RecursionError):
            sample = json.loads(self._path(digest).read_text("utf-8"))
            return sample if isinstance(sample, dict) else None
        return None

    def _path(self, digest: str) -> Path:
        return self._folder / f"{digest}.json"

    def _names(self) -> set[str]:
        """Return whose samples are there, after the oldest were removed if there are too many."""
        if self._known is None:
            make_private(self._folder)
            files = sorted(self._folder.glob("*.json"), key=lambda path: path.stat().st_mtime)
            for path in files[: -MOST_FILES // 2] if len(files) > MOST_FILES else ():
                path.unlink(missing_ok=True)
            self._known = {path.stem for path in self._folder.glob("*.json")}
        return self._known

    def _write(self, digest: str, text: str) -> None:
        if len(self._names()) > MOST_FILES:
            self._known = None
        part = self._path(digest).with_suffix(".part")
        part.touch(mode=0o600)
        part.write_text(text, "utf-8")
        part.replace(self._path(digest))
