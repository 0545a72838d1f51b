"""Files brought to a folder of this machine: whole or not at all, and once."""

from __future__ import annotations

import os
import shutil
import time
from pathlib import Path
from typing import Any

import pytest

from mlctl.entities.datastore import LOCAL_FOLDER, Datastore
from mlctl.errors import UnavailableError, UnsupportedError
from mlctl.storage.addresses import Address, Storage
from mlctl.storage.delivery import ABANDONED, put
from mlctl.storage.transfer import PARTS
from mlctl.store.workspaces import WorkspaceStore


@pytest.fixture
def source(tmp_path: Path) -> Path:
    folder = tmp_path / "source"
    (folder / "sub").mkdir(parents=True)
    (folder / "a").write_text("a")
    (folder / "sub/b").write_text("b")
    return folder


@pytest.fixture
def share(store: WorkspaceStore, tmp_path: Path) -> Datastore:
    (tmp_path / "share").mkdir()
    datastore = Datastore("nas", LOCAL_FOLDER, settings={"path": str(tmp_path / "share")})
    store.datastores.put(datastore)
    return datastore


def names(folder: Path) -> list[str]:
    return sorted(str(path.relative_to(folder)) for path in folder.rglob("*") if path.is_file())


def test_a_folder_and_a_file_come_and_what_is_there_stays(
    store: WorkspaceStore, share: Datastore, source: Path, tmp_path: Path
) -> None:
    storage, target = Storage(store, {}), tmp_path / "share/x/y"
    put(source, Address(share, "x/y"), storage)
    put(source / "a", Address(share, "x/y/c"), storage)
    before = {path: (target / path).stat().st_ino for path in names(target)}
    assert list(before) == ["a", "c", "sub/b"]
    (source / "a").write_text("changed")
    put(source, Address(share, "x/y"), storage)
    after = {path: (target / path).stat().st_ino for path in names(target)}
    assert [path for path in after if after[path] != before[path]] == ["a"]
    assert (target / "a").read_text() == "changed"


def test_what_ends_on_the_way_leaves_whole_files_only(
    store: WorkspaceStore, share: Datastore, source: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def half(one: Any, other: Path) -> None:
        other.write_text("")
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(shutil, "copyfile", half)
    with pytest.raises(UnavailableError):
        put(source, Address(share, "x"), Storage(store, {}))
    assert names(tmp_path / "share") == []


def test_nothing_is_brought_through_a_link_that_leaves_the_datastore(
    store: WorkspaceStore, share: Datastore, source: Path, tmp_path: Path
) -> None:
    (tmp_path / "outside").mkdir()
    (tmp_path / "share/link").symlink_to(tmp_path / "outside")
    (tmp_path / "share/within").mkdir()
    (tmp_path / "share/within/sub").symlink_to(tmp_path / "outside")
    for path in ("link", "link/new", "../outside", "within"):
        with pytest.raises(UnsupportedError, match="leads out of its root"):
            put(source, Address(share, path), Storage(store, {}))
    assert names(tmp_path / "outside") == []


def test_what_killed_processes_left_is_nobodys_data_and_goes(
    store: WorkspaceStore, share: Datastore, source: Path, tmp_path: Path
) -> None:
    parts = tmp_path / "share" / PARTS
    parts.mkdir()
    now = time.time()
    for name, age in (("dead", ABANDONED + 60), ("slow", ABANDONED - 60)):
        (parts / name).write_text("half")
        os.utime(parts / name, (now - age, now - age))
    put(source, Address(share, "x"), Storage(store, {}))
    assert names(tmp_path / "share") == [f"{PARTS}/slow", "x/a", "x/sub/b"]
    (parts / "slow").unlink()
    put(source, Address(share, "y"), Storage(store, {}))
    assert not parts.exists()
