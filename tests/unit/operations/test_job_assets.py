"""What a job's references to assets become before the job is planned."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from mlctl.assets.resolver import Resolver
from mlctl.entities.asset import Asset
from mlctl.entities.clock import Clock
from mlctl.entities.command_job import CommandJob
from mlctl.errors import InvalidSpecError, MlctlError, NotFoundError
from mlctl.operations.assets import AssetDesk, create
from mlctl.operations.job_assets import resolve_environment, resolve_job
from mlctl.spec.job import load_command_job
from mlctl.store.workspaces import Workspaces, WorkspaceStore


@pytest.fixture
def store(tmp_path: Path) -> Iterator[WorkspaceStore]:
    made = Workspaces(tmp_path / "home", Clock(now=lambda: 1000.0)).open("default")
    yield made
    made.database.close()


@pytest.fixture
def desk(store: WorkspaceStore, tmp_path: Path) -> AssetDesk:
    (tmp_path / "d").mkdir()
    (tmp_path / "d/a.csv").write_text("1")
    return AssetDesk(store, Clock(now=lambda: 1000.0))


def _create(desk: AssetDesk, kind: str, **fields: Any) -> Asset:
    return create(desk, kind, None, fields=fields)[0]


def _job(tmp_path: Path, inputs: str = "", environment: str = "{image: x}") -> CommandJob:
    path = tmp_path / "job.yml"
    path.write_text(f"command: ls\nenvironment: {environment}\n" + (f"inputs:\n  i: {inputs}\n" if inputs else ""))
    return load_command_job(path)[0]


def test_data_and_models_become_their_files(desk: AssetDesk, tmp_path: Path) -> None:
    data = _create(desk, "data", name="d", path=str(tmp_path / "d"))
    model = _create(desk, "model", name="d", path=str(tmp_path / "d/a.csv"))
    given = resolve_job(_job(tmp_path, "{type: uri_folder, path: azureml:d@latest}"), Resolver(desk.store)).inputs["i"]
    assert (given.path, given.asset) == (data.path, "azureml:d:1")
    given = resolve_job(_job(tmp_path, "{type: custom_model, path: 'azureml:d:1'}"), Resolver(desk.store)).inputs["i"]
    assert (given.path, given.asset) == (model.path, "azureml:d:1")


def test_the_asset_says_the_type_when_the_job_does_not(desk: AssetDesk, tmp_path: Path) -> None:
    _create(desk, "data", name="f", path=str(tmp_path / "d/a.csv"), type="uri_file")
    assert resolve_job(_job(tmp_path, "{path: 'azureml:f:1'}"), Resolver(desk.store)).inputs["i"].type == "uri_file"


def test_the_long_form_of_this_workspace_is_known_and_that_of_another_is_not(desk: AssetDesk, tmp_path: Path) -> None:
    _create(desk, "data", name="d", path=str(tmp_path / "d"))
    here = "azureml://locations/local/workspaces/default/data/d/versions/1"
    assert resolve_job(_job(tmp_path, f"{{path: '{here}'}}"), Resolver(desk.store)).inputs["i"].asset == "azureml:d:1"
    there = here.replace("default", "other")
    with pytest.raises(NotFoundError, match="in workspace 'other'"):
        resolve_job(_job(tmp_path, f"{{path: '{there}'}}"), Resolver(desk.store))


@pytest.mark.parametrize(
    ("inputs", "error", "words"),
    [
        ("{path: 'azureml:nope:1'}", NotFoundError, "job.yml:4: inputs.i.path: no data named 'nope'"),
        ("{path: 'azureml:d:9'}", NotFoundError, "data 'd' has no version '9'"),
        ("{path: 'azureml:d:1', type: uri_file}", InvalidSpecError, "inputs.i.type: data 'd' version '1' is a folder"),
        ("{path: 'azureml://registries/r/data/d/versions/1'}", NotFoundError, "no registry named 'r'"),
    ],
)
def test_what_cannot_be_resolved_is_told_with_its_line(
    desk: AssetDesk, tmp_path: Path, inputs: str, error: type[MlctlError], words: str
) -> None:
    _create(desk, "data", name="d", path=str(tmp_path / "d"))
    job = _job(tmp_path, inputs)
    with pytest.raises(error) as caught:
        resolve_job(job, Resolver(desk.store))
    assert words in caught.value.message


def test_environments_of_the_workspace_win_over_curated_names(desk: AssetDesk, tmp_path: Path) -> None:
    job = _job(tmp_path, environment="azureml:sklearn-1.5@latest")
    assert resolve_environment(job.environment, Resolver(desk.store)) == job.environment
    (tmp_path / "conda.yml").write_text("dependencies: [numpy]\n")
    _create(desk, "environment", name="sklearn-1.5", image="i", conda_file=str(tmp_path / "conda.yml"))
    found = resolve_environment(job.environment, Resolver(desk.store))
    assert (found.image, found.conda, found.asset) == ("i", {"dependencies": ["numpy"]}, "azureml:sklearn-1.5:1")
    pinned = replace(job.environment, reference="azureml:sklearn-1.5:4")
    with pytest.raises(NotFoundError, match="has no version '4'"):
        resolve_environment(pinned, Resolver(desk.store))


def test_a_build_context_is_the_stored_one(desk: AssetDesk, tmp_path: Path) -> None:
    (tmp_path / "d/Dockerfile").write_text("FROM x\n")
    _create(desk, "environment", name="e", **{"build.path": str(tmp_path / "d")})
    (tmp_path / "d/Dockerfile").write_text("FROM y\n")
    job = _job(tmp_path, environment="azureml:e:1")
    build = resolve_environment(job.environment, Resolver(desk.store)).build
    assert build is not None
    assert Path(build.path, build.dockerfile_path).read_text() == "FROM x\n"
