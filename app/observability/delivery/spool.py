"""The folder in which envelopes wait on disk, shared by any number of processes.

Each process writes to a folder of its own below the root and holds a lock on it for life; the system releases the
lock when the process dies, however it dies. Whoever gets the lock of another's folder therefore adopts its files.
Files appear by rename, whole or not at all for every reader of a living system; no fsync, so a power cut may tear
one, which reading notices. Every method but `write` may take its time and is called by the sender thread only.
"""

import contextlib
import hashlib
import itertools
import os
import re
import secrets
import stat
import threading
import time
from collections.abc import Iterator
from pathlib import Path

from .locks import FolderLock
from .spoolfile import DamagedFileError, SpoolFile, blocks, decode, describe, encode, file_name

WORKER = re.compile(r"worker-([0-9a-f]{8})-[0-9a-f]{16}")
SET_ASIDE = "damaged"
TEMPORARY = ".tmp"
MOST_SET_ASIDE = 10
MOST_FILE_BYTES = 64 << 20
SHARED_TRIES = 5


class Spool:
    """Files of one process, and those it adopts.

    Args:
        root: made if missing. Only folders that bear our names are touched in it.
        destination: where the envelopes go. Files for another destination are never adopted: a folder may be shared
            by services, and a staging DSN must not get production's events.
    """

    def __init__(self, root: Path, *, destination: str) -> None:
        self.root = root
        self._tag = hashlib.sha256(destination.encode()).hexdigest()[:8]
        self._opening = threading.Lock()
        self._sequence = itertools.count(1)
        self._lock: FolderLock | None = None

    def write(self, body: bytes, *, category: str, event_id: str | None, captured_at: float) -> SpoolFile:
        """Put an envelope on disk; OSError if the disk will not have it. Thread-safe, about 50 us."""
        try:
            return self._write(self._own_folder(), body, category, event_id, captured_at)
        except FileNotFoundError:
            # Somebody tidied the temporary folder away while we lived.
            self._forget_folder()
            return self._write(self._own_folder(), body, category, event_id, captured_at)

    def read(self, file: SpoolFile) -> bytes:
        """Return the envelope of a file.

        Raises:
            DamagedFileError: the file is torn; it has been set aside.
            OSError: it cannot be read, for example because somebody removed it.
        """
        flags = os.O_RDONLY | getattr(os, "O_NOFOLLOW", 0)
        with os.fdopen(os.open(file.path, flags), "rb") as opened:
            content = opened.read(MOST_FILE_BYTES + 1)
        try:
            return decode(content)
        except DamagedFileError:
            self._set_aside(Path(file.path))
            raise

    def remove(self, file: SpoolFile) -> None:
        """Remove a file; no fault if it is gone."""
        with contextlib.suppress(OSError):
            os.unlink(file.path)  # noqa: PTH108 - a Path costs as much again as the call

    def has_leftovers(self) -> bool:
        """Say whether there may be files of other processes to adopt."""
        return any(True for _ in self._foreign_folders())

    def adopt(self) -> list[SpoolFile]:
        """Take over the files of processes that have died, and return them."""
        adopted: list[SpoolFile] = []
        for folder in self._foreign_folders():
            lock = FolderLock.take(folder)
            if lock is None:
                continue
            try:
                adopted += self._empty(folder)
            finally:
                lock.release_and_remove()
        return adopted

    def others_bytes(self) -> int:
        """Return what the folders of other living processes take on disk."""
        total = 0
        for folder in self._foreign_folders():
            with contextlib.suppress(OSError), os.scandir(folder) as entries:
                total += sum(blocks(entry.stat().st_size) for entry in entries)
        return total

    def beat(self) -> None:
        """Show other processes that we live, where the system has no locks for that."""
        if self._lock is not None:
            self._lock.beat()

    def remove_expired(self, max_age_s: float) -> None:
        """Remove the folders for other destinations, and damaged files, that nobody will come back for."""
        now = time.time()
        for folder in self._folders():
            with contextlib.suppress(OSError):
                is_ours = self._is_ours(folder)
                if is_ours or now - folder.stat().st_mtime < max_age_s:
                    continue
                lock = FolderLock.take(folder)
                if lock is not None:
                    for path in _files(folder):
                        path.unlink()
                    lock.release_and_remove()
        for path in _files(self.root / SET_ASIDE):
            with contextlib.suppress(OSError):
                if now - path.stat().st_mtime > max_age_s:
                    path.unlink()

    def close(self) -> None:
        """Let go of the folder. If it is empty it goes; else the next process adopts it."""
        lock, self._lock = self._lock, None
        if lock is not None:
            lock.release_and_remove()

    def start_afresh_in_child(self) -> None:
        """Leave the folder to the parent after a fork, without unlocking it."""
        lock, self._lock = self._lock, None
        self._opening = threading.Lock()
        if lock is not None:
            lock.abandon()

    # the own folder

    def _own_folder(self) -> str:
        lock = self._lock
        if lock is not None:
            return lock.folder
        with self._opening:
            if self._lock is None:
                self._lock = self._make_folder()
            return self._lock.folder

    def _make_folder(self) -> FolderLock:
        self.root.mkdir(mode=0o700, parents=True, exist_ok=True)
        for _ in range(SHARED_TRIES):
            folder = self.root / f"worker-{self._tag}-{secrets.token_hex(8)}"
            folder.mkdir(mode=0o700)
            # Another process may take the new folder for a dead one's before we hold the lock; then we try again.
            lock = FolderLock.take(folder)
            if lock is not None:
                return lock
        raise OSError(f"no folder of our own could be locked in {self.root}")

    def _forget_folder(self) -> None:
        with self._opening:
            lock, self._lock = self._lock, None
        if lock is not None:
            lock.abandon()

    def _write(
        self, folder: str, body: bytes, category: str, event_id: str | None, captured_at: float
    ) -> SpoolFile:
        name = file_name(captured_at, next(self._sequence), category, event_id)
        path, temporary = f"{folder}/{name}", f"{folder}/{name}{TEMPORARY}"
        content = memoryview(encode(body))
        size = len(content)
        descriptor = os.open(temporary, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
        try:
            try:
                while content:
                    content = content[os.write(descriptor, content) :]
            finally:
                os.close(descriptor)
            os.rename(temporary, path)  # noqa: PTH104 - see remove
        except OSError:
            with contextlib.suppress(OSError):
                os.unlink(temporary)  # noqa: PTH108 - see remove
            raise
        event_id = name[-len(".envelope") - 32 : -len(".envelope")]
        return SpoolFile(path, category, event_id, captured_at, blocks(size))

    # the folders of others

    def _empty(self, folder: Path) -> Iterator[SpoolFile]:
        """Move the envelopes of a dead process into our folder; what is none is set aside."""
        own = Path(self._own_folder())
        for path in sorted(_files(folder)):
            with contextlib.suppress(OSError):
                if path.name.endswith(TEMPORARY):
                    path.unlink()
                    continue
                found = describe(own / path.name, path.lstat().st_size)
                if found is None:
                    self._set_aside(path)
                else:
                    path.rename(found.path)
                    yield found

    def _set_aside(self, path: Path) -> None:
        """Keep a damaged file for whoever wants to look at it; only the newest few are kept."""
        aside = self.root / SET_ASIDE
        with contextlib.suppress(OSError):
            aside.mkdir(mode=0o700, exist_ok=True)
            path.rename(aside / f"{path.name[:200]}.bad")
            kept = sorted(_files(aside), key=lambda found: found.lstat().st_mtime)
            for old in kept[:-MOST_SET_ASIDE]:
                old.unlink()

    def _foreign_folders(self) -> Iterator[Path]:
        own = self._lock.folder if self._lock is not None else None
        return (f for f in self._folders() if self._is_ours(f) and str(f) != own)

    def _folders(self) -> list[Path]:
        try:
            with os.scandir(self.root) as entries:
                named = [Path(e.path) for e in entries if WORKER.fullmatch(e.name)]
        except OSError:
            return []
        return [folder for folder in named if _is_private(folder)]

    def _is_ours(self, folder: Path) -> bool:
        match = WORKER.fullmatch(folder.name)
        return match is not None and match[1] == self._tag


def _files(folder: Path) -> list[Path]:
    try:
        with os.scandir(folder) as entries:
            return [Path(e.path) for e in entries if e.name != FolderLock.NAME and not e.is_dir()]
    except OSError:
        return []


def _is_private(folder: Path) -> bool:
    """Say whether it is a folder made by our own user: in a shared place anybody could plant one."""
    try:
        found = folder.lstat()
    except OSError:
        return False
    return stat.S_ISDIR(found.st_mode) and (not hasattr(os, "geteuid") or found.st_uid == os.geteuid())
