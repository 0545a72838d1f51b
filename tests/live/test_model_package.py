"""Model packages on a real engine: built, pushed to a real registry, run without mlctl, and asked."""

from __future__ import annotations

import json
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest
from tests.conftest import Mlctl, end_processes_of
from tests.live import packages
from tests.live.docker_jobs import IMAGE
from tests.live.packages import CODE, GREETING, SCORE, SCORES, TOKEN, free_port, remove_image, score, started
from tests.live.registry import digest_in, image_registry

pytestmark = [pytest.mark.docker, pytest.mark.network]

PACKAGE = ("model", "package", "-n", "factor", "-v", "1", "-f", "package.yml")


@pytest.fixture(scope="module")
def packing(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Mlctl]:
    """The program with a model and a package of it; an image that one test builds serves the others."""
    mlctl = Mlctl(tmp_path_factory.mktemp("home"), tmp_path_factory.mktemp("project"))
    with packages.packing(mlctl):
        packages.write_spec(
            mlctl.folder,
            "package.yml",
            base_environment_source={"type": "environment_asset", "resource_id": "azureml:base:1"},
            target_environment="packed",
            inferencing_server={"type": "azureml_online", "code_configuration": CODE},
            environment_variables={"GREETING": GREETING, "API_TOKEN": TOKEN},
        )
        yield mlctl
    end_processes_of(mlctl.home)


def test_a_deployment_of_a_package_needs_only_the_environment(packing: Mlctl) -> None:
    packing(*PACKAGE, timeout=600)
    packing("online-endpoint", "create", "-n", "factors")
    spec = {"name": "blue", "endpoint_name": "factors", "environment": "azureml:packed:1", "instance_count": 1}
    packages.write_spec(packing.folder, "blue.yml", **spec, instance_type="Standard_DS3_v2")
    packing("online-deployment", "create", "-f", "blue.yml", "--backend", "docker", "--all-traffic", timeout=280)
    (packing.folder / "request.json").write_text('{"data": [1, 2.5]}')
    answer = packing("online-endpoint", "invoke", "-n", "factors", "-r", "request.json", "-o", "tsv").stdout
    assert json.loads(answer)["scores"] == SCORES
    packing("online-endpoint", "delete", "-n", "factors", "--yes")


def test_an_mlflow_model_needs_neither_code_nor_environment(packing: Mlctl) -> None:
    folder = packing.folder / "mlflow"
    (folder / "code").mkdir(parents=True)
    (folder / "MLmodel").write_text(
        "flavors:\n  python_function:\n    loader_module: adding\n    code: code\n    env: {conda: conda.yaml}\n"
    )
    conda = {"dependencies": ["python=3.11", "pip", {"pip": ["mlflow-skinny", "pandas"]}]}
    (folder / "conda.yaml").write_text(json.dumps(conda))
    (folder / "code/adding.py").write_text(
        "class Adding:\n    def predict(self, table):\n        return table.sum(axis=1)\n\n"
        "def _load_pyfunc(path):\n    return Adding()\n"
    )
    packing("config", "set", f"images.mirrors=python:3.11={IMAGE}")
    packing("model", "create", "-n", "adding", "--type", "mlflow_model", "--path", "mlflow")
    server = {"type": "azureml_online"}
    packages.write_spec(packing.folder, "adding.yml", target_environment="adding-service", inferencing_server=server)
    made = packing.json("model", "package", "-n", "adding", "-v", "1", "-f", "adding.yml", timeout=600)
    port = free_port()
    body = json.dumps({"input_data": {"columns": ["a", "b"], "index": [0, 1], "data": [[1, 2], [3, 4]]}}).encode()
    with started(["docker", "run", "-d", "-p", f"127.0.0.1:{port}:5001", made["built_image"]["image"]]):
        assert score(port, body) == [3, 7]


def test_the_context_alone_needs_no_engine_and_builds_elsewhere(packing: Mlctl) -> None:
    packing.environ["DOCKER_HOST"] = "unix:///no/such/socket"
    made = packing.json(*PACKAGE, "--write-context", "out")
    del packing.environ["DOCKER_HOST"]
    assert made["build_context"] == "out"
    assert (packing.folder / "out/model/factor.txt").read_text() == "4"
    assert (packing.folder / "out/code/score.py").read_text() == SCORE
    tag = "mlctl-test/package:elsewhere"
    built = subprocess.run(
        ["docker", "build", "--tag", tag, str(packing.folder / "out")], capture_output=True, text=True, check=False
    )
    assert built.returncode == 0, built.stdout + built.stderr
    port = free_port()
    try:
        with started(["docker", "run", "-d", "-p", f"127.0.0.1:{port}:5001", tag]):
            assert score(port)["scores"] == SCORES
    finally:
        remove_image(tag)


def test_a_package_runs_where_there_is_no_mlctl(packing: Mlctl, tmp_path: Path) -> None:
    with image_registry(tmp_path / "registry") as registry:
        made = packing(*PACKAGE, "--push", f"{registry}/team/factor:1", timeout=600)
        assert "environment_variables.API_TOKEN looks like a secret" in made.stderr
        shown = json.loads(made.stdout)
        (pinned,) = shown["built_image"]["pinned"]
        assert pinned == f"{registry}/team/factor@{digest_in(registry, 'team/factor', '1')}"
        again = packing.json(*PACKAGE)
        assert (again["version"], again["built_image"]["digest"]) == ("1", shown["built_image"]["digest"])
        remove_image(shown["built_image"]["image"], f"{registry}/team/factor:1", pinned)
        port = free_port()
        with started(["docker", "run", "-d", "-p", f"127.0.0.1:{port}:5001", pinned]):
            wanted = {"scores": SCORES, "GREETING": GREETING, "API_TOKEN": None, "user": 65534}
            assert score(port) == wanted
        history = subprocess.check_output(["docker", "history", "--no-trunc", pinned], text=True)
        remove_image(pinned)
    assert "s3cret" not in history
    assert "model/factor/1" in json.dumps(packing.json("environment", "why", "packed:1")).replace('": "', "/")
