from __future__ import annotations

import multiprocessing
import sqlite3
from collections.abc import Callable
from pathlib import Path

import pytest

from mlctl.entities.clock import Clock
from mlctl.entities.compute import Compute
from mlctl.entities.job import JobRecord
from mlctl.entities.workspace import Workspace
from mlctl.errors import AuthError, ConflictError, NotFoundError, UsageError
from mlctl.store.workspaces import Workspaces, WorkspaceStore, open_workspace

Add = Callable[..., JobRecord]


def test_a_workspace_is_made_changed_and_removed(workspaces: Workspaces, tmp_path: Path) -> None:
    made = workspaces.create("team-a", description="d", display_name="Team A", location="here", tags={"k": "v"})
    folder = tmp_path / "home/workspaces/team-a"
    assert made == Workspace("team-a", str(folder), "d", "Team A", "here", {"k": "v"}, 1000.0)
    assert workspaces.get("team-a") == made
    changed = workspaces.update("team-a", description="new", tags={}, display_name=None)
    assert (changed.description, changed.tags, changed.display_name) == ("new", {}, "Team A")
    workspaces.create("other")
    assert [workspace.name for workspace in workspaces.list()] == ["other", "team-a"]
    workspaces.delete("team-a")
    assert workspaces.names() == ("other",)
    assert [path.name for path in folder.parent.iterdir()] == ["other"]


def test_the_default_workspace_is_made_on_first_use(workspaces: Workspaces) -> None:
    assert workspaces.list() == []
    with pytest.raises(NotFoundError):
        workspaces.get("default")
    assert workspaces.open("default").workspace.name == "default"
    assert workspaces.names() == ("default",)
    with pytest.raises(NotFoundError, match="no workspace named 'defautl'") as caught:
        workspaces.open("defautl")
    assert caught.value.hint == "did you mean 'default'?"


def test_processes_that_need_the_default_workspace_at_once_share_it(workspaces: Workspaces) -> None:
    def child() -> None:
        assert workspaces.open("default").workspace.created_at == 1000.0

    processes = [multiprocessing.get_context("fork").Process(target=child) for _ in range(8)]
    for process in processes:
        process.start()
    for process in processes:
        process.join()
    assert [process.exitcode for process in processes] == [0] * 8


def test_a_half_made_workspace_is_none_and_can_be_made(workspaces: Workspaces, tmp_path: Path) -> None:
    folder = tmp_path / "home/workspaces/half"
    folder.mkdir(parents=True)
    sqlite3.connect(folder / "mlctl.db").close()
    with pytest.raises(NotFoundError):
        workspaces.get("half")
    assert workspaces.create("half").name == "half"


@pytest.mark.parametrize("name", ["ab", "a" * 34, "-abc", "a b c", "späße", "...", ""])
def test_names_follow_azures_rule(workspaces: Workspaces, name: str) -> None:
    for act in (workspaces.create, workspaces.open, workspaces.get, workspaces.delete):
        with pytest.raises(UsageError, match="cannot be the name"):
            act(name)


def test_a_taken_name_is_refused(workspaces: Workspaces, tmp_path: Path) -> None:
    workspaces.create("twice")
    with pytest.raises(ConflictError, match="'twice' exists already"):
        workspaces.create("twice")
    with pytest.raises(ConflictError, match="'twice' exists already"):
        workspaces.create("twice", folder=tmp_path / "elsewhere")
    assert not (tmp_path / "elsewhere").exists()


def test_a_workspace_may_live_elsewhere_and_be_moved(workspaces: Workspaces, tmp_path: Path) -> None:
    made = workspaces.create("linked", folder=tmp_path / "disk/ws", description="kept")
    assert made.folder == str(tmp_path / "disk/ws")
    workspaces.open("linked").computes.put(Compute("box", "docker", "docker"))
    (tmp_path / "disk").rename(tmp_path / "moved")
    assert workspaces.names() == ()
    with pytest.raises(NotFoundError, match="is not there any more") as caught:
        workspaces.get("linked")
    assert "--folder" in (caught.value.hint or "")
    again = workspaces.create("linked", folder=tmp_path / "moved/ws")
    assert (again.folder, again.description) == (str(tmp_path / "moved/ws"), "kept")
    assert workspaces.open("linked").computes.get("box").type == "docker"


def test_deleting_a_linked_workspace_leaves_the_users_files(workspaces: Workspaces, tmp_path: Path) -> None:
    project = tmp_path / "project"
    project.mkdir()
    (project / "train.py").write_text("mine")
    workspaces.create("linked", folder=project)
    workspaces.open("linked").datastore_folder("workspaceblobstore")
    workspaces.delete("linked")
    assert [path.name for path in project.iterdir()] == ["train.py"]
    assert workspaces.names() == ()


def test_a_workspace_is_deleted_even_when_jobs_closed_their_folders(
    store: WorkspaceStore, workspaces: Workspaces
) -> None:
    closed = store.job_folder("job") / "artifacts"
    closed.mkdir(parents=True)
    (closed / "f").write_text("x")
    closed.chmod(0o500)
    workspaces.delete("default")
    assert not store.folder.exists()


def test_a_workspace_with_jobs_under_way_is_kept(store: WorkspaceStore, workspaces: Workspaces, add: Add) -> None:
    add("done", status="Completed")
    add("waits")
    add("runs", status="Running", archived=True)
    with pytest.raises(ConflictError, match="waits, runs") as caught:
        workspaces.delete("default")
    assert caught.value.details == {"jobs": ["waits", "runs"]}
    workspaces.delete("default", force=True)
    assert workspaces.names() == ()


def test_a_path_stands_for_a_name(workspaces: Workspaces, tmp_path: Path) -> None:
    workspaces.create("named", folder=tmp_path / "there")
    assert workspaces.open(str(tmp_path / "there")).workspace.name == "named"
    assert open_workspace(tmp_path / "there", Clock()).folder == tmp_path / "there"
    workspaces.update(str(tmp_path / "there"), description="by path")
    assert workspaces.get("named").description == "by path"
    workspaces.delete(str(tmp_path / "there"))
    assert workspaces.names() == ()
    with pytest.raises(NotFoundError, match="is not the folder of a workspace"):
        workspaces.open(str(tmp_path / "there"))


def test_only_known_datastores_have_a_folder(store: WorkspaceStore) -> None:
    assert store.datastore_folder("workspaceblobstore") == store.folder / "datastores/workspaceblobstore"
    assert (store.folder / "datastores/workspaceblobstore").is_dir()
    with pytest.raises(NotFoundError, match="no datastore named 'workspaceblobstor'") as caught:
        store.datastore_folder("workspaceblobstor")
    assert caught.value.hint == "did you mean 'workspaceblobstore'?"


def test_a_home_that_may_not_be_written_is_named(tmp_path: Path, run_unprivileged: Callable[..., object]) -> None:
    (tmp_path / "home").mkdir(mode=0o555)
    workspaces = Workspaces(tmp_path / "home", Clock())
    error = run_unprivileged(tmp_path, workspaces.open, "default")
    assert error == (AuthError.code, f"no permission to write {tmp_path / 'home/workspaces'}")
