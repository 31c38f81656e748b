"""The format of one file in the spool: a line with checksum and length, then the envelope.

The name tells what is needed before reading: when it was captured, its category, the event's id. Version 1.
"""

import re
import uuid
import zlib
from dataclasses import dataclass
from pathlib import Path

MAGIC = b"sentry-spool 1"
SUFFIX = ".envelope"
NAME = re.compile(r"(\d{15})-(\d{6,12})-([a-z_]{1,32})-([0-9a-f]{32})\.envelope")


class DamagedFileError(Exception):
    """A file of the spool is torn, or was not written by us."""


@dataclass(frozen=True, slots=True)
class SpoolFile:
    """One envelope on disk. `disk_bytes` is what it takes there, whole blocks."""

    path: str
    category: str
    event_id: str
    captured_at: float
    disk_bytes: int


def file_name(captured_at: float, sequence: int, category: str, event_id: str | None) -> str:
    """Return a name that sorts by time and that no other process makes."""
    readable_id = event_id if event_id and re.fullmatch("[0-9a-f]{32}", event_id) else uuid.uuid4().hex
    return f"{int(captured_at * 1000):015d}-{sequence:06d}-{category}-{readable_id}{SUFFIX}"


def describe(path: Path, size: int) -> SpoolFile | None:
    """Read a file's name; None if it is not one of ours."""
    match = NAME.fullmatch(path.name)
    if match is None:
        return None
    captured_ms, _, category, event_id = match.groups()
    return SpoolFile(str(path), category, event_id, int(captured_ms) / 1000, blocks(size))


def blocks(size: int) -> int:
    """Round up to the 4 KiB blocks that a file takes on the usual file systems."""
    return -(-size // 4096) * 4096


def encode(body: bytes) -> bytes:
    """Return the content of the file for an envelope."""
    return b"%s %08x %d\n%s" % (MAGIC, zlib.crc32(body), len(body), body)


def decode(content: bytes) -> bytes:
    """Return the envelope of a file; DamagedFileError if one byte is missing, added or changed."""
    line, newline, body = content.partition(b"\n")
    if not newline or line != b"%s %08x %d" % (MAGIC, zlib.crc32(body), len(body)):
        raise DamagedFileError("the checksum does not fit")
    return body
