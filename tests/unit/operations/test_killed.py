"""kill -9 at every step that changes a file: afterwards the workspace is whole, and a repeat succeeds."""

from __future__ import annotations

import os
import signal
import sys
import warnings
from collections.abc import Callable
from pathlib import Path

import pytest

from mlctl.entities.asset import DATA, Asset
from mlctl.entities.clock import Clock
from mlctl.entities.job import JobRecord
from mlctl.operations.cleaning import Rules, clean
from mlctl.store.inspection import Inspection, repair
from mlctl.store.uploads import address, expose, uploads
from mlctl.store.workspaces import Workspaces, WorkspaceStore, open_workspace

EVENTS = {
    "open",
    "os.rename",
    "os.remove",
    "os.link",
    "os.mkdir",
    "os.rmdir",
    "os.chmod",
    "os.utime",
    "sqlite3.connect",
}
"""What Python tells before it does it (sys.addaudithook)."""

Action = Callable[[WorkspaceStore], None]


def create(store: WorkspaceStore) -> None:
    with store.content.adding():
        digest = store.content.add_tree(_source(store)).digest
        expose(store, digest, "source")
        store.assets.add(Asset(DATA, "new", "1", content=digest, path=address(digest, "source"), fingerprint="f"))


def submit(store: WorkspaceStore) -> None:
    if any(job.name == "new" for job in store.jobs.list(view="all")):
        return
    with store.content.adding():
        code = store.content.add_folder(_source(store)).digest
        folder = store.jobs.new_folder()
        (folder / "log").write_text("log")
        record = JobRecord(name="new", status="Completed", compute="local", backend="local", created_at=1.0)
        store.jobs.insert(record, plan={"code_digest": code}, folder=folder)


def show(store: WorkspaceStore) -> None:
    expose(store, store.assets.get(DATA, "kept", "1").content or "", "another name")


def collect(store: WorkspaceStore) -> None:
    clean(store, [], store.folder / "cache", Rules(archived=True))


def mend(store: WorkspaceStore) -> None:
    repair(store)


@pytest.mark.parametrize("action", [create, submit, show, collect, mend])
def test_killed_at_any_step(tmp_path: Path, action: Action) -> None:
    steps = 0
    while True:
        folder = _workspace(tmp_path / str(steps))
        if action is mend:
            _damage(open_workspace(folder, Clock()))
        if not _killed(lambda folder=folder: action(open_workspace(folder, Clock())), step=steps):
            break
        store = open_workspace(folder, Clock())
        if action is not mend:
            assert list(Inspection(store).problems()) == [], steps
        action(store)
        _check(store)
        store.database.close()
        steps += 1
    assert steps > 5


def test_killed_while_bytes_are_copied(tmp_path: Path) -> None:
    folder = _workspace(tmp_path)
    large = tmp_path / "large"
    large.write_bytes(os.urandom(8 * 1024**2))

    def add() -> None:
        store = open_workspace(folder, Clock())
        store.content.add_tree(
            large, progress=lambda done, _: os.kill(os.getpid(), signal.SIGKILL) if done > 4e6 else 0
        )

    assert _killed(add, step=-1)
    store = open_workspace(folder, Clock())
    assert [path.stat().st_size for path in (folder / "content/incoming").iterdir()] == [4 * 1024**2]
    assert list(Inspection(store).problems()) == []
    assert store.content.add_tree(large).size == 8 * 1024**2
    collect(store)
    assert list((folder / "content/incoming").iterdir()) == []


def _workspace(folder: Path) -> Path:
    """One asset and one job that stay, an archived one of each, content of nobody; the source of what `create` adds."""
    store = Workspaces(folder / "home", Clock()).open("default")
    source = store.folder.parent / "source"
    for name in ("kept", "old", "source", "nobody"):
        source.mkdir(exist_ok=True)
        for number in range(2):
            (source / f"file{number}").write_text(f"{name} {number}")
        if name in ("kept", "old"):
            digest = store.content.add_tree(source).digest
            expose(store, digest, "source")
            asset = Asset(DATA, name, "1", content=digest, path=address(digest, "source"), fingerprint="f")
            store.assets.add(asset)
            record = JobRecord(name=name, status="Completed", compute="local", backend="local", created_at=1.0)
            new = store.jobs.new_folder()
            store.jobs.insert(record, plan={"code_digest": store.content.add_folder(source).digest}, folder=new)
    expose(store, store.content.add_tree(source).digest, "source")
    store.assets.set_archived(DATA, "old", None, archived=True)
    store.jobs.update("old", archived=True)
    for number in range(2):
        (source / f"file{number}").write_text(f"new {number}")
    store.content.release()
    store.database.close()
    return store.folder


def _damage(store: WorkspaceStore) -> None:
    """A stored file is lost and another one changed."""
    entries = store.content.entries(store.assets.get(DATA, "kept", "1").content or "")
    store.content.shelves.place("files", entries[0].digest).unlink()
    for _, folder in uploads(store):
        if (folder / "source/file1").read_text() == "old 1":
            (folder / "source/file1").unlink()
    assert len(list(Inspection(store).problems())) > 1
    store.database.close()


def _killed(action: Callable[[], None], *, step: int) -> bool:
    """Run it in a process that is killed before its file operation number `step`; False when it ended before."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", DeprecationWarning)  # a fork of a process that may have threads
        child = os.fork()
    if child == 0:
        count = 0

        def hook(event: str, arguments: tuple[object, ...]) -> None:
            nonlocal count
            if event in EVENTS and not (event == "open" and str(arguments[0]).endswith((".py", ".pyc"))):
                if count == step:
                    os.kill(os.getpid(), signal.SIGKILL)
                count += 1

        try:
            sys.addaudithook(hook)
            action()
            os._exit(0)
        finally:
            os._exit(1)
    _, status = os.waitpid(child, 0)
    assert os.WIFSIGNALED(status) or os.WEXITSTATUS(status) == 0
    return os.WIFSIGNALED(status)


def _check(store: WorkspaceStore) -> None:
    """Whole, with nothing left over after a cleaning."""
    assert list(Inspection(store).problems()) == []
    clean(store, [], store.folder / "cache", Rules())
    assert list(Inspection(store).problems()) == []
    assert list((store.folder / "content/incoming").iterdir()) == []
    assert store.assets.get(DATA, "kept", "1").content in [digest for digest, _ in uploads(store)]
    shown = {digest for digest, _ in uploads(store)}
    assert shown == store.assets.contents()


def _source(store: WorkspaceStore) -> Path:
    return store.folder.parent / "source"
