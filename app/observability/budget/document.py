"""A small JSON document on disk that several processes change one after the other.

Written whole, to a new file that then takes the old one's place, so a process killed at any moment leaves the old or
the new document. No fsync: a power cut may leave a torn file, which is set aside when read.
"""

import contextlib
import json
import logging
import os
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

try:
    import fcntl
except ImportError:  # Windows: one process a file
    fcntl = None  # type: ignore[assignment]

logger = logging.getLogger(__name__)

FORMAT = 1
LOCK_WAIT_S = 2.0
LOCK_POLL_S = 0.02
MAX_BYTES = 32 * 1024 * 1024


def make_private(folder: Path) -> None:
    """Make a folder, and those above it that are missing, for this user only.

    Raises:
        OSError: if it cannot be made.
    """
    if not folder.is_dir():
        make_private(folder.parent)
        folder.mkdir(mode=0o700, exist_ok=True)


class Document:
    """A document at `path`; blocks for disk and for other processes, so never used on the request path."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self._lock_path = path.with_name(path.name + ".lock")

    @contextlib.contextmanager
    def locked(self) -> Iterator[None]:
        """Hold the document for ourselves.

        Raises:
            OSError: if the folder cannot be written, or another process holds the document for two seconds.
        """
        make_private(self.path.parent)
        descriptor = os.open(self._lock_path, os.O_RDWR | os.O_CREAT | getattr(os, "O_CLOEXEC", 0), 0o600)
        try:
            self._wait_for(descriptor)
            yield
        finally:
            os.close(descriptor)

    def _wait_for(self, descriptor: int) -> None:
        if fcntl is None:
            return
        deadline = time.monotonic() + LOCK_WAIT_S
        while True:
            try:
                fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except BlockingIOError:
                if time.monotonic() >= deadline:
                    raise
                time.sleep(LOCK_POLL_S)
            else:
                return

    def read(self) -> dict[str, Any]:
        """Return the document; empty if there is none or it is not one of ours, which is then set aside.

        Raises:
            OSError: if it is there and cannot be read.
        """
        try:
            with self.path.open("rb") as file:
                data = file.read(MAX_BYTES + 1)
        except FileNotFoundError:
            return {}
        try:
            content = json.loads(data) if len(data) <= MAX_BYTES else None
        except (ValueError, RecursionError):
            content = None
        if isinstance(content, dict) and content.get("format") == FORMAT:
            return content
        self.set_aside()
        return {}

    def set_aside(self) -> None:
        """Rename the document so that it is kept for a look and no longer read."""
        logger.warning(
            "The budget file is not readable; set aside as %s.bad, starting a new one", self.path.name
        )
        with contextlib.suppress(FileNotFoundError):
            self.path.replace(self.path.with_name(self.path.name + ".bad"))

    def write(self, content: dict[str, Any]) -> None:
        """Put the document in place of the old one.

        Raises:
            OSError: if it cannot be written; the old one is then still there.
        """
        data = json.dumps(content | {"format": FORMAT}, separators=(",", ":"), default=str).encode()
        part = self.path.with_name(f"{self.path.name}.{os.getpid()}.part")
        try:
            descriptor = os.open(part, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600)
            with open(descriptor, "wb") as file:  # noqa: PTH123 - a descriptor, for the mode
                file.write(data)
            part.replace(self.path)
        except OSError:
            with contextlib.suppress(OSError):
                part.unlink()
            raise
