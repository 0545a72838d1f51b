"""Endpoints, deployments and their history in the store."""

from __future__ import annotations

from typing import Any

import pytest

from mlctl.entities.endpoint import Deployment, Endpoint
from mlctl.errors import ConflictError, NotFoundError
from mlctl.store.workspaces import Workspaces, WorkspaceStore


def put(store: WorkspaceStore, name: str = "blue", generation: int | None = None, **plan: Any) -> Deployment:
    number = generation or store.endpoints.next_generation("iris", name)
    deployment = Deployment("iris", name, "local", generation=number, properties={"mlctl.code": "abc"})
    store.endpoints.put_deployment(deployment, {"number": number, **plan}, f"put {name}", by="me", at=5.0)
    return deployment


@pytest.fixture
def iris(store: WorkspaceStore) -> Endpoint:
    endpoint = Endpoint("iris", port=5001, tags={"a": "b"})
    store.endpoints.insert(endpoint)
    return endpoint


def test_a_name_and_a_port_are_given_out_once(store: WorkspaceStore, iris: Endpoint) -> None:
    with pytest.raises(ConflictError, match="'iris' exists already"):
        store.endpoints.insert(Endpoint("iris", port=5002))
    with pytest.raises(ConflictError, match="port 5001 belongs to the endpoint 'iris'") as caught:
        store.endpoints.insert(Endpoint("other", port=5001))
    assert caught.value.details == {"port": 5001}
    # batch endpoints have no port
    store.endpoints.insert(Endpoint("one", kind="batch"))
    store.endpoints.insert(Endpoint("two", kind="batch"))
    assert [found.name for found in store.endpoints.list("online")] == ["iris"]
    with pytest.raises(NotFoundError, match="no online-endpoint named 'irs'"):
        store.endpoints.get("online", "irs")


def test_a_change_leaves_alone_what_it_does_not_name(store: WorkspaceStore, iris: Endpoint) -> None:
    put(store)
    store.endpoints.update(iris, "traffic", by="me", at=6.0, traffic={"blue": 100})
    # somebody who read the endpoint before that stops it
    changed = store.endpoints.update(iris, "stop", by="you", at=7.0, stopped=True)
    assert (changed.traffic, changed.stopped, changed.tags) == ({"blue": 100}, True, {"a": "b"})
    history = store.endpoints.history("iris")
    assert [(one.what, one.by, one.traffic) for one in history] == [
        ("put blue", "me", {}),
        ("traffic", "me", {"blue": 100}),
        ("stop", "you", {"blue": 100}),
    ]
    assert history[0].deployments == {"blue": {"generation": 1, "mlctl.code": "abc"}}


def test_traffic_to_a_deployment_that_is_gone_meanwhile(store: WorkspaceStore, iris: Endpoint) -> None:
    put(store)
    store.endpoints.delete_deployment("iris", "blue", by="me", at=6.0)
    with pytest.raises(NotFoundError, match="'iris' has no deployment 'blue' any more"):
        store.endpoints.update(iris, "traffic", by="me", at=7.0, traffic={"blue": 100})
    with pytest.raises(NotFoundError):
        store.endpoints.update(Endpoint("gone"), "stop", by="me", at=7.0, stopped=True)


def test_a_deployment_with_traffic_is_not_deleted(store: WorkspaceStore, iris: Endpoint) -> None:
    put(store)
    put(store, "green")
    store.endpoints.update(iris, "traffic", by="me", at=6.0, traffic={"blue": 100}, mirror_traffic={"green": 10})
    with pytest.raises(ConflictError, match="'blue' gets 100 % of the traffic"):
        store.endpoints.delete_deployment("iris", "blue", by="me", at=7.0)
    with pytest.raises(ConflictError, match="'green' gets 10 %"):
        store.endpoints.delete_deployment("iris", "green", by="me", at=7.0)
    store.endpoints.update(iris, "traffic", by="me", at=8.0, traffic={"blue": 0, "green": 100}, mirror_traffic={})
    store.endpoints.delete_deployment("iris", "blue", by="me", at=9.0)
    assert store.endpoints.get("online", "iris").traffic == {"green": 100}
    with pytest.raises(NotFoundError, match="no deployment 'blue'"):
        store.endpoints.deployment("iris", "blue")


def test_generations_never_come_back(store: WorkspaceStore, iris: Endpoint) -> None:
    assert [put(store).generation for _ in range(3)] == [1, 2, 3]
    store.endpoints.delete_deployment("iris", "blue", by="me", at=6.0)
    assert put(store).generation == 4
    store.endpoints.delete("online", "iris")
    store.endpoints.insert(iris)
    assert put(store).generation == 1  # its folder went with the endpoint


def test_of_two_who_deploy_at_once_one_does(store: WorkspaceStore, iris: Endpoint) -> None:
    put(store, generation=1)
    with pytest.raises(ConflictError, match="exists already"):
        put(store, generation=1)
    put(store, generation=2)
    with pytest.raises(ConflictError, match="changed or deleted by somebody else"):
        put(store, generation=2)


def test_what_answers_is_the_keepers_to_say(store: WorkspaceStore, iris: Endpoint) -> None:
    first = put(store)
    # read before the keeper lets generation 1 take over, written after it
    stale = Deployment("iris", "blue", "local", generation=2, active=0, created_by="me")
    assert store.endpoints.update_deployment(first, active=1)
    store.endpoints.put_deployment(stale, {"number": 2}, "update blue", by="me", at=6.0)
    found = store.endpoints.deployment("iris", "blue")
    assert (found.generation, found.active) == (2, 1)
    assert not store.endpoints.update_deployment(first, active=9)  # of an earlier generation


def test_plans_that_nobody_needs_are_forgotten(store: WorkspaceStore, iris: Endpoint) -> None:
    first = put(store)
    store.endpoints.update_deployment(first, active=1)
    put(store)
    put(store)
    assert store.endpoints.plan("iris", "blue", 1) == {"number": 1}  # it answers
    assert store.endpoints.plan("iris", "blue", 3) == {"number": 3}
    with pytest.raises(NotFoundError):
        store.endpoints.plan("iris", "blue", 2)


def test_a_workspace_with_an_endpoint_is_not_deleted(
    workspaces: Workspaces, store: WorkspaceStore, iris: Endpoint
) -> None:
    store.endpoints.insert(Endpoint("often", kind="batch"))
    with pytest.raises(ConflictError, match="not stopped: iris"):
        workspaces.delete("default")
    store.endpoints.update(iris, "stop", by="me", at=6.0, stopped=True)
    workspaces.delete("default")
    assert workspaces.names() == ()
