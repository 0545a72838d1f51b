"""`mlctl model package` and `online-deployment export` as a user calls them, where no engine is needed."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from tests.unit.cli.calls import Call

CODE = {"code": "code", "scoring_script": "score.py"}
BASE = {"type": "asset", "resource_id": "azureml:base:1"}


def _package(call: Call, *words: str, environment: tuple[str, ...] = ("--conda-file", "conda.yml"), **spec: Any) -> Any:
    Path("code").mkdir(exist_ok=True)
    Path("code/score.py").write_text("def init(): pass\ndef run(data): return data\n")
    Path("model.txt").write_text("model")
    Path("conda.yml").write_text(json.dumps({"dependencies": ["python=3.11", {"pip": ["tabulate"]}]}))
    call("model", "create", "-n", "m", "--path", "model.txt")
    call("environment", "create", "-n", "base", "--image", "python:3.11", *environment)
    Path("package.yml").write_text(
        json.dumps({"base_environment_source": BASE, "target_environment": "packed", **spec})
    )
    return call("model", "package", "-n", "m", "-v", "1", "-f", "package.yml", *words)


def _online(**more: Any) -> dict[str, Any]:
    return {"type": "azureml_online", "code_configuration": CODE, **more}


def _custom(port: int | str, other: int | str) -> dict[str, Any]:
    routes = {f"{name}_route": {"path": "/up", "port": port} for name in ("scoring", "liveness")}
    routes["readiness_route"] = {"path": "/up", "port": other}
    return {"type": "custom", "inference_configuration": routes}


def test_the_context_is_written_without_an_engine(call: Call) -> None:
    variables = {"GREETING": "hi", "API_TOKEN": "s3cret-of-somebody"}
    answer = _package(call, "--write-context", "out", inferencing_server=_online(), environment_variables=variables)
    assert answer.code == 0, answer.err
    assert (answer.json["name"], answer.json["version"], answer.json["build_context"]) == ("packed", "1", "out")
    assert answer.json["inference_config"]["scoring_route"] == {"path": "/score", "port": 5001}
    dockerfile = Path("out/Dockerfile").read_text()
    assert 'ENV GREETING="hi"' in dockerfile
    assert "azureml-inference-server-http" in Path("out/requirements.txt").read_text()
    assert Path("out/model/model.txt").read_text() == "model"
    assert "def run" in Path("out/code/score.py").read_text()
    assert "environment_variables.API_TOKEN looks like a secret" in answer.err
    assert not any(b"s3cret" in path.read_bytes() for path in Path("out").rglob("*") if path.is_file())


def test_an_image_alone_gets_the_server_and_a_custom_one_does_not(call: Call) -> None:
    answer = _package(call, "--write-context", "one", environment=(), inferencing_server=_online())
    assert answer.code == 0, answer.err
    assert Path("one/requirements.txt").read_text() == "azureml-inference-server-http\n"
    own = _custom(8080, "8080")
    answer = _package(call, "--write-context", "two", environment=(), inferencing_server=own)
    assert answer.code == 0, answer.err
    lines = Path("two/Dockerfile").read_text().splitlines()
    assert (lines[0], lines[-1]) == ("FROM python:3.11", "EXPOSE 8080")


def test_triton_serves_the_models_folder(call: Call) -> None:
    server = {"type": "triton"}
    answer = _package(call, "--write-context", "out", environment=(), inferencing_server=server)
    assert answer.code == 0, answer.err
    dockerfile = Path("out/Dockerfile").read_text()
    assert 'tritonserver --model-repository=\\"$AZUREML_MODEL_DIR\\"/model.txt' in dockerfile
    assert "EXPOSE 8000" in dockerfile


def test_a_data_asset_is_copied_to_its_place(call: Call) -> None:
    Path("words.txt").write_text("words")
    call("data", "create", "-n", "words", "--path", "words.txt", "--type", "uri_file")
    path = {"input_path_type": "path_id", "resource_id": "azureml:words:1"}
    given = [{"type": "uri_file", "mode": "download", "path": path, "mount_path": "/data"}]
    answer = _package(call, "--write-context", "out", inferencing_server=_online(), inputs=given)
    assert answer.code == 0, answer.err
    assert 'COPY ["inputs/0/", "/data/"]' in Path("out/Dockerfile").read_text()
    assert Path("out/inputs/0/words.txt").read_text() == "words"


@pytest.mark.parametrize(
    ("spec", "code", "message"),
    [
        ({"inferencing_server": {"type": "azureml_online"}}, 5, "has no code_configuration"),
        ({"inferencing_server": {"type": "custom"}}, 5, "lacks routes in inference_configuration"),
        ({"inferencing_server": _custom(8080, 8081)}, 9, "routes have the ports 8080, 8081"),
        ({"inferencing_server": _custom(8080, "http")}, 5, "'http' is no port"),
        (
            {"inferencing_server": _online(), "base_environment_source": {"resource_id": "azureml:none:1"}},
            3,
            "package.yml: environment: no environment 'azureml:none:1'",
        ),
        ({"inferencing_server": {"type": "azureml_batch"}}, 9, "a package answers requests"),
        ({"inferencing_server": _online(), "base_environment_source": {}}, 5, "the package has no environment"),
        ({"inferencing_server": _online(), "inputs": [{"mount_path": "/x"}]}, 9, "is a data asset with a place"),
        ({"inferencing_server": _online(), "inputs": [{"mount_path": "x"}]}, 5, "'x' is no absolute path"),
        ({"inferencing_server": _online(), "model_configuration": {"mode": "download"}}, 9, "at run time"),
        ({"inferencing_server": _online(), "model_configuration": {"mount_path": "m"}}, 5, "'m' is no absolute path"),
        ({"inferencing_server": _online(inference_configuration={"entry_script": "x"})}, 9, "starts itself"),
        ({"inferencing_server": _online(), "target_environment": ""}, 5, "target_environment"),
        ({"inferencing_server": _online(), "target_environment": {}}, 2, "has no target_environment"),
        ({"inferencing_server": _online(), "target_environment": "../a b"}, 5, "cannot be the name"),
        ({"inferencing_server": {"type": "other"}}, 5, "other"),
        ({"inferencing_server": _online(), "environment_variables": {"A": "b\nc"}}, 2, "has several lines"),
    ],
)
def test_what_makes_no_package_is_refused(call: Call, spec: dict[str, Any], code: int, message: str) -> None:
    answer = _package(call, "--write-context", "out", **spec)
    assert (answer.code, message in answer.err) == (code, True), answer.err
    assert not Path("out").exists()
    assert call("environment", "list", "-n", "packed").code == 3


def test_the_same_package_again_is_the_same_version(call: Call) -> None:
    _package(call, "--write-context", "one", inferencing_server=_online())
    again = call("model", "package", "-n", "m", "-v", "1", "-f", "package.yml", "--write-context", "two")
    assert again.json["version"] == "1"
    Path("code/score.py").write_text("def init(): pass\ndef run(data): return 2\n")
    other = call("model", "package", "-n", "m", "-v", "1", "-f", "package.yml", "--write-context", "three")
    assert other.json["version"] == "2"
    origins = json.dumps(call("environment", "why", "packed:2").json)
    assert all(node in origins for node in ("model/m/1", "environment/base/1", "code/"))


def test_a_folder_that_holds_something_is_left_alone(call: Call) -> None:
    Path("out").mkdir()
    Path("out/mine").write_text("x")
    answer = _package(call, "--write-context", "out", inferencing_server=_online())
    assert (answer.code, "not empty" in answer.err) == (6, True)
    assert sorted(path.name for path in Path("out").iterdir()) == ["mine"]


def test_a_base_with_a_dockerfile_of_its_own_is_refused(call: Call) -> None:
    Path("build").mkdir()
    Path("build/Dockerfile").write_text("FROM python:3.11\n")
    Path("env.yml").write_text(json.dumps({"name": "own", "build": {"path": "build"}}))
    call("environment", "create", "-f", "env.yml")
    source = {"type": "asset", "resource_id": "azureml:own:1"}
    answer = _package(call, "--write-context", "out", inferencing_server=_online(), base_environment_source=source)
    assert (answer.code, "a Dockerfile of its own" in answer.err) == (9, True), answer.err
    assert not Path("out").exists()


def test_a_server_with_a_dockerfile_of_its_own_gets_model_and_variables(call: Call) -> None:
    Path("build").mkdir()
    Path("build/own.docker").write_text("FROM python:3.11\nCOPY server.py /\nCMD python3 /server.py")
    Path("build/server.py").write_text("own server")
    Path("build/.dockerignore").write_text("*\n!server.py\n")
    build = {"path": "build", "dockerfile_path": "own.docker"}
    Path("env.yml").write_text(json.dumps({"name": "own", "build": build}))
    call("environment", "create", "-f", "env.yml")
    spec = {"inferencing_server": _custom(80, 80), "base_environment_source": {"resource_id": "azureml:own:1"}}
    answer = _package(call, "--write-context", "out", **spec)
    assert answer.code == 0, answer.err
    assert Path("out/own.docker").read_text().splitlines() == [
        *("FROM python:3.11", "COPY server.py /", "CMD python3 /server.py"),
        'COPY ["model/", "/var/azureml-app/azureml-models/m/1/"]',
        'ENV AZUREML_MODEL_DIR="/var/azureml-app/azureml-models/m/1"',
        "EXPOSE 80",
    ]
    assert sorted(path.name for path in Path("out").iterdir()) == ["model", "own.docker", "server.py"]
    assert answer.json["build"]["dockerfile_path"] == "own.docker"
    # what an engine gets of the registered context is all of it
    again = call("environment", "build", "-n", "packed", "--write-context", "again")
    assert again.code == 0, again.err
    assert Path("again/model/model.txt").read_text() == "model"

    Path("build/model").mkdir()
    Path("build/model/x").write_text("")
    Path("build/.dockerignore").unlink()
    call("environment", "create", "-f", "env.yml")
    spec["base_environment_source"]["resource_id"] = "azureml:own:2"
    answer = _package(call, "--write-context", "three", **spec)
    assert (answer.code, "has a folder model/ of its own" in answer.err) == (9, True), answer.err


def test_words_that_do_not_fit(call: Call) -> None:
    answer = _package(call, "--write-context", "out", "--push", "r.example/x", inferencing_server=_online())
    assert answer.code == 2
    assert "--push needs the image" in answer.err
    answer = call("online-deployment", "export", "-n", "d", "-e", "e", "--format", "tar")
    assert answer.code == 2
    assert "compose, iotedge, systemd" in answer.err
    assert call("online-deployment", "export", "-n", "d", "-e", "e", "--format", "compose").code == 3
