"""The images of a workspace."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest

from mlctl.entities.clock import Clock
from mlctl.entities.image import BuiltImage, links_of
from mlctl.entities.lineage import Node
from mlctl.store.workspaces import Workspaces, WorkspaceStore

FINGERPRINT = "ab" * 32
IMAGE = BuiltImage(
    FINGERPRINT, "unix:///s", f"mlctl/environment:{FINGERPRINT[:32]}", "sha256:1", 5, ("azureml:e:1",), created_at=1.0
)


@pytest.fixture
def store(tmp_path: Path) -> WorkspaceStore:
    return Workspaces(tmp_path, Clock()).open("default")


def test_what_is_known_of_an_image_adds_up(store: WorkspaceStore) -> None:
    assert store.images.list() == []
    assert store.images.keep(IMAGE) == IMAGE
    pushed = store.images.keep(
        replace(IMAGE, environments=("azureml:f:2",), registries={"r/x:1": "sha256:a"}, created_at=2.0)
    )
    assert pushed.environments == ("azureml:e:1", "azureml:f:2")
    again = store.images.keep(replace(IMAGE, environments=(), registries={"r/x:2": "sha256:b"}, created_at=3.0))
    assert again.registries == {"r/x:1": "sha256:a", "r/x:2": "sha256:b"}
    assert again.created_at == 1.0
    assert store.images.list() == [again]


def test_an_image_that_was_built_anew_has_its_new_time(store: WorkspaceStore) -> None:
    store.images.keep(IMAGE)
    store.images.keep(replace(IMAGE, digest="sha256:2", size=6, created_at=9.0))
    (found,) = store.images.list()
    assert (found.digest, found.size, found.created_at) == ("sha256:2", 6, 9.0)


def test_each_engine_has_its_own_and_the_newest_comes_first(store: WorkspaceStore) -> None:
    store.images.keep(IMAGE)
    other = replace(IMAGE, engine="tcp://127.0.0.1:1", created_at=2.0, environments=("azureml:other:1",))
    store.images.keep(other)
    assert store.images.list() == [other, IMAGE]
    assert store.images.list("azureml:e:1") == [IMAGE]
    store.images.forget(other)
    store.images.forget(other)
    assert store.images.list() == [IMAGE]


def test_lineage_leads_from_the_environment_over_the_image_to_the_job(store: WorkspaceStore) -> None:
    store.images.keep(IMAGE, links_of(IMAGE, job="j"))
    (up,) = store.links.upstream(Node("job", "j"))
    assert (up.upstream, up.role) == (Node("image", "sha256:1"), "built image")
    (top,) = store.links.upstream(up.upstream)
    assert (top.upstream, top.role) == (Node("environment", "e", "1"), "environment")


def test_an_environment_of_a_registry_is_named_by_its_address() -> None:
    address = "azureml://registries/r/environments/e/versions/1"
    (link,) = links_of(replace(IMAGE, environments=(address,)))
    assert link.upstream == Node("path", address)


def test_a_base_image_that_is_all_is_not_made_here() -> None:
    assert IMAGE.is_made_here
    plain = replace(IMAGE, image="python:3.11")
    assert not plain.is_made_here
    assert links_of(plain, job="j") == []
