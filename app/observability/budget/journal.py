"""What was counted since the budget file was last saved, on disk, so that a killed process takes no count along.

A line for each occurrence that no event carries: appended in the capturing call, a few microseconds, without a lock.
Each time the file is saved a new journal begins and the old one goes. A process holds a lock on its journals for
life; the system releases it however the process dies, so whoever gets the lock may take the counts over.
"""

import contextlib
import json
import os
import re
import weakref
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any

from .folding import FoldKey, Kind

try:
    import fcntl
except ImportError:  # Windows: without locks nobody could tell the dead from the living
    fcntl = None  # type: ignore[assignment]

NAME = re.compile(r"counts-([0-9a-f]{32})-(\d{9})\.log")
MOST_BYTES = 4 << 20
NONE = 10**9
"""The generation of a state after which nothing is counted in a journal."""
TRIES = 5


class Journal:
    """One generation of a process's counts. `line` is called with the budget's lock held, `write` without it."""

    def __init__(self, folder: Path, holder: str, generation: int) -> None:
        """Make the file and lock it.

        Raises:
            OSError: the disk will not have it, or the system has no locks.
        """
        self.generation = generation
        self.path = folder / f"counts-{holder}-{generation:09d}.log"
        self._keys: set[str] = set()
        self._size = 0
        descriptor = self._descriptor = _make_locked(self.path)
        # Closed with the last reference: a thread that is about to write still has one.
        weakref.finalize(self, os.close, descriptor)

    @property
    def is_used(self) -> bool:
        """Whether anything was counted in it."""
        return self._size > 0

    def line(self, kind: Kind, change: int) -> bytes:
        """Return what to write for a change of a kind's count; the first line of a kind names it."""
        digest = kind.digest or kind.key.digest
        if digest in self._keys and not kind.unpaid:
            return b'["%s",%d]\n' % (digest.encode(), change)
        self._keys.add(digest)
        named = [digest, change, [*kind.key], kind.since, kind.unpaid]
        return json.dumps(named, separators=(",", ":")).encode() + b"\n"

    def write(self, line: bytes) -> None:
        """Append a line; nothing happens if the disk will not have it, or the journal is full."""
        if self._size < MOST_BYTES:
            with contextlib.suppress(OSError):
                os.write(self._descriptor, line)
            self._size += len(line)

    def remove(self) -> None:
        """Remove the file: its counts are safe elsewhere."""
        with contextlib.suppress(OSError):
            self.path.unlink()


class DeadJournals:
    """The journals of one process that has died, held until its counts are safe elsewhere."""

    def __init__(self, holder: str, files: dict[Path, Any]) -> None:
        self.holder = holder
        self._files = files

    def apply_to(self, state: dict[str, Any]) -> None:
        """Add to a saved state what was counted after it."""
        entries = {FoldKey(*entry["key"]).digest: entry for entry in state["kinds"]}
        for path, file in sorted(self._files.items()):
            match = NAME.fullmatch(path.name)
            if match is not None and int(match[2]) >= state.get("journal", 0):
                lines = [_read(line) for line in file.read(MOST_BYTES * 2).splitlines()]
                # Threads overtake one another between the lock and the disk: a name may come after what it names.
                for line in lines:
                    _name(line, entries)
                for line in lines:
                    _apply(line, entries)
        for entry in entries.values():
            entry["pending"] = max(0, int(entry["pending"]))  # for the same reason, only the sum counts
        state["kinds"] = list(entries.values())

    def close(self, *, remove: bool) -> None:
        """Let go of the files."""
        for path, file in self._files.items():
            if remove:
                with contextlib.suppress(OSError):
                    path.unlink()
            file.close()


class Journals:
    """The journals in a folder: our own generations, and those of the dead. For one thread at a time."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._own: list[Journal] = []

    def current(self, holder: str) -> Journal | None:
        """Return a journal in which nothing is counted yet; None if the disk will not have one."""
        if self._own and not self._own[-1].is_used:
            return self._own[-1]
        generation = self._own[-1].generation + 1 if self._own else 1
        try:
            self._own.append(Journal(self._folder, holder, generation))
        except OSError:
            return None
        return self._own[-1]

    def forget_old(self, *, all_of_them: bool = False) -> None:
        """Remove our journals whose counts were saved: all but the current one."""
        kept = [] if all_of_them else self._own[-1:]
        for journal in self._own:
            if journal not in kept:
                journal.remove()
        self._own = kept

    def leave(self) -> None:
        """Let go of our journals, to the next process, or in a forked child to the parent, whose locks stay."""
        self._own = []

    def dead(self, own_holder: str) -> Iterator[DeadJournals]:
        """Yield the journals of processes that have died."""
        by_holder: dict[str, list[Path]] = {}
        with contextlib.suppress(OSError):
            for path in self._folder.iterdir():
                match = NAME.fullmatch(path.name)
                if match is not None and match[1] != own_holder:
                    by_holder.setdefault(match[1], []).append(path)
        for holder, paths in by_holder.items():
            files = _lock_all(paths)
            if files is not None:
                yield DeadJournals(holder, files)


def _make_locked(path: Path) -> int:
    if fcntl is None:
        raise OSError("this system has no file locks")
    for _ in range(TRIES):
        flags = os.O_WRONLY | os.O_CREAT | os.O_APPEND | getattr(os, "O_CLOEXEC", 0)
        descriptor = os.open(path, flags, 0o600)
        with contextlib.suppress(OSError):
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
            # Another process may have taken the new file for a dead one's before we held the lock.
            if path.stat().st_ino == os.fstat(descriptor).st_ino:
                return descriptor
        os.close(descriptor)
    raise OSError(f"no journal could be locked in {path.parent}")


def _lock_all(paths: Iterable[Path]) -> dict[Path, Any] | None:
    """Open all files of a process; None if it lives or somebody else takes it over at this moment."""
    files: dict[Path, Any] = {}
    try:
        for path in paths:
            file = files[path] = path.open("rb")
            fcntl.flock(file.fileno(), fcntl.LOCK_EX | fcntl.LOCK_NB)
    except OSError:
        for file in files.values():
            file.close()
        return None
    return files


def _read(line: bytes) -> list[Any]:
    """Return what a line holds; nothing if it is torn or alien."""
    with contextlib.suppress(ValueError, RecursionError):
        content = json.loads(line)
        if isinstance(content, list):
            return content
    return []


def _name(line: list[Any], entries: dict[str, dict[str, Any]]) -> None:
    """Make the entry of a kind that a line names."""
    with contextlib.suppress(ValueError, TypeError):
        digest, _, key, since, _ = line
        if digest not in entries:
            entries[digest] = new_entry(FoldKey(*map(str, key)), float(since))


def _apply(line: list[Any], entries: dict[str, dict[str, Any]]) -> None:
    """Add one line to the entries of a state; one that is torn or alien is left out."""
    try:
        digest, change, *named = line
        entry = entries[digest]
        entry["pending"] = int(entry["pending"]) + int(change)
        # What waited on disk and was paid for may not have been sent any more: its file tells.
        if change < 0 and not entry.pop("unpaid", None):
            entry["known"] = True
        if named and named[2]:
            entry["unpaid"] = str(named[2])
    except (ValueError, TypeError, KeyError, AttributeError):
        return


def new_entry(key: FoldKey, since: float) -> dict[str, Any]:
    """Return the entry of a kind of which nothing was saved, in the form of `Memory.dump`."""
    return {
        "key": list(key),
        "since": since,
        "event": since,
        "seen": since,
        "pending": 0,
        "reported": 0,
        "known": False,
    }
