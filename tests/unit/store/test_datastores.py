"""Rows of datastores and connections."""

from __future__ import annotations

import pytest

from mlctl.entities.connection import Connection
from mlctl.entities.datastore import BUILT_IN, Datastore
from mlctl.errors import ConflictError, NotFoundError, UnsupportedError
from mlctl.store.workspaces import WorkspaceStore


def test_a_datastore_is_kept_as_it_was(store: WorkspaceStore) -> None:
    blob = Datastore(
        "blob",
        "azure_blob",
        description="d",
        tags={"a": "1"},
        settings={"account_name": "acc", "container_name": "c"},
        credentials={"account_key": "${{env:KEY}}"},
        created_at=5.0,
    )
    store.datastores.put(blob)
    assert store.datastores.get("blob") == blob
    assert [one.name for one in store.datastores.list()] == [*BUILT_IN, "blob"]
    store.datastores.delete("blob")
    assert store.datastores.find("blob") is None
    with pytest.raises(NotFoundError):
        store.datastores.delete("blob")


def test_the_built_in_ones_are_folders_that_stay(store: WorkspaceStore) -> None:
    assert store.datastores.get("workspaceblobstore").settings["path"] == str(
        store.datastore_folder("workspaceblobstore")
    )
    for refused in (
        lambda: store.datastores.put(Datastore("workspacefilestore", "s3")),
        lambda: store.datastores.delete("workspacefilestore"),
    ):
        with pytest.raises(ConflictError):
            refused()


def test_only_a_datastore_of_this_machine_has_a_folder(store: WorkspaceStore) -> None:
    store.datastores.put(Datastore("far", "s3"))
    store.datastores.put(Datastore("near", "local_folder", settings={"path": "/mnt/x"}))
    assert str(store.datastore_folder("near")) == "/mnt/x"
    with pytest.raises(UnsupportedError):
        store.datastore_folder("far")
    with pytest.raises(NotFoundError, match="no datastore named 'fra'") as caught:
        store.datastore_folder("fra")
    assert caught.value.hint == "did you mean 'far'?"


def test_a_connection_is_kept_as_it_was(store: WorkspaceStore) -> None:
    git = Connection("git", "git", target="https://x", settings={"is_shared": True}, credentials={"type": "none"})
    store.connections.put(git)
    assert store.connections.get("git") == git
    assert store.connections.list() == [git]
    store.connections.delete("git")
    with pytest.raises(NotFoundError):
        store.connections.get("git")
