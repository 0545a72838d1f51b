from __future__ import annotations

import errno
import hashlib
import json
import multiprocessing
import os
import time
from collections.abc import Callable
from pathlib import Path

import pytest

from mlctl.errors import AuthError, ConflictError, NotFoundError, UnavailableError, UsageError
from mlctl.store import content, shelves
from mlctl.store.content import ContentStore
from mlctl.store.shelves import Shelves
from mlctl.store.snapshot import folder_hash
from mlctl.store.stamps import Stamps
from mlctl.store.trees import StoredEntry


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
    put_file = Shelves.put_file
    monkeypatch.setattr(
        Shelves, "put_file", lambda self, path, **more: read.append(path.name) or put_file(self, path, **more)
    )
    monkeypatch.setattr(content, "hash_entries", lambda _: read.append("folder hash") or "hash")
    first = contents.add_folder(code)
    assert len(read) == 6
    assert contents.add_folder(code) == first
    assert len(read) == 6
    (code / "src/a.py").write_text("print(2)")
    assert contents.add_folder(code).digest != first.digest
    assert sorted(read[6:]) == ["a.py", "a.py", "folder hash"]  # it is there twice, once through the link


def test_a_file_that_is_written_to_while_it_is_read_is_told(contents: ContentStore, code: Path) -> None:
    (code / "nowhere").unlink()

    def write(_done: int, _total: int) -> None:
        (code / "src/a.py").write_text("print(1) # more")

    told = contents.add_tree(code, progress=write).warnings
    assert "src/a.py was written to while it was read: what is stored may be half old and half new" in told
    assert not any("while it was read" in text for text in contents.add_tree(code).warnings)


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

    monkeypatch.setattr(shelves, "_move", full)
    with pytest.raises(UnavailableError, match="is full; nothing was half-written"):
        contents.add_folder(code)
    assert [path.name for path in (tmp_path / "content").rglob("*") if path.is_file()] == ["lock"]


def test_modes_that_forbid_it_are_named(
    contents: ContentStore, code: Path, tmp_path: Path, run_unprivileged: Callable[..., object]
) -> None:
    (tmp_path / "content").mkdir(mode=0o555)
    error = run_unprivileged(tmp_path, contents.add_folder, code)
    assert error == (AuthError.code, f"no permission to write {tmp_path / 'content/lock'}")
    (tmp_path / "content").chmod(0o777)
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


def test_an_asset_is_stored_without_modes_and_read_once(contents: ContentStore, code: Path, tmp_path: Path) -> None:
    (code / "nowhere").unlink()
    first = contents.add_tree(code)
    assert (first.files, first.size, first.folder_hash, first.warnings) == (5, 35, "", ())
    (code / "src/a.py").chmod(0o755)
    assert contents.add_tree(code).digest == first.digest
    contents.materialise(first.digest, tmp_path / "out")
    assert not os.access(tmp_path / "out/run.sh", os.X_OK) or os.getuid() == 0
    assert (tmp_path / "out/run.sh").stat().st_mode & 0o111 == 0


def test_an_asset_may_be_one_file(contents: ContentStore, code: Path, tmp_path: Path) -> None:
    snapshot = contents.add_tree(code / "same.py")
    assert [(entry.path, entry.size) for entry in contents.entries(snapshot.digest)] == [("same.py", 8)]


def test_the_ignore_file_of_the_root_applies_to_assets(contents: ContentStore, code: Path) -> None:
    (code / ".gitignore").write_text("*.py\nnowhere\n")
    (code / ".git").mkdir()
    snapshot = contents.add_tree(code)
    paths = {entry.path for entry in contents.entries(snapshot.digest)}
    assert paths == {".gitignore", "run.sh", os.fsdecode(b"odd\xff"), "src/void", "linked/void"}
    assert snapshot.warnings == (f"{code}/.git was left out",)


def test_links_that_lead_out_are_told_or_refused(contents: ContentStore, code: Path, tmp_path: Path) -> None:
    (code / "nowhere").unlink()
    (tmp_path / "elsewhere").mkdir()
    (tmp_path / "elsewhere/secret").write_text("s")
    (code / "away").symlink_to("../elsewhere")
    snapshot = contents.add_tree(code)
    assert snapshot.warnings == (
        f"links lead out of {code}; what they point to was taken: away -> {tmp_path}/elsewhere",
    )
    assert "away/secret" in {entry.path for entry in contents.entries(snapshot.digest)}
    with pytest.raises(UsageError, match=f"the link away leads out of the folder, to {tmp_path}/elsewhere"):
        contents.add_tree(code, may_leave=False)


def test_what_an_asset_cannot_hold_is_refused(contents: ContentStore, code: Path, tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="the link nowhere points to gone, which is not there"):
        contents.add_tree(code)
    (code / "nowhere").unlink()
    os.mkfifo(code / "pipe")
    with pytest.raises(UsageError, match="pipe is not a file but a named pipe"):
        contents.add_tree(code)
    (tmp_path / "empty/below").mkdir(parents=True)
    with pytest.raises(UsageError, match="holds no file"):
        contents.add_tree(tmp_path / "empty")
    with pytest.raises(UsageError, match="null is not a file but a device"):
        contents.add_tree(Path("/dev/null"))
    with pytest.raises(NotFoundError, match="no folder"):
        contents.add_tree(tmp_path / "missing")


def test_large_files_are_read_once_by_several_threads(contents: ContentStore, tmp_path: Path) -> None:
    folder = tmp_path / "large"
    folder.mkdir()
    for number in range(3):
        (folder / str(number)).write_bytes(os.urandom(1024) * (24 * 1024))
    told: list[tuple[int, int]] = []
    before = _bytes_read()
    snapshot = contents.add_tree(folder, progress=lambda done, total: told.append((done, total)))
    total = 3 * 24 * 1024**2
    assert snapshot.size == total
    assert total <= _bytes_read() - before < total * 1.05
    assert told[-1] == (total, total)
    assert told == sorted(told)
    # just written: only reading them again tells that they are the same, and nothing is written for that
    before = _bytes_read()
    written = (tmp_path / "content/files").stat().st_mtime_ns
    assert contents.add_tree(folder).digest == snapshot.digest
    assert _bytes_read() - before < total * 1.05
    assert (tmp_path / "content/files").stat().st_mtime_ns == written
    assert contents.verify() == []


def test_a_settled_asset_is_not_read_again(
    contents: ContentStore, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    _settle(monkeypatch)
    (tmp_path / "large").write_bytes(os.urandom(8 * 1024**2))
    first = contents.add_tree(tmp_path / "large")
    before = _bytes_read()
    told: list[int] = []
    assert contents.add_tree(tmp_path / "large", progress=lambda done, _: told.append(done)) == first
    assert _bytes_read() - before < 100_000
    assert told == [8 * 1024**2]


def test_an_interrupted_add_ends_soon_and_leaves_nothing(contents: ContentStore, tmp_path: Path) -> None:
    folder = tmp_path / "large"
    folder.mkdir()
    for number in range(4):
        (folder / str(number)).write_bytes(bytes([number]) * 24 * 1024**2)

    def interrupt(done: int, _: int) -> None:
        if done > 8 * 1024**2:
            raise KeyboardInterrupt

    before = _bytes_read()
    with pytest.raises(KeyboardInterrupt):
        contents.add_tree(folder, progress=interrupt)
    assert _bytes_read() - before < 80 * 1024**2
    assert list((tmp_path / "content/incoming").iterdir()) == []
    assert contents.add_tree(folder).size == 96 * 1024**2


@pytest.mark.parametrize(
    "entries",
    [
        [{"path": "../evil", "kind": "folder"}],
        [{"path": "/evil", "kind": "folder"}],
        [{"path": "a/./b", "kind": "folder"}],
        [{"path": "", "kind": "folder"}],
        [{"path": "out", "kind": "link", "target": "/tmp"}, {"path": "out/x", "kind": "folder"}],
        [{"path": "x", "kind": "file", "digest": "../../../etc/passwd", "size": 1}],
        [{"path": "x", "kind": "device"}],
        [{"path": "x", "kind": "folder", "more": 1}],
    ],
)
def test_a_tree_from_elsewhere_that_leads_out_is_refused(
    contents: ContentStore, tmp_path: Path, entries: list[dict[str, object]]
) -> None:
    digest = contents.shelves.put_bytes(json.dumps(entries).encode(), "trees")
    with pytest.raises(UnavailableError, match="is refused"):
        contents.materialise(digest, tmp_path / "out")
    assert not (tmp_path / "out").exists()


def test_a_tree_from_elsewhere_needs_its_files(contents: ContentStore, code: Path) -> None:
    file = contents.put_file(code / "same.py")
    digest = contents.put_tree([StoredEntry("b.py", "file", file, 8)])
    assert contents.entries(digest) == [StoredEntry("b.py", "file", file, 8)]
    with pytest.raises(NotFoundError, match=r"as gone\.py needs it"):
        contents.put_tree([StoredEntry("gone.py", "file", "0" * 64, 8)])


def test_content_is_on_the_disk_before_the_stamps_know_it(
    contents: ContentStore, code: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    _settle(monkeypatch)
    order: list[str] = []
    bring, save = shelves.bring_to_disk, Stamps.save
    monkeypatch.setattr(shelves, "bring_to_disk", lambda new: order.append(f"{len(new)} on the disk") or bring(new))
    monkeypatch.setattr(Stamps, "save", lambda *words, **more: order.append("stamps") or save(*words, **more))
    contents.add_folder(code)
    contents.add_folder(code)
    assert order == ["4 on the disk", "stamps"]


def _bytes_read() -> int:
    """What this process asked the system to read, whether or not it came from the disk."""
    return int(Path("/proc/self/io").read_text().split("rchar: ")[1].split()[0])
