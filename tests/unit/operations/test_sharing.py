"""Sharing by the commands' operations: data in datastores, components in components, references of jobs."""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path

import pytest

from mlctl.assets.places import local_place
from mlctl.assets.resolver import Resolver
from mlctl.entities.asset import Asset, fingerprint_of
from mlctl.entities.clock import Clock
from mlctl.entities.environment import Environment
from mlctl.entities.lineage import Node
from mlctl.errors import NotFoundError, UsageError
from mlctl.operations.assets import AssetDesk, create, describe, download
from mlctl.operations.job_assets import resolve_environment, resolve_job
from mlctl.operations.registries import find, open_registry, registries_of, registry_sources
from mlctl.operations.sharing import dangling_references, put, share
from mlctl.registry.known import OpenRegistry
from mlctl.settings import Settings, load
from mlctl.spec.job import load_command_job
from mlctl.spec.references import parse
from mlctl.store.workspaces import Workspaces, WorkspaceStore

CLOCK = Clock(now=lambda: 1000.0)


@pytest.fixture
def settings(tmp_path: Path) -> Settings:
    return load(environ={"MLCTL_HOME": str(tmp_path / "home"), "HOME": str(tmp_path)}, cwd=tmp_path)


@pytest.fixture
def registry(settings: Settings, tmp_path: Path) -> OpenRegistry:
    registries_of(settings, CLOCK).create("team", str(tmp_path / "share"))
    return open_registry(settings, "team")


@pytest.fixture
def stores(settings: Settings) -> Iterator[tuple[WorkspaceStore, WorkspaceStore]]:
    workspaces = Workspaces(settings.home, CLOCK)
    made = []
    for name in ("one", "two"):
        workspaces.create(name)
        made.append(workspaces.open(name))
    yield made[0], made[1]
    for store in made:
        store.database.close()


def test_a_job_of_another_workspace_finds_what_is_shared(
    settings: Settings, registry: OpenRegistry, stores: tuple[WorkspaceStore, WorkspaceStore], tmp_path: Path
) -> None:
    one, two = stores
    (tmp_path / "d").mkdir()
    (tmp_path / "d" / "a.csv").write_text("1")
    data, _ = create(AssetDesk(one, CLOCK), "data", None, fields={"name": "iris", "path": str(tmp_path / "d")})
    share(data, one, registry, name="iris", version="5", now=1.0)
    create(
        AssetDesk(one, CLOCK, registry=registry), "environment", None, fields={"name": "env", "image": "python:3.11"}
    )
    (tmp_path / "job.yml").write_text(
        "command: ls\nenvironment: azureml://registries/team/environments/env/versions/1\n"
        "inputs:\n  i: {type: uri_folder, path: 'azureml://registries/team/data/iris/labels/latest'}\n"
    )
    resolver = Resolver(two, registry_sources(settings, two))
    job = resolve_job(load_command_job(tmp_path / "job.yml")[0], resolver)
    assert job.inputs["i"].asset == "azureml://registries/team/data/iris/versions/5"
    assert (local_place(str(job.inputs["i"].path), two) / "a.csv").read_text() == "1"
    assert job.environment.image == "python:3.11"
    assert [link.downstream for link in one.links.downstream(Node("data", "iris", "1"))] == [
        Node("data", "azureml://registries/team/iris", "5")
    ]
    made, _ = create(
        AssetDesk(two, CLOCK, sources=registry_sources(settings, two)),
        "data",
        None,
        fields={"name": "mine", "path": "azureml://registries/team/data/iris/versions/5"},
    )
    assert (made.content, made.path, made.registry) == (data.content, data.path, "")
    assert Node("data", "azureml://registries/team/iris", "5") in [
        link.upstream for link in two.links.upstream(Node("data", "mine", "1"))
    ]


def test_names_of_registries_that_are_not_known_stay_as_they_are(
    settings: Settings, registry: OpenRegistry, stores: tuple[WorkspaceStore, WorkspaceStore]
) -> None:
    resolver = Resolver(stores[0], registry_sources(settings, stores[0]))
    curated = Environment(reference="azureml://registries/azureml/environments/sklearn-1.5/labels/latest")
    assert resolve_environment(curated, resolver) == curated
    with pytest.raises(NotFoundError, match="no registry named 'other'"):
        resolver.get("azureml://registries/other/data/x/versions/1", "data")
    with pytest.raises(NotFoundError, match="in registry 'team'"):
        resolve_environment(Environment(reference="azureml://registries/team/environments/x/versions/1"), resolver)


def test_find_tells_asset_and_registry(settings: Settings, registry: OpenRegistry) -> None:
    asset = Asset("model", "m", "1", path="https://example.com/m")
    registry.assets.add(asset)
    found, place = find(settings, parse("azureml://registries/team/models/m/versions/1"))
    assert (found.name, found.registry, place.name) == ("m", "team", "team")
    for text in ("azureml:m:1", "azureml://registries/team/codes/m/versions/1", "m"):
        with pytest.raises(UsageError):
            find(settings, parse(text))
    for text in ("azureml://registries/other/models/m/versions/1", "azureml://registries/team/models/m/versions/2"):
        with pytest.raises(NotFoundError):
            find(settings, parse(text))


def test_data_in_a_datastore_goes_along_with_its_files(
    registry: OpenRegistry, stores: tuple[WorkspaceStore, WorkspaceStore], tmp_path: Path
) -> None:
    one, two = stores
    (one.datastore_folder("workspaceblobstore") / "raw").mkdir()
    (one.datastore_folder("workspaceblobstore") / "raw" / "x.csv").write_text("x")
    path = "azureml://datastores/workspaceblobstore/paths/raw"
    data, _ = create(AssetDesk(one, CLOCK), "data", None, fields={"name": "raw", "path": path})
    assert data.content is None
    shared = share(data, one, registry, name="raw", version="1", now=1.0)
    assert shared.content is not None
    assert shared.fingerprint == fingerprint_of(shared)
    assert share(data, one, registry, name="raw", version="1", now=2.0) == shared
    target, _ = download(AssetDesk(two, CLOCK, registry=registry), shared, tmp_path / "out")
    assert (target / "x.csv").read_text() == "x"


def test_an_address_for_everybody_is_kept(
    registry: OpenRegistry, stores: tuple[WorkspaceStore, WorkspaceStore]
) -> None:
    asset = stores[0].assets.add(Asset("data", "d", "1", path="https://example.com/d.csv", created_at=1.0))
    shared = share(asset, stores[0], registry, name="d", version="1", now=2.0)
    assert (shared.path, shared.content) == ("https://example.com/d.csv", None)


def test_components_without_a_name_go_along(
    registry: OpenRegistry, stores: tuple[WorkspaceStore, WorkspaceStore]
) -> None:
    store = stores[0]
    inner = Asset("component", "azureml_anonymous", "abc", type="command", anonymous=True, document={"command": "ls"})
    store.assets.add(inner)
    document = {
        "jobs": {"a": {"component": "azureml:azureml_anonymous:abc", "environment": "azureml:mine:1"}},
        "list": ["azureml:mine:1", 1, None, "azureml://registries/team/models/m/versions/1"],
    }
    outer = store.assets.add(Asset("component", "outer", "1", type="pipeline", document=document))
    assert dangling_references(outer) == ["azureml:mine:1"]
    shared = put(outer, store, registry, now=1.0)
    reference = "azureml://registries/team/components/azureml_anonymous/versions/abc"
    assert shared.document["jobs"]["a"]["component"] == reference
    assert registry.assets.get("component", "azureml_anonymous", "abc").document == {"command": "ls"}
    assert [name.name for name in registry.assets.list_names("component")] == ["outer"]
    assert put(outer, store, registry, now=2.0) == shared


def test_an_asset_of_a_registry_is_shown_as_such(
    registry: OpenRegistry, stores: tuple[WorkspaceStore, WorkspaceStore]
) -> None:
    desk = AssetDesk(stores[0], CLOCK, registry=registry)
    made, _ = create(desk, "environment", None, fields={"name": "env", "image": "python:3.11"})
    registry.assets.set_label("environment", "env", "good", "1")
    shown = describe(desk, made)
    assert shown["id"] == "azureml://registries/team/environments/env/versions/1"
    assert (shown["labels"], shown["image"]) == (["good"], "python:3.11")
    assert stores[0].assets.list_names("environment") == []


def in_a_datastore(store: WorkspaceStore) -> tuple[Asset, Path]:
    """A folder in a datastore as an asset that is its address, and the folder."""
    folder = store.datastore_folder("workspaceblobstore") / "raw"
    (folder / "sub").mkdir(parents=True)
    (folder / "a.csv").write_text("1")
    (folder / "sub" / "near").symlink_to("../a.csv")
    address = "azureml://datastores/workspaceblobstore/paths/raw"
    return store.assets.add(Asset("data", "d", "1", type="uri_folder", path=address, created_at=1.0)), folder


@pytest.mark.parametrize("link", ["absolute", "relative", "by a link"])
def test_a_link_that_leaves_the_data_is_neither_shared_nor_downloaded(
    registry: OpenRegistry, stores: tuple[WorkspaceStore, WorkspaceStore], tmp_path: Path, link: str
) -> None:
    asset, folder = in_a_datastore(stores[0])
    (folder / "deep" / "er").mkdir(parents=True)
    (folder / "sub" / "here").symlink_to("../deep/er")
    target = {"absolute": folder / "a.csv", "relative": "../../raw2", "by a link": "here/../../../raw2"}[link]
    (folder.parent / "raw2").mkdir()  # one name begins like the other
    (folder.parent / "raw2" / "b.csv").write_text("2")
    (folder / "sub" / "away").symlink_to(target)
    if link != "absolute":  # it is within the folder, but not within a copy
        with pytest.raises(UsageError, match="sub/away leads out of the folder"):
            share(asset, stores[0], registry, name="d", version="1", now=2.0)
        assert registry.assets.all() == []
    with pytest.raises(UsageError, match="sub/away leads out of the folder"):
        download(AssetDesk(stores[0], CLOCK), asset, tmp_path / "to")
    assert list((tmp_path / "to").iterdir()) == []


def test_a_link_within_the_data_is_downloaded_as_one_and_a_pipe_is_left_out(
    stores: tuple[WorkspaceStore, WorkspaceStore], tmp_path: Path
) -> None:
    asset, folder = in_a_datastore(stores[0])
    (folder / "sub" / "up").symlink_to("..")
    os.mkfifo(folder / "sub" / "pipe")
    place, warnings = download(AssetDesk(stores[0], CLOCK), asset, tmp_path / "to")
    assert warnings == (f"{folder}/sub/pipe is no file and was left out",)
    assert (place / "sub" / "near").readlink() == Path("../a.csv")
    assert (place / "sub" / "up" / "a.csv").read_text() == "1"
    assert not (place / "sub" / "pipe").exists()
