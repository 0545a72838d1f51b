"""Trees between a folder and a datastore: what is skipped, taken up again, checked and refused."""

from __future__ import annotations

import os
from pathlib import Path

import pytest
from tests.unit.storage.conftest import FakeFiles

from mlctl.errors import AuthError, ConflictError, NotFoundError, UnavailableError, UnsupportedError
from mlctl.storage import remote_files, transfer
from mlctl.storage.datastores import Remote
from mlctl.storage.transfer import PARTS, download


@pytest.fixture(autouse=True)
def small_chunks(monkeypatch: pytest.MonkeyPatch) -> None:
    for module in (remote_files, transfer):
        monkeypatch.setattr(module, "CHUNK", 4)


def test_a_tree_is_brought_with_its_paths_and_a_file_under_its_name(
    files: FakeFiles, remote: Remote, tmp_path: Path
) -> None:
    files.contents = {"root/a/b/one": b"0123456789", "root/a/two": b"", "root/ab": b"other", "root/a/dir/": b""}
    done = download(remote, "a", tmp_path / "tree")
    assert (done.files, done.skipped, done.size) == (2, 0, 10)
    assert sorted(str(path.relative_to(tmp_path)) for path in tmp_path.rglob("*") if path.is_file()) == [
        "tree/b/one",
        "tree/two",
    ]
    assert (tmp_path / "tree/b/one").read_bytes() == b"0123456789"
    download(remote, "a/b/one", tmp_path / "single")
    assert os.listdir(tmp_path / "single") == ["one"]


def test_what_is_there_is_not_read_again_and_what_changed_is(files: FakeFiles, remote: Remote, tmp_path: Path) -> None:
    files.contents = {"root/a/one": b"1111", "root/a/two": b"2222"}
    download(remote, "a", tmp_path)
    (tmp_path / "two").write_bytes(b"XXXX")
    files.reads.clear()
    done = download(remote, "a", tmp_path)
    assert done.skipped == 1
    assert files.reads == [("root/a/two", 0, 4)]
    assert (tmp_path / "two").read_bytes() == b"2222"


def test_a_broken_download_goes_on_where_it_stopped_and_shows_nothing_half(
    files: FakeFiles, remote: Remote, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    files.contents = {"root/a/one": b"0123456789"}
    whole = files.cat_file

    def breaks(name: str, start: int, end: int) -> bytes:
        if start == 8:
            raise PermissionError("gone")
        return whole(name, start, end)

    monkeypatch.setattr(files, "cat_file", breaks)
    with pytest.raises(AuthError):
        download(remote, "a", tmp_path)
    assert os.listdir(tmp_path) == [PARTS]
    monkeypatch.setattr(files, "cat_file", whole)
    files.reads.clear()
    download(remote, "a", tmp_path)
    assert files.reads == [("root/a/one", 8, 10)]
    assert os.listdir(tmp_path) == ["one"]
    assert (tmp_path / "one").read_bytes() == b"0123456789"


def test_a_part_of_another_version_is_not_gone_on_with(files: FakeFiles, remote: Remote, tmp_path: Path) -> None:
    files.contents = {"root/a": b"0123456789"}
    files.faults = [PermissionError()]
    with pytest.raises(AuthError):
        download(remote, "a", tmp_path)
    files.contents = {"root/a": b"abcdefghij"}
    download(remote, "a", tmp_path)
    assert (tmp_path / "a").read_bytes() == b"abcdefghij"


def test_a_part_that_was_damaged_is_noticed(files: FakeFiles, remote: Remote, tmp_path: Path) -> None:
    files.contents = {"root/a": b"0123456789"}
    real = files.cat_file
    files.cat_file = lambda name, start, end: real(name, start, end) if start < 8 else _raise(PermissionError())  # type: ignore[method-assign]
    with pytest.raises(AuthError):
        download(remote, "a", tmp_path)
    files.cat_file = real  # type: ignore[method-assign]
    (part,) = (tmp_path / PARTS).iterdir()
    part.write_bytes(b"XXXX")
    with pytest.raises(UnavailableError, match="not what its checksum says"):
        download(remote, "a", tmp_path)
    download(remote, "a", tmp_path)
    assert (tmp_path / "a").read_bytes() == b"0123456789"


def test_without_a_checksum_a_change_on_the_way_is_noticed_by_the_version(
    files: FakeFiles, remote: Remote, tmp_path: Path
) -> None:
    files.with_md5 = False
    files.contents = {"root/a": b"0123456789"}
    real = files.cat_file

    def changes(name: str, start: int, end: int) -> bytes:
        data = real(name, start, end)
        files.contents = {"root/a": b"abcdefghij"}
        return data

    files.cat_file = changes  # type: ignore[method-assign]
    with pytest.raises(UnavailableError):
        download(remote, "a", tmp_path)
    assert not (tmp_path / "a").exists()


def test_what_may_pass_is_tried_again_and_what_may_not_is_told_at_once(
    files: FakeFiles, remote: Remote, tmp_path: Path
) -> None:
    files.contents = {"root/a": b"0123"}
    files.faults = [ConnectionResetError(), TimeoutError(), OSError("busy")]
    download(remote, "a", tmp_path)
    assert (tmp_path / "a").read_bytes() == b"0123"
    (tmp_path / "a").unlink()
    files.faults = [PermissionError("no"), ConnectionResetError()]
    with pytest.raises(AuthError):
        download(remote, "a", tmp_path)
    assert len(files.faults) == 1


def test_an_error_never_shows_a_secret(files: FakeFiles, remote: Remote, tmp_path: Path) -> None:
    files.contents = {"root/a": b"0123"}
    files.faults = [PermissionError("bad signature for s3cr3t-key")]
    with pytest.raises(AuthError) as caught:
        download(remote, "a", tmp_path)
    assert "s3cr3t" not in caught.value.message
    assert "***" in caught.value.message
    assert caught.value.__cause__ is None
    assert "s3cr3t" not in repr(remote)


@pytest.mark.parametrize(
    "name", ["../out", "a/../../out", "/etc/passwd", "a//b", "a/./b", "nul\0byte", "..\\out", "C:\\x"]
)
def test_a_name_that_leads_out_is_refused_before_anything_is_written(
    files: FakeFiles, remote: Remote, tmp_path: Path, name: str
) -> None:
    files.contents = {"root/p/good": b"1", f"root/p/{name}": b"2"}
    with pytest.raises(UnsupportedError, match="leads out of a folder"):
        download(remote, "p", tmp_path / "in")
    assert list(tmp_path.iterdir()) == []


def test_a_file_where_a_folder_must_be_is_told(files: FakeFiles, remote: Remote, tmp_path: Path) -> None:
    files.contents = {"root/p/a/b": b"1"}
    (tmp_path / "a").write_text("")
    with pytest.raises(ConflictError, match="in the way"):
        download(remote, "p", tmp_path)


def test_nothing_there_is_told(remote: Remote, tmp_path: Path) -> None:
    with pytest.raises(NotFoundError, match="has nothing at 'p'"):
        download(remote, "p", tmp_path)


def test_progress_is_told_in_bytes_up_to_the_end(files: FakeFiles, remote: Remote, tmp_path: Path) -> None:
    files.contents = {"root/p/a": b"0123456789", "root/p/b": b"01"}
    told: list[tuple[int, int]] = []
    download(remote, "p", tmp_path, progress=lambda done, total: told.append((done, total)))
    assert told[-1] == (12, 12)
    assert [done for done, _ in told] == sorted(done for done, _ in told)


def _raise(error: Exception) -> bytes:
    raise error


def test_a_name_with_a_line_break_is_told_on_one_line(files: FakeFiles, remote: Remote, tmp_path: Path) -> None:
    files.contents = {"root/p/good": b"1", "root/p/a\nb": b"2"}
    with pytest.raises(UnsupportedError) as caught:
        download(remote, "p", tmp_path / "to")
    assert r"'p/a\nb'" in caught.value.message
    assert "\n" not in caught.value.message
    files.contents = {"root/p/\x1bred": b"2"}
    files.faults = [PermissionError("no")]
    with pytest.raises(AuthError, match=r"'p/\\x1bred'"):
        download(remote, "p", tmp_path / "to")


@pytest.mark.parametrize("inner", ["p/dup/in", "p/dup/deep/er/in"])
def test_a_name_that_is_a_file_and_a_folder_is_told_with_both(
    files: FakeFiles, remote: Remote, tmp_path: Path, inner: str
) -> None:
    files.contents = {"root/p/dup": b"1", "root/p/dup-2": b"3", f"root/{inner}": b"2"}
    with pytest.raises(ConflictError, match=f"has both 'p/dup' and '{inner}'"):
        download(remote, "p", tmp_path / "to")
    assert not (tmp_path / "to").exists()
    assert download(remote, "p/dup-2", tmp_path / "to").files == 1
