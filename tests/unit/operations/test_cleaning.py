from __future__ import annotations

import multiprocessing
import os
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from mlctl.entities.asset import DATA, MODEL, Asset
from mlctl.entities.clock import Clock
from mlctl.entities.job import JobRecord
from mlctl.entities.lineage import JOB, Link, Node
from mlctl.errors import ConflictError, UnavailableError
from mlctl.operations.cleaning import Finding, Rules, clean, plan_cleaning
from mlctl.storage.hidden_texts import conceal, reveal
from mlctl.store.guard import Guard
from mlctl.store.inspection import Inspection
from mlctl.store.uploads import address, expose, uploads
from mlctl.store.workspaces import Workspaces, WorkspaceStore, open_workspace

DAY = 86400.0


@pytest.fixture
def store(tmp_path: Path) -> Iterator[WorkspaceStore]:
    store = Workspaces(tmp_path / "home", Clock(now=lambda: 100 * DAY)).open("default")
    yield store
    store.database.close()


@pytest.fixture
def gc(store: WorkspaceStore, tmp_path: Path) -> Callable[..., list[Finding]]:
    """Plans, cleans, and checks that the plan said what is then done."""

    def run(**rules: Any) -> list[Finding]:
        plan = plan_cleaning(store, [store], tmp_path / "cache", Rules(**rules))
        done = clean(store, [store], tmp_path / "cache", Rules(**rules))
        assert plan == done
        assert plan_cleaning(store, [store], tmp_path / "cache", Rules()) == []
        assert list(Inspection(store).problems()) == []
        return done

    return run


def register(store: WorkspaceStore, name: str, text: str, *, kind: str = DATA, **fields: Any) -> Asset:
    """A new version of an asset with one file."""
    source = store.folder.parent.parent / "sources" / name
    source.mkdir(parents=True, exist_ok=True)
    (source / "file").write_text(text)
    links = fields.pop("links", ())
    with store.content.adding():
        digest = store.content.add_tree(source).digest
        expose(store, digest, name)
        version = fields.pop("version", "")
        asset = Asset(kind, name, version, content=digest, path=address(digest, name), fingerprint=text, **fields)
        return store.assets.add(asset, links)


def add_job(store: WorkspaceStore, name: str, *, code: str | None = None, **fields: Any) -> JobRecord:
    defaults: dict[str, Any] = {"status": "Completed", "compute": "local", "backend": "local", "created_at": 1.0}
    folder = store.jobs.new_folder()
    (folder / "log").write_text(name)
    plan = {"name": name, "code_digest": code, **fields.pop("plan", {})}
    return store.jobs.insert(JobRecord(name=name, **{**defaults, **fields}), plan=plan, folder=folder)


def files(store: WorkspaceStore) -> int:
    return len(list((store.folder / "content/files").glob("*/*")))


def test_only_what_nothing_refers_to_goes(
    store: WorkspaceStore, gc: Callable[..., list[Finding]], tmp_path: Path
) -> None:
    asset = register(store, "kept", "kept")
    store.assets.set_archived(DATA, "kept", None, archived=True)
    code = store.content.add_folder(tmp_path / "home/sources/kept").digest
    add_job(store, "job", code=code, archived=True)
    assert gc() == []
    lost = tmp_path / "lost"
    lost.write_text("lost")
    expose(store, store.content.add_tree(lost).digest, "lost")
    found = [(finding.kind, finding.count, finding.bytes) for finding in gc()]
    assert found == [("upload", 1, 0), ("content", 2, 4 + found[1][2] - 4)]
    assert [digest for digest, _ in uploads(store)] == [asset.content]
    assert files(store) == 1


def test_an_address_alone_keeps_what_it_names(store: WorkspaceStore, gc: Callable[..., list[Finding]]) -> None:
    asset = register(store, "first", "text")
    store.assets.add(Asset(DATA, "other", "1", path=asset.path, fingerprint="x"))
    store.assets.set_archived(DATA, "first", None, archived=True)
    assert [finding.name for finding in gc(archived=True)] == ["first:1"]
    assert len(list(uploads(store))) == 1


def test_archived_versions_go_when_asked_and_free_their_files(
    store: WorkspaceStore, gc: Callable[..., list[Finding]]
) -> None:
    for number in range(4):
        register(store, "data", f"text {number}", created_at=number * DAY)
    for version in "123":
        store.assets.set_archived(DATA, "data", version, archived=True)
    assert [f.name for f in gc(archived=True, older_than=99.5 * DAY)][:1] == ["data:1"]
    assert [f.name for f in gc(archived=True, keep_last=1)][:1] == ["data:2"]
    assert [(f.kind, f.name) for f in gc(archived=True)][:1] == [("data", "data:3")]
    assert [asset.version for asset in store.assets.list_versions(DATA, "data", view="all")] == ["4"]
    assert files(store) == 1
    assert register(store, "data", "new").version == "5"


def test_a_version_that_was_removed_comes_back_with_its_content_only(
    store: WorkspaceStore, gc: Callable[..., list[Finding]]
) -> None:
    register(store, "data", "text")
    store.assets.set_archived(DATA, "data", "1", archived=True)
    gc(archived=True)
    with pytest.raises(ConflictError, match="was removed by gc"):
        register(store, "data", "other", version="1")
    assert register(store, "data", "text", version="1").version == "1"


def test_secrets_go_with_the_last_text_that_stands_for_them(
    store: WorkspaceStore, gc: Callable[..., list[Finding]]
) -> None:
    addresses = [f"https://h/x?sig={word}" for word in ("first", "second", "third")]
    told = [conceal(address, store.secrets) for address in addresses]
    for number, path in enumerate(told[:2]):
        store.assets.add(Asset(DATA, f"d{number}", "1", path=path, fingerprint=f"f{number}"))
    add_job(store, "job", plan={"payload": {"command": conceal(f"curl {addresses[2]}", store.secrets)}})
    assert [(f.kind, f.count) for f in gc()] == [("secret", 1)]
    assert [reveal(path, store.secrets) for path in told] == [*addresses[:2], told[2]]
    store.assets.set_archived(DATA, "d1", None, archived=True)
    assert [f.kind for f in gc(archived=True)] == ["data", "secret"]
    assert [reveal(path, store.secrets) for path in told] == [addresses[0], *told[1:]]
    assert reveal("curl https://h/x?sig=…", store.secrets) == f"curl {addresses[2]}"


def test_no_lineage_is_cut(store: WorkspaceStore, gc: Callable[..., list[Finding]]) -> None:
    data, job, model = Node(DATA, "data", "1"), Node(JOB, "train"), Node(MODEL, "model", "1")
    register(store, "data", "text")
    add_job(store, "train", archived=True)
    store.links.add([Link(data, job, "input data")])
    register(store, "model", "weights", kind=MODEL, links=[Link(job, model, "output model")])
    store.assets.set_archived(DATA, "data", None, archived=True)
    told = [(f.name, f.reason, f.removed) for f in gc(archived=True)]
    assert told == [("train", "held by model/model/1", False), ("data:1", "held by job/train", False)]
    store.assets.set_archived(MODEL, "model", None, archived=True)
    store.assets.set_label(MODEL, "model", "prod", "1")
    assert [f.reason for f in gc(archived=True)][:1] == ["held by label prod"]
    store.assets.set_label(MODEL, "model", "prod", None)
    assert [f.name for f in gc(archived=True) if f.reason == "archived"] == ["data:1", "model:1", "train"]
    assert files(store) == 0
    assert store.links.downstream(data) == store.links.upstream(model) == []


def test_jobs_go_with_their_folders_and_runs(
    store: WorkspaceStore, gc: Callable[..., list[Finding]], tmp_path: Path
) -> None:
    (tmp_path / "code").mkdir()
    (tmp_path / "code/a.py").write_text("a")
    code = store.content.add_folder(tmp_path / "code").digest
    add_job(store, "old", code=code, archived=True, ended_at=DAY)
    add_job(store, "runs", status="Running", archived=True)
    add_job(store, "user", plan={"uri": "azureml://jobs/source/outputs/x"})
    add_job(store, "source", archived=True)
    add_job(store, "child", archived=True, parent_job_name="user")
    for name in ("old", "runs"):
        run = store.folder / "mlruns/1" / name
        run.mkdir(parents=True)
        (run / "meta.yaml").write_text("")
    (store.folder / "jobs/old/sealed").mkdir(mode=0o500)
    found = [(f.kind, f.name, f.reason) for f in gc(archived=True)]
    assert found == [
        ("job", "old", "archived"),
        ("job", "child", "held by job/user"),
        ("job", "source", "held by job/user"),
        ("job folder", "old", "nothing refers to it"),
        ("content", "2 files", "nothing refers to it"),
    ]
    assert sorted(path.name for path in (store.folder / "jobs").iterdir()) == ["child", "runs", "source", "user"]
    assert [path.name for path in (store.folder / "mlruns/1").iterdir()] == ["runs"]


def test_leftovers_of_killed_processes_go(
    store: WorkspaceStore, gc: Callable[..., list[Finding]], tmp_path: Path
) -> None:
    register(store, "kept", "kept")
    (store.folder / "content/incoming/abc").write_bytes(b"12345")
    half = store.folder / "datastores/workspaceblobstore/LocalUpload/.new/abc"
    half.mkdir()
    (half / "x").write_text("x")
    fresh, old = store.jobs.new_folder(), store.jobs.new_folder()
    os.utime(old, (0, 0))
    (store.folder / "jobs/without-row").mkdir()
    (tmp_path / "gone").write_text("gone")
    store.content.add_tree(tmp_path / "gone")
    (tmp_path / "gone").unlink()
    found = {f.kind: (f.count, f.bytes) for f in gc()}
    assert found.keys() == {"leftover", "job folder", "stamps", "content"}
    assert found["leftover"] == (3, 6)
    assert fresh.exists()
    assert not old.exists()
    assert not half.exists()


def test_caches_go_when_asked_and_unused(store: WorkspaceStore, tmp_path: Path) -> None:
    cache = tmp_path / "cache"
    for name in ("environments/old", "environments/new", "datastores/old", "datastores/half.incoming"):
        (cache / name).mkdir(parents=True)
        (cache / name / "environment.json").write_text("{}")
    (cache / "downloads").mkdir()
    (cache / "downloads/ab.data").write_bytes(b"123")
    (cache / "downloads/ab.json").write_text('{"address": "https://x/y"}')
    for path in (*cache.glob("*/*"), *cache.glob("*/*/*")):
        days = 99 if "new" in path.parts else 50
        os.utime(path, (days * DAY, days * DAY))
    assert clean(store, [store], cache, Rules()) == []
    assert clean(store, [store], cache, Rules(caches=True, older_than=60 * DAY)) == []
    add_job(store, "running", status="Running", created_at=40 * DAY)
    assert clean(store, [store], cache, Rules(caches=True)) == []
    store.jobs.transition("running", "Failed", allowed_from=["Running"])
    plan = plan_cleaning(store, [store], cache, Rules(caches=True))
    assert clean(store, [store], cache, Rules(caches=True)) == plan
    assert sorted((f.kind, f.name, f.bytes) for f in plan) == [
        ("datastore copy", "half.incoming", 2),
        ("datastore copy", "old", 2),
        ("download", "https://x/y", 29),
        ("environment", "old", 2),
    ]
    assert sorted(path.name for path in cache.glob("*/*") if path.suffix != ".lock") == ["new"]


def test_a_damaged_tree_in_use_stops_it(store: WorkspaceStore, tmp_path: Path) -> None:
    asset = register(store, "data", "text")
    place = store.content.shelves.place("trees", asset.content or "")
    place.chmod(0o644)
    place.write_text("[]")
    with pytest.raises(UnavailableError, match="is damaged") as caught:
        clean(store, [store], tmp_path / "cache", Rules())
    assert "mlctl workspace verify" in (caught.value.hint or "")
    assert files(store) == 1


def test_it_waits_for_who_adds_and_gives_up(store: WorkspaceStore, tmp_path: Path) -> None:
    other = open_workspace(store.folder, Clock())
    store.content.guard = Guard(store.folder / "content/lock", patience=0.1)
    (tmp_path / "file").write_text("x")
    other.content.add_tree(tmp_path / "file")
    waited: list[bool] = []
    with pytest.raises(UnavailableError, match="others are adding to"):
        clean(store, [store], tmp_path / "cache", Rules(), waiting=lambda: waited.append(True))
    assert waited == [True]
    other.content.release()
    assert [f.kind for f in clean(store, [store], tmp_path / "cache", Rules())] == ["content"]


def test_creates_lose_nothing_to_a_cleaning_at_the_same_time(store: WorkspaceStore, tmp_path: Path) -> None:
    """Each create removes its predecessor's reference, so there is always something to clean that looks alike."""
    context = multiprocessing.get_context("spawn")
    until = time.time() + 6
    with context.Pool(4) as pool:
        folder = str(store.folder)
        creators = [pool.apply_async(_create_again_and_again, (folder, number, until)) for number in range(2)]
        cleaners = [pool.apply_async(_clean_again_and_again, (folder, until)) for _ in range(2)]
        created = [found.get(timeout=60) for found in creators]
        removed = [found.get(timeout=60) for found in cleaners]
    assert min(created) > 3
    assert sum(removed) > 3
    assert list(Inspection(store).problems()) == []


def _create_again_and_again(workspace: str, number: int, until: float) -> int:
    store = open_workspace(Path(workspace), Clock())
    count = 0
    while time.time() < until:
        # both creators use the same few contents, and the same content comes again after it was removed
        asset = register(store, f"data{number}", f"text {count % 3}")
        assert store.content.is_whole(asset.content or "")
        assert (store.folder / f"datastores/workspaceblobstore/LocalUpload/{asset.content}").is_dir()
        store.assets.set_archived(DATA, asset.name, asset.version, archived=True)
        count += 1
    return count


def _clean_again_and_again(workspace: str, until: float) -> int:
    store = open_workspace(Path(workspace), Clock())
    count = 0
    while time.time() < until:
        findings = clean(store, [], Path(workspace) / "cache", Rules(archived=True))
        count += sum(finding.count for finding in findings if finding.kind == "content")
    return count
