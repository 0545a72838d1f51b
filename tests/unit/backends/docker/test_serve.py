"""Plans of deployments on docker, and the requests that make their containers."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from mlctl.backends.docker import serve
from mlctl.backends.docker.runner import EngineKind
from mlctl.backends.docker.serve import container_name, plan_deployment
from mlctl.backends.served.generations import watch_of
from mlctl.backends.served.layout import GenerationFolder
from mlctl.entities.environment import Environment, Requirements
from mlctl.entities.online_deployment import ModelFiles, OnlineDeployment, Route
from mlctl.environments.resolution import ResolvedEnvironment
from mlctl.settings import load

SERVER = "azureml-inference-server-http"
KIND = EngineKind(rootless=False, remapped=False, selinux=True, gpus=False)


def deployment(**fields: Any) -> OnlineDeployment:
    document = {"code_configuration": {"code": "../model-1/onlinescoring/", "scoring_script": "deep/score.py"}}
    model = ModelFiles("flowers", "3", "digest", "model.pkl")
    given = {"model": model, "code": "digest", "script": "deep/score.py", "document": document, **fields}
    return OnlineDeployment(endpoint="iris", name="blue", environment=Environment(), **given)


def planned(resolved: ResolvedEnvironment, **fields: Any) -> dict[str, Any]:
    return plan_deployment(deployment(**fields), resolved, {"docker.io": "mirror.example"})


def request_of(plan: dict[str, Any], tmp_path: Path, *, script: str | None = "deep/score.py") -> dict[str, Any]:
    folder = GenerationFolder(tmp_path / "endpoints/iris/deployments/blue/7")
    settings = load(environ={"MLCTL_HOME": str(tmp_path)}, cwd=tmp_path)
    model = folder.models / "flowers" / "3"
    return serve._request(plan, folder, settings, image="made", kind=KIND, model=model, script=script)


def test_the_server_is_added_where_packages_are_installed() -> None:
    conda = {"dependencies": ["python=3.11", {"pip": ["scikit-learn"]}]}
    plan = planned(ResolvedEnvironment(Requirements("3.11", ("scikit-learn",)), image="python:3.11", conda=conda))
    assert plan["docker"]["packages"] == ["scikit-learn", SERVER]
    assert plan["docker"]["conda"] == {"dependencies": ["python=3.11", "pip", {"pip": ["scikit-learn", SERVER]}]}
    assert plan["docker"]["image"] == "mirror.example/library/python:3.11"
    own = {"dependencies": ["pip", {"pip": ["azureml_inference_server_http==1.4"]}]}
    named = Requirements("3.11", ("azureml_inference_server_http==1.4",))
    plan = planned(ResolvedEnvironment(named, image="python:3.11", conda=own))
    assert plan["docker"]["conda"] == own
    assert plan["docker"]["packages"] == ["azureml_inference_server_http==1.4"]


def test_an_image_that_stands_alone_is_asked_when_it_is_there() -> None:
    plan = planned(ResolvedEnvironment(Requirements(packages=("for", "other", "backends")), image="python:3.11"))
    assert (plan["docker"]["packages"], plan["docker"]["conda"]) == ([], None)
    assert planned(ResolvedEnvironment(Requirements("3.10", ("mlflow",))))["docker"]["image"].endswith("python:3.10")


def test_places_and_variables_are_azures(tmp_path: Path) -> None:
    conda = {"dependencies": ["pip"]}
    plan = planned(
        ResolvedEnvironment(Requirements(), image="python:3.11", conda=conda),
        variables={"AZUREML_MODEL_DIR": "/mine", "A": "b"},
    )
    request = request_of(plan, tmp_path)
    variables = dict(entry.split("=", 1) for entry in request["Env"])
    assert variables["AML_APP_ROOT"] == "/var/azureml-app/onlinescoring/deep"
    assert variables["AZUREML_ENTRY_SCRIPT"] == "score.py"
    assert variables["AZUREML_MODEL_DIR"] == "/mine"  # the user's own win
    assert variables["AZUREML_INFERENCE_PYTHON_PATH"] == "/opt/mlctl/environment/bin"
    mounts = {mount["Target"]: (mount["Source"], mount["ReadOnly"]) for mount in request["HostConfig"]["Mounts"]}
    base = tmp_path / "endpoints/iris/deployments/blue/7"
    assert mounts == {
        "/var/azureml-app/azureml-models/flowers/3": (str(base / "azureml-models/flowers/3"), True),
        "/var/azureml-app/onlinescoring": (str(base / "code"), True),
    }
    assert request["HostConfig"]["SecurityOpt"] == ["label=disable"]
    assert request["Labels"]["azureml-port"] == "5001"
    assert request["Labels"]["mlctl.endpoint-folder"] == str(tmp_path / "endpoints/iris")
    assert "PortBindings" not in request["HostConfig"]  # each replica has its own


def test_a_container_of_its_own_runs_as_it_is(tmp_path: Path) -> None:
    routes = {"scoring": Route("/predict", 8501), "liveness": Route("/up", 8501), "readiness": Route("/up", 8501)}
    plan = planned(
        ResolvedEnvironment(Requirements(), image="tensorflow/serving:2.14"),
        routes=routes, code=None, script=None, model_mount_path="/var/models", document={},
    )  # fmt: skip
    assert (plan["port"], plan["docker"]["packages"]) == (8501, [])
    request = request_of(plan, tmp_path, script=None)
    assert not {"Entrypoint", "Cmd", "User", "WorkingDir"} & request.keys()
    assert "AZUREML_MODEL_DIR=/var/models/flowers/3" in request["Env"]
    assert request["ExposedPorts"] == {"8501/tcp": {}}


def test_routes_on_ports_of_their_own(tmp_path: Path) -> None:
    routes = {"liveness": Route("/live", 9000), "scoring": Route("/predict", 8501), "readiness": Route("/up", 9001)}
    resolved = ResolvedEnvironment(Requirements(), image="tensorflow/serving:2.14")
    plan = planned(resolved, routes=routes, code=None, script=None, document={})
    assert (plan["port"], plan["probe_ports"]) == (8501, {"liveness": 9000, "readiness": 9001})
    request = request_of(plan, tmp_path, script=None)
    assert request["ExposedPorts"] == {"8501/tcp": {}, "9000/tcp": {}, "9001/tcp": {}}
    watch = watch_of(plan)
    assert (watch.readiness_path, watch.readiness_port) == ("/up", "9001")
    assert (watch.liveness_path, watch.liveness_port) == ("/live", "9000")
    alone = planned(resolved, routes={"readiness": Route("/up", 8080)}, code=None, script=None, document={})
    assert (alone["port"], alone["probe_ports"]) == (8080, {})


def test_names_tell_generations_replicas_and_workspaces_apart() -> None:
    names = {
        container_name(Path(home, "endpoints/iris/deployments/blue", generation), index)
        for home in ("/a", "/b") for generation in ("1", "2") for index in (0, 1)
    }  # fmt: skip
    assert len(names) == 8
    assert all(name.startswith("iris.blue.") for name in names)


def test_the_engines_own_log_of_a_container_has_a_limit(tmp_path: Path) -> None:
    settings = load(environ={"MLCTL_HOME": str(tmp_path), "MLCTL_ENDPOINTS_LOG_MEGABYTES": "5"}, cwd=tmp_path)
    found = serve._log_options(settings, "json-file")
    assert found == {"LogConfig": {"Type": "json-file", "Config": {"max-size": "5000000", "max-file": "3"}}}
    assert serve._log_options(settings, "journald") == {}
