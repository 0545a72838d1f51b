"""What a job registered in MLflow's own registry becomes a model of the workspace."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from mlctl.backends.supervised.products import register_logged
from mlctl.entities.clock import Clock
from mlctl.entities.job import JobRecord
from mlctl.entities.lineage import Node
from mlctl.store.workspaces import Workspaces, WorkspaceStore


@pytest.fixture
def store(tmp_path: Path) -> Iterator[WorkspaceStore]:
    made = Workspaces(tmp_path / "home", Clock()).open("default")
    record = JobRecord("train", "Running", "local", "local", 1.0)
    made.jobs.insert(record, plan={}, folder=made.jobs.new_folder())
    yield made
    made.database.close()


def registered(store: WorkspaceStore, name: str, version: int, content: str = "flavors: {}\n") -> None:
    """What `mlflow.register_model` of MLflow 2 leaves in the file store."""
    model = store.folder / f"jobs/train/artifacts/{name}-{version}"
    model.mkdir(parents=True)
    (model / "MLmodel").write_text(content)
    folder = store.folder / f"mlruns/models/{name}/version-{version}"
    (folder / "tags").mkdir(parents=True)
    (folder / "tags/a").write_text("b")
    meta = f"name: {name}\nversion: {version}\nrun_id: train\nsource: runs:/train/{name}-{version}\n"
    (folder / "meta.yaml").write_text(meta)


def test_the_version_is_mlflows_and_the_job_its_origin(store: WorkspaceStore) -> None:
    registered(store, "iris", 3)
    (asset,) = register_logged("train", store)
    assert (asset.name, asset.version, asset.type, asset.tags) == ("iris", "3", "mlflow_model", {"a": "b"})
    assert asset.properties["azureml.jobName"] == "train"
    assert asset.properties["mlflow.version"] == "3"
    assert store.content.entries(asset.content or "")[0].path == "MLmodel"
    (link,) = store.links.upstream(Node("model", "iris", "3"))
    assert (link.upstream, link.role) == (Node("job", "train"), "output artifacts")
    # once more is the same
    assert register_logged("train", store)[0].version == "3"
    assert len(store.assets.list_versions("model", "iris")) == 1


def test_a_number_that_another_model_has_is_not_taken(store: WorkspaceStore) -> None:
    registered(store, "iris", 1)
    register_logged("train", store)
    (store.folder / "jobs/train/artifacts/iris-1/MLmodel").write_text("flavors: {other: {}}\n")
    (asset,) = register_logged("train", store)
    assert (asset.version, asset.properties["mlflow.version"]) == ("2", "1")
    assert store.links.upstream(Node("model", "iris", "2"))


def test_names_that_azure_ml_does_not_allow_are_made_fit(store: WorkspaceStore) -> None:
    registered(store, "my model", 1)
    (asset,) = register_logged("train", store)
    assert (asset.name, asset.properties["mlflow.name"]) == ("my-model", "my model")
