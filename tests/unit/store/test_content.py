from __future__ import annotations

import errno
import hashlib
import multiprocessing
import os
import time
from collections.abc import Callable
from pathlib import Path

import pytest

from mlctl.errors import AuthError, ConflictError, NotFoundError, UnavailableError
from mlctl.store import content
from mlctl.store.content import ContentStore
from mlctl.store.snapshot import folder_hash


@pytest.fixture
def code(tmp_path: Path) -> Path:
    folder = tmp_path / "code"
    (folder / "src/void").mkdir(parents=True)
    (folder / "src/a.py").write_text("print(1)")
    (folder / "same.py").write_text("print(1)")
    (folder / "run.sh").write_text("#!/bin/sh\n")
    (folder / "run.sh").chmod(0o755)
    (folder / os.fsdecode(b"odd\xff")).write_bytes(b"\0")
    (folder / "nowhere").symlink_to("gone")
    (folder / "linked").symlink_to("src")
    return folder


@pytest.fixture
def contents(tmp_path: Path) -> ContentStore:
    return ContentStore(tmp_path / "content")


def test_a_folder_comes_back_as_it_was(contents: ContentStore, code: Path, tmp_path: Path) -> None:
    snapshot = contents.add_folder(code)
    assert (snapshot.files, snapshot.size, snapshot.warnings) == (5, 35, ())
    assert snapshot.folder_hash == folder_hash(code)
    contents.materialise(snapshot.digest, tmp_path / "out")
    out = tmp_path / "out"
    assert (out / "src/a.py").read_text() == (out / "linked/a.py").read_text() == "print(1)"
    assert (out / os.fsdecode(b"odd\xff")).read_bytes() == b"\0"
    assert (out / "src/void").is_dir()
    assert not (out / "linked").is_symlink()
    assert os.readlink(out / "nowhere") == "gone"
    assert os.access(out / "run.sh", os.X_OK)
    assert not (out / "src/a.py").stat().st_mode & 0o111
    assert (out / "src/a.py").stat().st_mode & 0o200


def test_equal_content_is_stored_once_and_read_only(contents: ContentStore, code: Path, tmp_path: Path) -> None:
    assert contents.add_folder(code).digest == contents.add_folder(code).digest
    stored = list((tmp_path / "content/files").glob("*/*"))
    assert len(stored) == 3
    assert {path.stat().st_mode & 0o777 for path in stored} == {0o444}
    assert list((tmp_path / "content/incoming").iterdir()) == []


def test_a_copy_cannot_change_the_store(contents: ContentStore, code: Path, tmp_path: Path) -> None:
    digest = contents.add_folder(code).digest
    contents.materialise(digest, tmp_path / "out")
    (tmp_path / "out/src/a.py").write_text("changed")
    assert contents.verify() == []
    contents.materialise(digest, tmp_path / "again")
    assert (tmp_path / "again/src/a.py").read_text() == "print(1)"


def test_links_are_made_for_readers_only(contents: ContentStore, code: Path, tmp_path: Path) -> None:
    contents.materialise(contents.add_folder(code).digest, tmp_path / "out", link=True)
    assert (tmp_path / "out/src/a.py").stat().st_nlink == 4
    assert (tmp_path / "out/run.sh").stat().st_nlink == 1
    assert os.access(tmp_path / "out/run.sh", os.X_OK)


def test_large_files_are_streamed(contents: ContentStore, tmp_path: Path) -> None:
    big = tmp_path / "big"
    big.write_bytes(os.urandom(1000) * 3000)
    digest = contents.put_file(big)
    assert digest == hashlib.sha256(big.read_bytes()).hexdigest()
    assert contents.put_file(big) == digest
    assert contents.has(digest)
    assert contents.verify() == []


def test_an_unchanged_folder_is_not_read_again(
    contents: ContentStore, code: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    _settle(monkeypatch)
    read: list[str] = []
    put_file = ContentStore.put_file
    monkeypatch.setattr(ContentStore, "put_file", lambda self, path: read.append(path.name) or put_file(self, path))
    monkeypatch.setattr(content, "hash_entries", lambda _: read.append("folder hash") or "hash")
    first = contents.add_folder(code)
    assert len(read) == 6
    assert contents.add_folder(code) == first
    assert len(read) == 6
    (code / "src/a.py").write_text("print(2)")
    assert contents.add_folder(code).digest != first.digest
    assert sorted(read[6:]) == ["a.py", "a.py", "folder hash"]  # it is there twice, once through the link


def test_a_change_within_the_time_stamps_grain_is_seen(contents: ContentStore, code: Path) -> None:
    first = contents.add_folder(code)
    before = (code / "same.py").stat()
    (code / "same.py").write_text("print(9)")
    os.utime(code / "same.py", ns=(before.st_atime_ns, before.st_mtime_ns))
    assert contents.add_folder(code).digest != first.digest


def test_a_lost_file_is_stored_anew(
    contents: ContentStore, code: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    _settle(monkeypatch)
    digest = contents.add_folder(code).digest
    stored = contents.put_file(code / "src/a.py")
    place = tmp_path / "content/files" / stored[:2] / stored[2:]
    place.chmod(0o644)
    place.write_text("")
    assert contents.verify() == sorted([stored, digest])
    with pytest.raises(UnavailableError, match=f"{stored}.*damaged"):
        contents.materialise(digest, tmp_path / "out")
    contents.add_folder(code)
    assert contents.verify() == []


def test_a_damaged_tree_is_noticed(contents: ContentStore, code: Path, tmp_path: Path) -> None:
    digest = contents.add_folder(code).digest
    (place,) = (tmp_path / "content/trees").glob("*/*")
    place.chmod(0o644)
    place.write_text('[{"path": "../../evil", "kind": "link", "target": "x"}]')
    assert contents.verify() == [digest]
    with pytest.raises(UnavailableError, match="damaged"):
        contents.materialise(digest, tmp_path / "out")


def test_what_is_not_there_or_in_the_way_is_named(contents: ContentStore, code: Path, tmp_path: Path) -> None:
    with pytest.raises(NotFoundError, match="no snapshot abc"):
        contents.materialise("abc", tmp_path / "out")
    assert not contents.has("abc")
    digest = contents.add_folder(code).digest
    contents.materialise(digest, tmp_path / "out")
    with pytest.raises(ConflictError, match="is there already"):
        contents.materialise(digest, tmp_path / "out")


def test_a_full_disk_leaves_nothing_half(
    contents: ContentStore, code: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def full(path: Path, place: Path) -> None:
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr(content, "_move", full)
    with pytest.raises(UnavailableError, match="is full; nothing was half-written"):
        contents.add_folder(code)
    assert [path for path in (tmp_path / "content").rglob("*") if path.is_file()] == []


def test_modes_that_forbid_it_are_named(
    contents: ContentStore, code: Path, tmp_path: Path, run_unprivileged: Callable[..., object]
) -> None:
    (tmp_path / "content").mkdir(mode=0o555)
    error = run_unprivileged(tmp_path, contents.add_folder, code)
    assert error == (AuthError.code, f"no permission to write {tmp_path / 'content/incoming'}")
    (code / "run.sh").chmod(0)
    error = run_unprivileged(tmp_path, contents.put_file, code / "run.sh")
    assert error == (AuthError.code, f"no permission to read {code / 'run.sh'}")


def test_many_processes_may_add_at_once(contents: ContentStore, code: Path) -> None:
    for number in range(40):
        (code / f"f{number}").write_text(str(number) * 1000)
    context = multiprocessing.get_context("fork")
    processes = [context.Process(target=contents.add_folder, args=(code,)) for _ in range(8)]
    for process in processes:
        process.start()
    for process in processes:
        process.join()
    assert [process.exitcode for process in processes] == [0] * 8
    assert contents.verify() == []


def _settle(monkeypatch: pytest.MonkeyPatch) -> None:
    """Let time be ten seconds later, so that the files of the test are not fresh any more."""
    now = time.time_ns
    monkeypatch.setattr(content.time, "time_ns", lambda: now() + 10_000_000_000)
