import os
import stat
import tempfile
import threading
from collections.abc import Iterator
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from app.observability.delivery import locks
from app.observability.delivery.spool import MOST_SET_ASIDE, Spool
from app.observability.delivery.spoolfile import (
    DamagedFileError,
    SpoolFile,
    decode,
    describe,
    encode,
    file_name,
)

ID = "0123456789abcdef0123456789abcdef"


@pytest.fixture
def root(tmp_path: Path) -> Path:
    return tmp_path / "spool"


@pytest.fixture
def spool(root: Path) -> Iterator[Spool]:
    made = Spool(root, destination="sentry.test/1")
    yield made
    made.close()


def put(spool: Spool, body: bytes = b"{}\n", at: float = 1000.0, category: str = "error") -> SpoolFile:
    return spool.write(body, category=category, event_id=ID, captured_at=at)


def die(spool: Spool) -> None:
    """Leave everything as a killed process does: the system releases the lock."""
    assert spool._lock is not None
    spool._lock.abandon()
    spool._lock = None


@given(st.binary(max_size=2000))
def test_what_is_written_is_read(body: bytes) -> None:
    assert decode(encode(body)) == body


@given(st.binary(min_size=1, max_size=60), st.data())
@settings(max_examples=200)
def test_a_file_with_one_byte_changed_is_never_taken_for_whole(body: bytes, data: st.DataObject) -> None:
    content = bytearray(encode(body))
    place = data.draw(st.integers(0, len(content) - 1))
    content[place] ^= data.draw(st.integers(1, 255))
    with pytest.raises(DamagedFileError):
        decode(bytes(content))


@given(st.binary(max_size=60))
def test_alien_bytes_are_never_taken_for_a_file_of_ours(content: bytes) -> None:
    with pytest.raises(DamagedFileError):
        decode(content)


def test_a_file_torn_at_any_byte_is_set_aside_and_hurts_no_other() -> None:
    body = b'{"event_id":"%s"}\n{"type":"event","length":2}\n{}\n' % ID.encode()
    whole = encode(body)
    for length in range(len(whole)):
        with tempfile.TemporaryDirectory() as folder:
            spool = Spool(Path(folder), destination="x")
            torn, fine = put(spool, body), put(spool, body)
            Path(torn.path).write_bytes(whole[:length])
            die(spool)
            heir = Spool(Path(folder), destination="x")
            adopted = heir.adopt()
            assert len(adopted) == 2
            with pytest.raises(DamagedFileError):
                heir.read(adopted[0])
            assert heir.read(adopted[1]) == body
            assert Path(fine.path).name == Path(adopted[1].path).name
            assert len(list((Path(folder) / "damaged").iterdir())) == 1
            heir.close()


def test_folder_and_files_are_private(spool: Spool, root: Path) -> None:
    old = os.umask(0)
    try:
        file = put(spool)
    finally:
        os.umask(old)
    assert stat.S_IMODE(Path(file.path).stat().st_mode) == 0o600
    assert stat.S_IMODE(Path(file.path).parent.stat().st_mode) == 0o700
    assert stat.S_IMODE(root.stat().st_mode) == 0o700


def test_a_name_tells_category_id_and_time(tmp_path: Path) -> None:
    name = file_name(1234.567, 3, "trace_metric", ID)
    found = describe(tmp_path / name, 5000)
    assert found == SpoolFile(str(tmp_path / name), "trace_metric", ID, 1234.567, 8192)


@pytest.mark.parametrize("event_id", [None, "", "../../etc/passwd", "A" * 32])
def test_an_id_that_could_leave_the_folder_is_replaced(
    event_id: str | None, spool: Spool, root: Path
) -> None:
    file = spool.write(b"", category="error", event_id=event_id, captured_at=1.0)
    assert Path(file.path).is_relative_to(root)
    assert describe(Path(file.path), 0) is not None


def test_the_files_of_a_dead_process_are_adopted_oldest_first(root: Path, spool: Spool) -> None:
    dead = Spool(root, destination="sentry.test/1")
    put(dead, b"late", 2000.0)
    put(dead, b"early", 1000.0)
    die(dead)
    adopted = spool.adopt()
    assert [spool.read(file) for file in adopted] == [b"early", b"late"]
    assert [folder.name for folder in root.iterdir()] == [Path(adopted[0].path).parent.name]


def test_the_files_of_a_living_process_are_left_alone(root: Path, spool: Spool) -> None:
    living = Spool(root, destination="sentry.test/1")
    put(living)
    assert spool.adopt() == []
    assert spool.others_bytes() == 8192 - 4096
    living.close()
    assert len(spool.adopt()) == 1


def test_files_for_another_destination_are_not_adopted_and_go_when_they_are_too_old(
    root: Path, spool: Spool
) -> None:
    other = Spool(root, destination="other.test/1")
    file = put(other)
    die(other)
    assert spool.adopt() == []
    spool.remove_expired(3600)
    assert Path(file.path).exists()
    os.utime(Path(file.path).parent, (0, 0))
    spool.remove_expired(3600)
    assert not Path(file.path).parent.exists()


def test_each_file_is_adopted_by_one_of_many(root: Path) -> None:
    for _ in range(20):
        dead = Spool(root, destination="x")
        put(dead)
        die(dead)
    heirs = [Spool(root, destination="x") for _ in range(4)]
    found: list[SpoolFile] = []
    threads = [threading.Thread(target=lambda heir=heir: found.extend(heir.adopt())) for heir in heirs]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(found) == 20
    assert all(Path(file.path).exists() for file in found)
    for heir in heirs:
        heir.close()


def test_alien_files_are_set_aside_half_written_ones_removed_and_only_a_few_kept(
    root: Path, spool: Spool
) -> None:
    dead = Spool(root, destination="sentry.test/1")
    folder = Path(put(dead).path).parent
    for number in range(MOST_SET_ASIDE + 5):
        (folder / f"notes-{number}.txt").write_text("not ours")
    (folder / f"{file_name(1.0, 9, 'error', ID)}.tmp").write_bytes(b"half")
    die(dead)
    assert len(spool.adopt()) == 1
    assert not folder.exists()
    assert len(list((root / "damaged").iterdir())) == MOST_SET_ASIDE


def test_foreign_files_beside_our_folders_are_never_touched(root: Path, spool: Spool) -> None:
    root.mkdir()
    (root / "app.db").write_text("precious")
    (root / "worker-notes").mkdir()
    spool.adopt()
    spool.remove_expired(0)
    put(spool)
    assert (root / "app.db").read_text() == "precious"
    assert (root / "worker-notes").is_dir()


def test_an_empty_spool_leaves_nothing_behind(root: Path, spool: Spool) -> None:
    file = put(spool)
    spool.remove(file)
    spool.close()
    assert list(root.iterdir()) == []


def test_a_folder_that_was_tidied_away_is_made_again(spool: Spool) -> None:
    first = Path(put(spool).path)
    first.unlink()
    (first.parent / "lock").unlink()
    first.parent.rmdir()
    assert spool.read(put(spool, b"again")) == b"again"


def test_a_write_that_fails_leaves_no_half_file(spool: Spool, monkeypatch: pytest.MonkeyPatch) -> None:
    folder = Path(put(spool).path).parent

    def full(*_: object) -> int:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(os, "write", full)
    with pytest.raises(OSError, match="No space"):
        put(spool)
    assert len(list(folder.iterdir())) == 2


def test_without_locks_of_the_system_a_process_that_shows_itself_is_left_alone(
    root: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(locks, "HAS_FLOCK", False)
    one, other = Spool(root, destination="x"), Spool(root, destination="x")
    file = put(one)
    assert other.adopt() == []
    os.utime(Path(file.path).parent / "lock", (0, 0))
    one.beat()
    assert other.adopt() == []
    os.utime(Path(file.path).parent / "lock", (0, 0))
    assert len(other.adopt()) == 1
    die(one)
    other.close()
