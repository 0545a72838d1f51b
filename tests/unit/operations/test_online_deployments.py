"""From deployment specs to generations."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from tests.unit.operations.endpoint_desks import Desk

from mlctl.entities.online_deployment import ModelFiles
from mlctl.errors import ConflictError, InvalidSpecError, NotFoundError, UnavailableError, UsageError
from mlctl.operations import endpoints, online_deployments
from mlctl.operations.model_environments import environment_of_model
from mlctl.operations.online_deployments import DeploymentFailedError

SPEC: dict[str, Any] = {
    "name": "blue", "endpoint_name": "iris", "model": {"path": "model.txt"},
    "code_configuration": {"code": "code", "scoring_script": "score.py"},
    "environment": {"image": "library/python:latest"}, "instance_type": "F2", "instance_count": 1,
}  # fmt: skip


@pytest.fixture
def office(tmp_path: Path) -> Iterator[Desk]:
    office = Desk(tmp_path / "home")
    endpoints.create(office.desk, None, fields={"name": "iris"})
    (tmp_path / "code").mkdir()
    (tmp_path / "code" / "score.py").write_text("def init(): pass\ndef run(data): return data\n")
    (tmp_path / "model.txt").write_text("weights")
    yield office
    office.store.database.close()


def spec(tmp_path: Path, **changes: Any) -> Path:
    data = {key: value for key, value in {**SPEC, **changes}.items() if value is not None}
    (tmp_path / "deployment.yml").write_text(json.dumps(data))
    return tmp_path / "deployment.yml"


def test_a_deployment_is_stored_with_model_and_code(office: Desk, tmp_path: Path) -> None:
    probe = {"initial_delay": 1, "period": 2, "timeout": 3, "success_threshold": 4, "failure_threshold": 5}
    path = spec(
        tmp_path,
        endpoint_name="Iris",
        environment_variables={"A": 1, "B": None},
        request_settings={"request_timeout_ms": 100},
        liveness_probe=probe,
        app_insights_enabled=True,
    )
    deployment, warnings = online_deployments.create(office.desk, path)
    assert (deployment.endpoint, deployment.generation, deployment.active) == ("iris", 1, 0)
    assert any("app_insights_enabled is not honoured" in text for text in warnings)
    plan = office.store.endpoints.plan("iris", "blue", 1)
    assert plan["variables"] == {"A": "1", "B": ""}
    assert plan["liveness"] == probe
    assert plan["readiness"]["failure_threshold"] == 30
    assert plan["requests"]["request_timeout_ms"] == 100
    assert plan["model"]["base"] == "model.txt"
    assert [entry.path for entry in office.store.content.entries(plan["code"])] == ["score.py"]
    shown = online_deployments.describe(office.desk, deployment)
    assert (shown["instance_type"], shown["instance_count"]) == ("local", 1)
    with pytest.raises(ConflictError, match="'blue' of 'iris' exists already"):
        online_deployments.create(office.desk, path)
    again, _ = online_deployments.create(office.desk, path, update=True)
    assert (again.generation, again.provisioning_state) == (2, "Updating")


@pytest.mark.parametrize(
    ("changes", "error", "said"),
    [
        ({"endpoint_name": "other"}, NotFoundError, "no online-endpoint named 'other'"),
        ({"model": "azureml:nothing:1"}, NotFoundError, "deployment.yml.*nothing"),
        ({"code_configuration": None}, InvalidSpecError, "has no code_configuration"),
        ({"environment": None}, InvalidSpecError, "environment"),
        ({"instance_count": 0}, InvalidSpecError, "instance_count"),
    ],
)
def test_what_cannot_be_deployed(
    office: Desk, tmp_path: Path, changes: dict[str, Any], error: type[Exception], said: str
) -> None:
    with pytest.raises(error) as caught:
        online_deployments.create(office.desk, spec(tmp_path, **changes))
    assert re.search(said, caught.value.message)
    assert office.store.endpoints.deployments("iris") == []


def test_update_of_a_deployment_that_is_not_there(office: Desk, tmp_path: Path) -> None:
    with pytest.raises(NotFoundError, match="no deployment 'blue'"):
        online_deployments.create(office.desk, spec(tmp_path), update=True)


def test_waiting_ends_with_the_reason(office: Desk, tmp_path: Path) -> None:
    deployment, _ = online_deployments.create(office.desk, spec(tmp_path))
    error = {"code": "StartFailed", "message": "ended (exit 1)", "hint": "look", "log": ["one", "two"]}
    office.store.endpoints.update_deployment(deployment, provisioning_state="Failed", error=error)
    with pytest.raises(DeploymentFailedError, match=r"'blue' failed: ended \(exit 1\)\n  one\n  two") as caught:
        online_deployments.wait(office.desk, deployment)
    assert caught.value.exit_code == 10
    online_deployments.create(office.desk, spec(tmp_path), update=True)
    with pytest.raises(ConflictError, match="changed by somebody else"):
        online_deployments.wait(office.desk, deployment)


def test_nobody_waits_for_a_stopped_endpoint(office: Desk, tmp_path: Path) -> None:
    endpoints.stop(office.desk, "iris")
    office.endpoints.asked.clear()
    deployment, _ = online_deployments.create(office.desk, spec(tmp_path))
    assert office.endpoints.asked == []
    with pytest.raises(UnavailableError, match="is stopped: 'blue' starts when the endpoint does"):
        online_deployments.wait(office.desk, deployment)


def test_changes_without_a_file(office: Desk, tmp_path: Path) -> None:
    online_deployments.create(office.desk, spec(tmp_path))
    change = online_deployments.change
    assert change(office.desk, "iris", "blue", {"tags": {"a": "b"}}).generation == 1
    more = change(office.desk, "iris", "blue", {"instance_count": 3})
    assert more.generation == 2
    assert office.store.endpoints.plan("iris", "blue", 2)["instances"] == 3
    for bad in (0, "2", 1.5):
        with pytest.raises(UsageError, match="instance_count cannot be"):
            change(office.desk, "iris", "blue", {"instance_count": bad})
    with pytest.raises(UsageError, match="cannot change model"):
        change(office.desk, "iris", "blue", {"model": "azureml:m:1"})


def test_routes_of_a_container_of_its_own(office: Desk, tmp_path: Path) -> None:
    route = {"port": 8501, "path": "/v1/models/m"}
    config = {
        "liveness_route": route,
        "readiness_route": route,
        "scoring_route": {**route, "path": "/v1/models/m:predict"},
    }
    environment = {"image": "tensorflow/serving:latest", "inference_config": config}
    path = spec(tmp_path, code_configuration=None, environment=environment)
    online_deployments.create(office.desk, path)
    routes = office.store.endpoints.plan("iris", "blue", 1)["routes"]
    assert routes == {"scoring": "/v1/models/m:predict", "liveness": "/v1/models/m", "readiness": "/v1/models/m"}


def mlflow_model(office: Desk, folder: Path, **files: str) -> ModelFiles:
    (folder / "model").mkdir(parents=True)
    for name, text in files.items():
        (folder / "model" / name.replace("__", ".")).write_text(text)
    digest = office.store.content.add_folder(folder).digest
    return ModelFiles("m", "1", digest, "model", "mlflow_model")


def test_the_environment_of_an_mlflow_model(office: Desk, tmp_path: Path) -> None:
    conda = "dependencies:\n- python=3.11\n- pip:\n  - mlflow\n"
    found = environment_of_model(office.store, mlflow_model(office, tmp_path / "a", MLmodel="", conda__yaml=conda))
    assert found.conda == {"dependencies": ["python=3.11", {"pip": ["mlflow"]}]}
    model = mlflow_model(office, tmp_path / "b", MLmodel="", requirements__txt="# no\nmlflow==2\n\n")
    found = environment_of_model(office.store, model)
    assert found.conda == {"dependencies": ["pip", {"pip": ["mlflow==2"]}]}
    with pytest.raises(InvalidSpecError, match=r"neither conda\.yaml nor requirements\.txt"):
        environment_of_model(office.store, mlflow_model(office, tmp_path / "c", MLmodel=""))
    with pytest.raises(InvalidSpecError, match="holds no MLmodel file"):
        environment_of_model(office.store, mlflow_model(office, tmp_path / "d", conda__yaml=conda))


TENSOR = json.dumps([{"type": "tensor", "tensor-spec": {"dtype": "uint8", "shape": [-1, 2, 3, 3]}}])


@pytest.mark.parametrize(
    ("inputs", "conda", "expected"),
    [
        (TENSOR, ["python=3.11", {"pip": ["mlflow"]}], ["python=3.11", "pip", {"pip": ["mlflow", "pillow"]}]),
        (TENSOR, ["pip", {"pip": ["Pillow>=10"]}], ["pip", {"pip": ["Pillow>=10"]}]),
        (TENSOR, ["pillow=10", "pip"], ["pillow=10", "pip"]),
        ('[{"type": "double", "name": "x"}]', ["pip"], ["pip"]),
        ("no json", ["pip"], ["pip"]),
    ],
)
def test_a_model_that_takes_tensors_gets_what_reads_images(
    office: Desk, tmp_path: Path, inputs: str, conda: list[Any], expected: list[Any]
) -> None:
    about = json.dumps({"signature": {"inputs": inputs}})
    model = mlflow_model(office, tmp_path / "a", MLmodel=about, conda__yaml=json.dumps({"dependencies": conda}))
    found = environment_of_model(office.store, model, files=True).conda
    assert found == {"dependencies": expected}
    # an online deployment has no files to read
    assert environment_of_model(office.store, model).conda == {"dependencies": conda}
