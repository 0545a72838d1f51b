"""The contract of a place for files, on a folder and behind a URL."""

from __future__ import annotations

import errno
import hashlib
import os
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from mlctl.errors import AuthError, NotFoundError, UnavailableError, UnsupportedError
from mlctl.registry.files import ABANDONED, DamagedError, Files, FolderFiles
from mlctl.registry.remote import RemoteFiles

DIGEST = hashlib.sha256(b"content").hexdigest()


def test_what_is_not_there_is_told(files: Files) -> None:
    assert files.read("a/b") is None
    assert files.size("a/b") is None
    assert files.names("a") == []
    files.remove("a/b")
    with pytest.raises(NotFoundError):
        files.open("a/b")


def test_a_file_is_created_once(files: Files) -> None:
    assert files.create("a/b.json", b"first")
    assert not files.create("a/b.json", b"second")
    assert files.read("a/b.json") == b"first"
    assert files.size("a/b.json") == 5
    assert files.names("a") == ["b.json"]


def test_a_file_is_put_in_place_of_another_and_removed(files: Files) -> None:
    files.put("a/b", b"first")
    files.put("a/b", b"second")
    assert files.read("a/b") == b"second"
    files.put("a/c", b"")
    assert sorted(files.names("a")) == ["b", "c"]
    files.remove("a/c")
    assert files.names("a") == ["b"]
    files.remove("a")
    assert files.read("a/b") is None


def test_content_is_received_when_it_is_what_its_digest_says(files: Files) -> None:
    files.receive("files/x", [b"con", b"tent"], DIGEST)
    files.settle(["files/x"])
    with files.open("files/x") as file:
        assert file.read() == b"content"


def test_other_content_than_the_digest_says_does_not_appear(files: Files) -> None:
    with pytest.raises(DamagedError):
        files.receive("files/x", [b"something else"], DIGEST)
    assert files.size("files/x") is None


def test_what_ends_in_an_error_does_not_appear_and_the_error_stays(files: Files) -> None:
    def pieces() -> Iterator[bytes]:
        yield b"con"
        raise ValueError("cut off")

    with pytest.raises(ValueError, match="cut off"):
        files.receive("files/x", pieces(), DIGEST)
    if isinstance(files, FolderFiles):  # fsspec's files in memory are no object store: they grow where they are
        assert files.size("files/x") is None


def test_of_many_who_create_a_file_one_does(files: Files) -> None:
    with ThreadPoolExecutor(8) as pool:
        won = list(pool.map(lambda number: files.create("record", str(number).encode()), range(40)))
    assert won.count(True) == 1
    assert files.read("record") == str(won.index(True)).encode()


def test_without_hard_links_a_file_is_created_once(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(*_: object) -> None:
        raise OSError(errno.EOPNOTSUPP, "no links here")

    monkeypatch.setattr(Path, "hardlink_to", refuse)
    files = FolderFiles(tmp_path)
    with ThreadPoolExecutor(8) as pool:
        won = list(pool.map(lambda number: files.create("a/record", str(number).encode()), range(40)))
    assert won.count(True) == 1
    assert files.read("a/record") == str(won.index(True)).encode()
    assert files.names("incoming") == []


def test_folders_have_the_rights_of_the_first_and_files_can_be_read(tmp_path: Path) -> None:
    (tmp_path / "share").mkdir()
    (tmp_path / "share").chmod(0o2770)
    before = os.umask(0o077)
    try:
        files = FolderFiles(tmp_path / "share")
        files.create("a/b/c.json", b"")
        files.put("a/d/e", b"")
        files.receive("files/ab/x", [b"content"], DIGEST)
    finally:
        os.umask(before)
    folders = [path for path in (tmp_path / "share").rglob("*") if path.is_dir()]
    assert len(folders) == 6
    assert {path.stat().st_mode & 0o7777 for path in folders} == {0o2770}
    modes = {path.name: path.stat().st_mode & 0o777 for path in (tmp_path / "share").rglob("*") if path.is_file()}
    assert modes == {"c.json": 0o644, "e": 0o644, "x": 0o444}


def test_errors_of_the_system_say_what_to_do(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises((UnavailableError, AuthError)):
        FolderFiles(tmp_path / "file").put("x", b"")


@pytest.mark.parametrize("url", ["sftp://host/x", "https://example.com/x", "nosuchscheme://x"])
def test_a_url_of_no_object_store_is_refused(url: str) -> None:
    with pytest.raises(UnsupportedError, match=url.partition(":")[0]) as caught:
        RemoteFiles(url)
    assert "mount" in str(caught.value.hint)


def test_what_killed_processes_left_goes_a_day_later(tmp_path: Path) -> None:
    incoming = tmp_path / "incoming"
    incoming.mkdir()
    now = time.time()
    for name, age in (("dead", ABANDONED + 60), ("slow", ABANDONED - 60)):
        (incoming / name).write_bytes(b"half")
        os.utime(incoming / name, (now - age, now - age))
    FolderFiles(tmp_path).put("a", b"x")
    assert [path.name for path in incoming.iterdir()] == ["slow"]
