from __future__ import annotations

import errno
import multiprocessing
import os
from pathlib import Path
from typing import Any

import pytest

from mlctl.entities.clock import Clock
from mlctl.errors import NotFoundError, UsageError
from mlctl.store import shelves
from mlctl.store.uploads import address, digests_in, expose, unfinished_uploads, uploads, uploads_folder
from mlctl.store.workspaces import WorkspaceStore, open_workspace


@pytest.fixture
def data(tmp_path: Path) -> Path:
    folder = tmp_path / "data"
    (folder / "deep/void").mkdir(parents=True)
    (folder / "deep/a.csv").write_text("a,b\n")
    (folder / "run.sh").write_text("#!/bin/sh\n")
    (folder / "run.sh").chmod(0o755)
    return folder


def test_a_folder_is_shown_as_links_that_nobody_may_write(store: WorkspaceStore, data: Path) -> None:
    digest = store.content.add_tree(data).digest
    shown = expose(store, digest, "data")
    assert shown == store.folder / f"datastores/workspaceblobstore/LocalUpload/{digest}/data"
    assert address(digest, "data") == f"azureml://datastores/workspaceblobstore/paths/LocalUpload/{digest}/data"
    assert (shown / "deep/a.csv").read_text() == "a,b\n"
    assert (shown / "deep/void").is_dir()
    for file in (shown / "deep/a.csv", shown / "run.sh"):
        status = file.stat()
        assert (status.st_mode & 0o777, status.st_nlink) == (0o444, 2)
    assert list(uploads(store)) == [(digest, shown.parent)]
    assert unfinished_uploads(store) == []


def test_a_tree_of_one_file_is_shown_as_a_file(store: WorkspaceStore, data: Path) -> None:
    digest = store.content.add_tree(data / "deep/a.csv").digest
    assert expose(store, digest, "a.csv").read_text() == "a,b\n"
    assert (expose(store, digest, "other") / "a.csv").read_text() == "a,b\n"
    assert unfinished_uploads(store) == []


def test_what_is_shown_stays(store: WorkspaceStore, data: Path) -> None:
    digest = store.content.add_tree(data).digest
    before = expose(store, digest, "data").stat()
    assert expose(store, digest, "data").stat().st_ino == before.st_ino


def test_where_no_link_can_be_copies_are_made(
    store: WorkspaceStore, data: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def refuse(self: Path, target: Path) -> None:
        raise OSError(errno.EPERM, "no links here", str(self))

    monkeypatch.setattr(Path, "hardlink_to", refuse)
    for source, name in ((data, "data"), (data / "run.sh", "run.sh")):
        shown = expose(store, store.content.add_tree(source).digest, name)
        file = shown if shown.is_file() else shown / "deep/a.csv"
        assert (file.stat().st_mode & 0o777, file.stat().st_nlink) == (0o444, 1)
    assert unfinished_uploads(store) == []


@pytest.mark.parametrize("name", ["", "..", "a/b", "a\0b", "x" * 256])
def test_a_name_that_leads_elsewhere_is_refused(store: WorkspaceStore, data: Path, name: str) -> None:
    digest = store.content.add_tree(data).digest
    with pytest.raises(UsageError, match="cannot be the name"):
        expose(store, digest, name)


def test_what_is_not_stored_is_not_shown(store: WorkspaceStore) -> None:
    with pytest.raises(NotFoundError, match="no snapshot"):
        expose(store, "0" * 64, "data")
    assert not uploads_folder(store).exists()


def test_a_full_disk_leaves_nothing(store: WorkspaceStore, data: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    digest = store.content.add_tree(data).digest

    def full(*_: Any, **__: Any) -> None:
        raise OSError(errno.ENOSPC, "full")

    with monkeypatch.context() as patch:
        patch.setattr(shelves.Shelves, "write_out", full)
        with pytest.raises(Exception, match="full"):
            expose(store, digest, "data")
    assert list(uploads(store)) == unfinished_uploads(store) == []
    assert expose(store, digest, "data").is_dir()


def test_many_processes_may_show_the_same(store: WorkspaceStore, data: Path) -> None:
    for number in range(50):
        (data / str(number)).write_text(str(number))
    folder = store.content.add_tree(data).digest
    file = store.content.add_tree(data / "7").digest
    store.content.release()
    context = multiprocessing.get_context("spawn")
    with context.Pool(4) as pool:
        arguments = [(str(store.folder), digest, name) for digest, name in ((folder, "data"), (file, "7"))] * 6
        assert pool.starmap(_expose, arguments) == ["data", "7"] * 6
    assert len(list((uploads_folder(store) / folder / "data").iterdir())) == 52
    assert unfinished_uploads(store) == []


def _expose(workspace: str, digest: str, name: str) -> str:
    return os.path.basename(expose(open_workspace(Path(workspace), Clock()), digest, name))


def test_addresses_and_paths_name_uploads() -> None:
    digest = "ab" * 32
    assert digests_in(f'"{address(digest, "x")}", "/ws/datastores/b/LocalUpload/{"0" * 64}/y"') == {digest, "0" * 64}
    assert digests_in("LocalUpload/abc/x") == set()
