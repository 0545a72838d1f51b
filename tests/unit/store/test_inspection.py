from __future__ import annotations

import sqlite3
from collections.abc import Callable
from pathlib import Path

import pytest

from mlctl.entities.asset import DATA, Asset
from mlctl.entities.clock import Clock
from mlctl.entities.job import JobRecord
from mlctl.entities.lineage import JOB, Link, Node
from mlctl.store.inspection import Inspection, repair
from mlctl.store.uploads import address, expose, uploads_folder
from mlctl.store.workspaces import WorkspaceStore, open_workspace


@pytest.fixture
def asset(store: WorkspaceStore, tmp_path: Path) -> Asset:
    """An asset with two files, in the store and shown."""
    (tmp_path / "data/deep").mkdir(parents=True)
    (tmp_path / "data/a").write_text("aaa")
    (tmp_path / "data/deep/b").write_text("bbb")
    digest = store.content.add_tree(tmp_path / "data").digest
    expose(store, digest, "data")
    path = f"{address(digest, 'data')}/"
    return store.assets.add(Asset(DATA, "data", "1", content=digest, path=path, fingerprint="f"))


def found(store: WorkspaceStore, *, quick: bool = False) -> list[tuple[str, str, str]]:
    """Kind, name and problem of what is wrong; digests shortened."""
    problems = Inspection(store, quick=quick).problems()
    return [(problem.kind, problem.name[:4], problem.problem) for problem in problems]


def stored(store: WorkspaceStore, asset: Asset, path: str) -> Path:
    entry = next(entry for entry in store.content.entries(asset.content or "") if entry.path == path)
    return store.content.shelves.place("files", entry.digest)


def overwrite(path: Path, text: str) -> None:
    path.chmod(0o644)
    path.write_text(text)


def test_a_whole_workspace_has_no_problems(store: WorkspaceStore, asset: Asset, add: Callable[..., JobRecord]) -> None:
    add("job")
    store.links.add(
        [Link(Node(DATA, "data", "1"), Node(JOB, "job"), "input"), Link(Node("git", "x"), Node(JOB, "job"), "code")]
    )
    told: list[int] = []
    inspection = Inspection(store, progress=told.append)
    assert list(inspection.problems()) == []
    assert (inspection.files, inspection.bytes, told) == (2, 6, [3, 6])
    quick = Inspection(store, quick=True)
    assert (list(quick.problems()), quick.bytes) == ([], 0)


def test_changed_content_is_found_told_and_stored_anew(store: WorkspaceStore, asset: Asset, tmp_path: Path) -> None:
    overwrite(stored(store, asset, "a"), "xxx")
    (problem,) = Inspection(store).problems()
    assert (problem.kind, problem.problem) == ("file", "its content has changed")
    assert problem.fix.endswith("needed by data data:1")
    assert found(store, quick=True) == []
    (done,) = repair(store)
    assert done.endswith(f"was put aside in {store.folder / 'content/damaged'}")
    assert [kind for kind, *_ in found(store)] == ["tree", "upload"]
    store.content.add_tree(tmp_path / "data")
    assert repair(store) == [f"data data:1 is shown in {uploads_folder(store) / (asset.content or '') / 'data'}"]
    assert found(store) == []


def test_what_is_lost_comes_back_from_what_is_shown(store: WorkspaceStore, asset: Asset) -> None:
    digest = asset.content or ""
    shown = uploads_folder(store) / digest / "data"
    stored(store, asset, "a").unlink()
    assert found(store) == [("tree", digest[:4], "files are missing or cut off: a")]
    assert repair(store) == [f"tree {digest} was stored anew from {shown}"]
    assert found(store) == []
    place = store.content.shelves.place("trees", digest)
    overwrite(place, "[]")
    assert [problem.kind for problem in Inspection(store).problems()] == ["tree"]
    assert len(repair(store)) == 2
    assert found(store) == []
    place.unlink()
    assert found(store) == [("data", "data", f"its files, tree {digest}, are missing")]
    assert repair(store) == [f"tree {digest} was stored anew from {shown}"]
    assert found(store) == []


@pytest.mark.parametrize(
    ("spoil", "problem"),
    [
        (lambda shown: (shown / "a").unlink(), "a is missing or has another size"),
        (lambda shown: ((shown / "a").unlink(), (shown / "a").write_text("xxx")), "a holds something else"),
        (lambda shown: (shown / "deep/more").write_text("x"), "deep/more does not belong there"),
    ],
)
def test_what_is_shown_wrongly_is_shown_again(
    store: WorkspaceStore, asset: Asset, spoil: Callable[[Path], object], problem: str
) -> None:
    shown = uploads_folder(store) / (asset.content or "") / "data"
    spoil(shown)
    assert found(store) == [("upload", (asset.content or "")[:4], problem)]
    assert repair(store) == [f"data data:1 is shown in {shown}"]
    assert found(store) == []


def test_what_is_not_shown_is_shown_again(store: WorkspaceStore, asset: Asset) -> None:
    shown = uploads_folder(store) / (asset.content or "") / "data"
    shown.rename(shown.with_name("other"))
    assert found(store) == [("data", "data", f"its files are not shown in {shown}")]
    repair(store)
    assert found(store) == []


def test_jobs_need_their_code_and_their_folder(store: WorkspaceStore, add: Callable[..., JobRecord]) -> None:
    folder = store.jobs.new_folder()
    record = JobRecord(name="job", status="Queued", compute="local", backend="local", created_at=1.0)
    store.jobs.insert(record, plan={"code_digest": "0" * 64}, folder=folder)
    (store.folder / "jobs/job").rmdir()
    assert found(store) == [
        ("job", "job", f"its code, tree {'0' * 64}, is missing"),
        ("job", "job", "its folder is missing"),
    ]


def test_names_that_lead_nowhere_are_found(store: WorkspaceStore, asset: Asset) -> None:
    store.links.add([Link(Node("model", "gone", "1"), Node(DATA, "data", "1"), "input")])
    store.assets.set_label(DATA, "data", "prod", "1")
    with store.database.write() as connection:
        connection.execute("UPDATE asset_labels SET version = '7'")
    assert found(store) == [
        ("link", "mode", "data/data/1 was made with model/gone/1, but model/gone/1 is not there"),
        ("label", "data", "points to version 7, which is not there"),
    ]


def test_a_damaged_database_is_found(store: WorkspaceStore, add: Callable[..., JobRecord]) -> None:
    add("job")
    store.database.close()
    connection = sqlite3.connect(store.database.path)
    connection.execute("INSERT INTO plans (job, plan) VALUES (99, '{}')")
    connection.commit()
    connection.close()
    (problem,) = Inspection(open_workspace(store.folder, Clock())).problems()
    assert (problem.kind, problem.name, problem.problem) == (
        "database",
        "plans",
        "row 99 belongs to a row of jobs that is not there",
    )
