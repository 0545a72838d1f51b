from __future__ import annotations

from collections.abc import Callable

import pytest

from mlctl.entities.compute import Compute
from mlctl.entities.job import JobRecord
from mlctl.errors import ConflictError, NotFoundError
from mlctl.store.workspaces import WorkspaceStore

BOX = Compute("box", "docker", "docker", 4, "d", {"k": "v"}, {"host": "unix:///x"}, 5.0)


def test_a_compute_comes_back_as_it_was_put_in(store: WorkspaceStore) -> None:
    store.computes.put(BOX)
    assert store.computes.get("box") == BOX
    store.computes.put(Compute("box", "docker", "docker", 8))
    assert store.computes.get("box").max_concurrent == 8
    assert store.computes.list() == [store.computes.get("local"), store.computes.get("box")]
    store.computes.delete("box")
    assert store.computes.names() == ["local"]


def test_local_is_always_there(store: WorkspaceStore) -> None:
    assert store.computes.get("local") == Compute("local", "local", "local")
    store.computes.put(Compute("local", "local", "local", max_concurrent=2))
    store.computes.put(Compute("a-first", "docker", "docker"))
    assert [compute.name for compute in store.computes.list()] == ["local", "a-first"]
    assert store.computes.get("local").max_concurrent == 2
    with pytest.raises(ConflictError, match="always there"):
        store.computes.delete("local")
    with pytest.raises(ConflictError, match="cannot have type 'docker'"):
        store.computes.put(Compute("local", "docker", "docker"))


def test_unknown_names_say_what_is_meant(store: WorkspaceStore) -> None:
    store.computes.put(BOX)
    for ask in (store.computes.get, store.computes.delete):
        with pytest.raises(NotFoundError, match="no compute named 'bx'") as caught:
            ask("bx")
        assert caught.value.hint == "did you mean 'box'?"
    assert store.computes.names("b") == ["box"]


def test_a_compute_with_jobs_under_way_is_kept(store: WorkspaceStore, add: Callable[..., JobRecord]) -> None:
    store.computes.put(BOX)
    add("waits", compute="box")
    add("done", compute="box", status="Failed")
    with pytest.raises(ConflictError, match="on the compute 'box': waits"):
        store.computes.delete("box")
    store.jobs.transition("waits", "Canceled", allowed_from={"Queued"})
    store.computes.delete("box")
