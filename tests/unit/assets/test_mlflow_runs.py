"""MLflow's file store as MLflow 2 and MLflow 3 write it, found again without MLflow."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from mlctl.assets.mlflow_runs import job_of_run, registered_by_job, run_artifact
from mlctl.assets.places import local_place
from mlctl.entities.clock import Clock
from mlctl.entities.job import JobRecord
from mlctl.errors import ConflictError, NotFoundError, UnsupportedError
from mlctl.store.workspaces import Workspaces, WorkspaceStore

RUN = "2e0f9093bfa840f4986c781685cd9705"


@pytest.fixture
def store(tmp_path: Path) -> Iterator[WorkspaceStore]:
    made = Workspaces(tmp_path / "home", Clock(now=lambda: 1000.0)).open("default")
    for name, status in (("train", "Completed"), ("other", "Completed"), ("running", "Running")):
        record = JobRecord(name, status, "local", "local", 1.0)
        made.jobs.insert(
            record, plan={"payload": {"folder": "/x/jobs/j", "outputs": []}}, folder=made.jobs.new_folder()
        )
    yield made
    made.database.close()


def put(store: WorkspaceStore, path: str, text: str = "x") -> Path:
    place = store.folder / path
    place.parent.mkdir(parents=True, exist_ok=True)
    place.write_text(text)
    return place


def logged_model(store: WorkspaceStore, model: str, job: str, name: str = "model", when: int = 1) -> Path:
    """A model as MLflow 3 logs it: beside the runs, with the job's tag."""
    folder = f"mlruns/1/models/{model}"
    put(
        store,
        f"{folder}/meta.yaml",
        f"name: {name}\nmodel_id: {model}\nsource_run_id: null\ncreation_timestamp: {when}\n",
    )
    put(store, f"{folder}/tags/mlctl.job", job)
    return put(store, f"{folder}/artifacts/MLmodel").parent


def own_run(store: WorkspaceStore, job: str = "train") -> Path:
    """A run that a script opened itself."""
    put(store, f"mlruns/1/{RUN}/meta.yaml", "artifact_uri: file:///etc\n")
    put(store, f"mlruns/1/{RUN}/tags/mlctl.job", job)
    return put(store, f"mlruns/1/{RUN}/artifacts/model/MLmodel").parent


def test_what_a_job_logged_is_below_its_artifacts(store: WorkspaceStore) -> None:
    place = put(store, "jobs/train/artifacts/model/MLmodel").parent
    assert run_artifact(store, "train", "model").place == place
    assert run_artifact(store, "train", "model").job == "train"
    assert run_artifact(store, "train", "model/MLmodel").place == place / "MLmodel"
    assert run_artifact(store, "train", "").place == place.parent
    assert local_place("runs:/train/model", store) == place


def test_a_run_of_its_own_knows_its_job_and_its_place_is_not_taken_from_its_file(store: WorkspaceStore) -> None:
    place = own_run(store)
    found = run_artifact(store, RUN, "model")
    assert (found.place, found.job) == (place, "train")
    assert job_of_run(store, RUN) == "train"
    assert job_of_run(store, "other") == "other"


def test_a_model_that_mlflow_3_logged_is_found_where_people_look_for_it(store: WorkspaceStore) -> None:
    logged_model(store, "m-1", "train", when=1)
    newest = logged_model(store, "m-2", "train", when=2)
    logged_model(store, "m-3", "other", when=3)
    assert run_artifact(store, "train", "model").place == newest
    assert run_artifact(store, "train", "model/MLmodel").place == newest / "MLmodel"
    assert local_place("azureml://jobs/train/outputs/artifacts/paths/model", store) == newest
    assert local_place("azureml://jobs/train/outputs/artifacts/paths/model/MLmodel", store) == newest / "MLmodel"
    # what is really there counts
    real = put(store, "jobs/train/artifacts/model/w.bin").parent
    assert run_artifact(store, "train", "model").place == real


def test_what_is_not_there_says_what_is(store: WorkspaceStore) -> None:
    put(store, "jobs/train/artifacts/plots/a.png")
    logged_model(store, "m-1", "train")
    with pytest.raises(NotFoundError) as caught:
        run_artifact(store, "train", "modle")
    assert caught.value.hint == "it has model, plots"
    with pytest.raises(NotFoundError, match="no job and no MLflow run 'nobody'"):
        run_artifact(store, "nobody", "model")
    with pytest.raises(NotFoundError, match="no job and no MLflow run"):
        run_artifact(store, "*", "model")
    with pytest.raises(NotFoundError):
        local_place("azureml://jobs/train/outputs/artifacts/paths/nothing", store)


def test_a_job_that_has_not_ended_has_no_model_yet(store: WorkspaceStore) -> None:
    put(store, "jobs/running/artifacts/model/MLmodel")
    with pytest.raises(ConflictError, match="is Running"):
        run_artifact(store, "running", "model")
    own_run(store, job="running")
    with pytest.raises(ConflictError, match="job 'running' is Running"):
        run_artifact(store, RUN, "model")


@pytest.mark.parametrize("path", ["../../x", "a/../../x", "%2e%2e/x", "/etc/passwd"])
def test_paths_that_lead_out_are_refused(store: WorkspaceStore, path: str) -> None:
    with pytest.raises(UnsupportedError):
        run_artifact(store, "train", path)


def test_a_link_that_leads_out_is_refused(store: WorkspaceStore, tmp_path: Path) -> None:
    (tmp_path / "secret").write_text("s")
    put(store, "jobs/train/artifacts/a")
    (store.folder / "jobs/train/artifacts/out").symlink_to(tmp_path / "secret")
    with pytest.raises(UnsupportedError, match="leads out of the workspace"):
        run_artifact(store, "train", "out")


def version(store: WorkspaceStore, name: str, number: int, **fields: object) -> None:
    lines = "".join(f"{key}: {value}\n" for key, value in {"name": name, "version": number, **fields}.items())
    put(store, f"mlruns/models/{name}/version-{number}/meta.yaml", lines)


def test_registered_models_of_a_job(store: WorkspaceStore) -> None:
    three = logged_model(store, "m-1", "train")
    version(store, "three", 1, model_id="m-1", run_id="null", description="what it is")
    put(store, "mlruns/models/three/version-1/tags/stage", "prod")
    two = put(store, "jobs/train/artifacts/model/MLmodel").parent
    version(store, "two", 10, run_id="train", source=f"file://{store.folder}/jobs/train/artifacts/model")
    version(store, "two", 9, run_id="train", source="runs:/train/model")
    own = own_run(store)
    version(store, "own", 1, run_id=RUN, source=f"file:///moved/since/mlruns/1/{RUN}/artifacts/model")
    found = registered_by_job(store, "train")
    assert [(one.name, one.version, one.place) for one in found] == [
        ("own", "1", own),
        ("three", "1", three),
        ("two", "9", two),
        ("two", "10", two),
    ]
    assert (found[1].description, found[1].tags) == ("what it is", {"stage": "prod"})


def test_versions_of_others_and_from_elsewhere_are_left_out(store: WorkspaceStore, tmp_path: Path) -> None:
    put(store, "jobs/train/artifacts/a/MLmodel")
    logged_model(store, "m-9", "other")
    (tmp_path / "secret").write_text("s")
    (store.folder / "jobs/train/artifacts/out").symlink_to(tmp_path / "secret")
    version(store, "others", 1, model_id="m-9", run_id="null")
    version(store, "another", 1, run_id="other", source="runs:/other/model")
    version(store, "gone", 1, run_id="train", source="runs:/train/gone")
    version(store, "up", 1, run_id="train", source="runs:/train/../other/a")
    version(store, "host", 1, run_id="train", source="file:///etc")
    version(store, "link", 1, run_id="train", source="runs:/train/out")
    put(store, "mlruns/models/broken/version-1/meta.yaml", "name: [")
    assert registered_by_job(store, "train") == []
    assert registered_by_job(store, "running") == []
