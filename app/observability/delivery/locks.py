"""A lock on a folder that lasts as long as the process that took it."""

import contextlib
import os
import time
from pathlib import Path
from typing import Self

try:
    import fcntl

    HAS_FLOCK = True
except ImportError:  # Windows
    HAS_FLOCK = False

DEAD_AFTER_S = 600.0
"""Where the system has no such locks: a process that has not shown itself for so long counts as dead."""


class FolderLock:
    """Held through `flock`, which the system releases however the process ends and does not hand to `exec`ed ones.

    Without `flock` (Windows) the lock is the age of a file that `beat` renews.
    """

    NAME = "lock"

    def __init__(self, folder: str, descriptor: int) -> None:
        self.folder = folder
        self._descriptor = descriptor

    @classmethod
    def take(cls, folder: Path) -> Self | None:
        """Lock the folder; None if a living process has it, or if it is gone."""
        path = folder / cls.NAME
        try:
            is_new = not path.exists()
            descriptor = os.open(path, os.O_RDWR | os.O_CREAT | getattr(os, "O_NOFOLLOW", 0), 0o600)
        except OSError:
            return None
        try:
            if not (_flock(descriptor) if HAS_FLOCK else is_new or _has_stopped(path)):
                os.close(descriptor)
                return None
            # Whoever held it before us may have removed the folder between our opening and our locking.
            if HAS_FLOCK and os.fstat(descriptor).st_ino != path.stat().st_ino:
                os.close(descriptor)
                return None
        except OSError:
            os.close(descriptor)
            return None
        lock = cls(str(folder), descriptor)
        lock.beat()
        return lock

    def beat(self) -> None:
        """Show that the holder lives."""
        if not HAS_FLOCK:
            with contextlib.suppress(OSError):
                os.utime(Path(self.folder) / self.NAME)

    def release_and_remove(self) -> None:
        """Release the lock; the folder goes too if nothing else is in it."""
        folder = Path(self.folder)
        with contextlib.suppress(OSError):
            with os.scandir(folder) as entries:
                is_empty = all(entry.name == self.NAME for entry in entries)
            if is_empty:
                (folder / self.NAME).unlink()
                folder.rmdir()
        os.close(self._descriptor)

    def abandon(self) -> None:
        """Close our handle and nothing else: after a fork the lock is the parent's.

        Closing releases a flock only when no other process has the same handle; unlocking would take it from all.
        """
        os.close(self._descriptor)


def _flock(descriptor: int) -> bool:
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    return True


def _has_stopped(path: Path) -> bool:
    return time.time() - path.stat().st_mtime > DEAD_AFTER_S
