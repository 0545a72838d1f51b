"""examples/serving from training to rollout, with Azure ML's own inference server and a real scikit-learn model."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
import urllib.request
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest
from tests.conftest import Mlctl, end_processes_of
from tests.live.docker_jobs import IMAGE, find_engine
from tests.live.serving import Load, ask, marked, until

EXAMPLE = Path(__file__).parents[2] / "examples/serving"
FLOWERS = json.loads((EXAMPLE / "request.json").read_text())["data"]
CERTIFICATES = os.environ.get("SSL_CERT_FILE", "/etc/ssl/certs/ca-certificates.crt")

pytestmark = pytest.mark.network


@pytest.fixture(scope="module")
def home(tmp_path_factory: pytest.TempPathFactory, cache: Path) -> Iterator[Mlctl]:
    """The program with a copy of the example; what was trained serves all tests."""
    home = tmp_path_factory.mktemp("home")
    (home / "cache").symlink_to(cache)
    yield with_example(home, tmp_path_factory.mktemp("examples"))
    end_processes_of(home)


@pytest.fixture(scope="module")
def answers(home: Mlctl) -> list[list[str]]:
    """The example was run on the back end local; what it answered."""
    return roll_out(home, "local")


def with_example(home: Path, folder: Path) -> Mlctl:
    for name in ("serving", "iris"):
        shutil.copytree(EXAMPLE.parent / name, folder / name)
    return Mlctl(home, folder / "serving")


def roll_out(mlctl: Mlctl, backend: str) -> list[list[str]]:
    """Run the example's script; the answers that it got."""
    environ = {**mlctl.environ, "PATH": f"{Path(sys.executable).parent}:{os.environ['PATH']}"}
    words = ["sh", str(mlctl.folder / "rollout.sh"), backend]
    done = subprocess.run(words, env=environ, capture_output=True, text=True, check=False, timeout=280)
    assert done.returncode == 0, done.stdout[-2000:] + done.stderr[-4000:]
    return [json.loads(line) for line in done.stdout.splitlines() if line.startswith("[")]


def predicted(mlctl: Mlctl) -> list[str]:
    """What the model itself says, in the environment that it was trained in."""
    pickled = next((mlctl.workspace / "jobs").glob("*/outputs/model/model.pkl"), None) or next(
        mlctl.home.rglob("model.pkl")
    )
    python = next(path for path in (mlctl.home / "cache").resolve().rglob("bin/python") if has_sklearn(path))
    script = (
        "import pickle, sys, json, pandas as pd\n"
        "model = pickle.loads(open(sys.argv[1], 'rb').read())\n"
        "rows = pd.DataFrame(json.loads(sys.argv[2]), columns=model.feature_names_in_)\n"
        "print(json.dumps(model.predict(rows).tolist()))\n"
    )
    words = [str(python), "-W", "ignore", "-c", script, str(pickled), json.dumps(FLOWERS)]
    found: list[str] = json.loads(subprocess.check_output(words, text=True))
    return found


def has_sklearn(python: Path) -> bool:
    return any(python.parents[1].glob("lib/python*/site-packages/sklearn"))


def test_the_example_on_local(home: Mlctl, answers: list[list[str]]) -> None:
    assert answers == [predicted(home)] * 6
    shown = home.json("online-endpoint", "show", "-n", "flowers")
    assert shown["traffic"] == {"green": 100}
    history = [one["what"] for one in home.json("online-endpoint", "history", "-n", "flowers")]
    assert history[-1] == "delete blue"

    # the same endpoint under load, while its only deployment is renewed
    port = int(shown["scoring_uri"].split(":")[2].partition("/")[0])
    key = home.json("online-endpoint", "get-credentials", "-n", "flowers")["primaryKey"]
    body = json.dumps({"data": FLOWERS}).encode()
    authorized = {"Authorization": f"Bearer {key}"}
    with Load(lambda: ask(port, body, **authorized)) as load:
        home("online-deployment", "update", "-f", "green.yml")
        until(lambda: load.statuses[200] > 100)
    assert load.failed == []

    assert ask(port, b"not json", **authorized)[0] == 424  # the script failed, in Azure's words
    assert ask(port, b" " * (101 * 2**20), **authorized)[0] in (0, 413)
    log = (home.workspace / "endpoints/flowers/access.log").read_text()
    assert {200, 413, 424} <= {json.loads(line)["status"] for line in log.splitlines()}
    assert "JSONDecodeError" in home("online-deployment", "get-logs", "-n", "green", "-e", "flowers").stdout

    # a worker of the scoring server
    replica = home.json("online-deployment", "show", "-n", "green", "-e", "flowers")["replicas"][0]
    workers = subprocess.run(["pgrep", "-P", str(replica["pid"])], capture_output=True, text=True, check=False).stdout
    for pid in workers.split():
        os.kill(int(pid), 9)
    until(lambda: ask(port, body, **authorized)[0] == 200)


@pytest.mark.usefixtures("answers")
def test_an_mlflow_model_needs_no_code(home: Mlctl) -> None:
    home("online-endpoint", "create", "-n", "nocode")
    home("model", "create", "-n", "nocode", "--type", "mlflow_model", "--path", mlflow_model(home))
    spec = {"name": "nocode", "endpoint_name": "nocode", "model": "azureml:nocode:1", "instance_count": 1,
            "instance_type": "Standard_DS3_v2"}  # fmt: skip
    (home.folder / "nocode.yml").write_text(json.dumps(spec))
    home("online-deployment", "create", "-f", "nocode.yml", timeout=280)
    columns = ["sepal_length", "sepal_width", "petal_length", "petal_width"]
    records = [dict(zip(columns, row, strict=True)) for row in FLOWERS]
    for data in (
        {"columns": columns, "index": [0, 1, 2], "data": FLOWERS},
        records,
        FLOWERS,
        {name: [row[name] for row in records] for name in columns},
    ):
        (home.folder / "nocode.json").write_text(json.dumps({"input_data": data}))
        words = ("online-endpoint", "invoke", "-n", "nocode", "-d", "nocode", "-r", "nocode.json", "-o", "tsv")
        assert json.loads(home(*words).stdout) == predicted(home)


RAWHTTP = """\
from azureml.contrib.services.aml_request import rawhttp
from azureml.contrib.services.aml_response import AMLResponse
def init(): pass
@rawhttp
def run(request):
    return AMLResponse(request.get_data()[::-1], 200)
"""


SCHEMA = """\
import numpy
from inference_schema.parameter_types.numpy_parameter_type import NumpyParameterType
from inference_schema.schema_decorators import input_schema, output_schema
def init(): pass
@input_schema("data", NumpyParameterType(numpy.array([[1.0, 2.0]])))
@output_schema(NumpyParameterType(numpy.array([3.0])))
def run(data):
    return data.sum(axis=1).tolist()
"""


def with_script(home: Mlctl, name: str, script: str) -> tuple[dict[str, Any], int, dict[str, str]]:
    """An endpoint of that name whose deployment `green` has this script: how it is shown, its port and its key."""
    (home.folder / name).mkdir()
    (home.folder / name / "score.py").write_text(script)
    text = (home.folder / "green.yml").read_text().replace("endpoint_name: flowers", f"endpoint_name: {name}")
    (home.folder / f"{name}.yml").write_text(text.replace("scoring\n", f"{name}\n", 1))
    home("online-endpoint", "create", "-n", name)
    home("online-deployment", "create", "-f", f"{name}.yml", "--all-traffic")
    shown = home.json("online-endpoint", "show", "-n", name)
    key = home.json("online-endpoint", "get-credentials", "-n", name)["primaryKey"]
    return shown, int(shown["scoring_uri"].split(":")[2].partition("/")[0]), {"Authorization": f"Bearer {key}"}


@pytest.mark.usefixtures("answers")
def test_an_inference_schema_script_and_its_swagger(home: Mlctl) -> None:
    shown, port, authorized = with_script(home, "schema", SCHEMA)
    assert json.loads(ask(port, b'{"data": [[1, 2], [3, 4]]}', **authorized)[1]) == [3.0, 7.0]
    request = urllib.request.Request(shown["openapi_uri"], headers=authorized)
    with urllib.request.build_opener(urllib.request.ProxyHandler({})).open(request, timeout=10) as answer:
        swagger = json.loads(answer.read())
    assert swagger["definitions"]["ServiceInput"]["example"] == {"data": [[1.0, 2.0]]}


@pytest.mark.usefixtures("answers")
def test_a_rawhttp_script(home: Mlctl) -> None:
    _, port, authorized = with_script(home, "raw", RAWHTTP)
    assert ask(port, b"abc", **authorized, azureml_model_deployment="green") == (200, b"cba")
    home("online-endpoint", "delete", "-n", "raw", "--yes")
    assert marked(home.workspace / "endpoints/raw") == []


def mlflow_model(mlctl: Mlctl) -> str:
    jobs = mlctl.json("job", "list")
    return f"azureml://jobs/{jobs[0]['name']}/outputs/mlflow_model"


def containers(mlctl: Mlctl, name: str) -> list[dict[str, Any]]:
    with closing(find_engine(mlctl.home)) as engine:
        labels = {"mlctl.endpoint-folder": str(mlctl.workspace / "endpoints" / name)}
        return [engine.inspect(found) for found in engine.containers(labels)]


@pytest.mark.docker
def test_the_example_on_docker(mlctl: Mlctl) -> None:
    find_engine(mlctl.home).close()
    home = with_example(mlctl.home, mlctl.folder)
    home("config", "set", f"docker.ca_bundle={CERTIFICATES}")
    for name in ("blue", "green"):
        spec = home.folder / f"{name}.yml"
        spec.write_text(spec.read_text().replace("mcr.microsoft.com/azureml/openmpi4.1.0-ubuntu22.04", IMAGE))
    answers = roll_out(home, "docker")
    assert answers == [predicted(home)] * 6
    (found,) = until(lambda: len(containers(home, "flowers")) == 1 and containers(home, "flowers"))
    labels = found["Config"]["Labels"]
    wanted = {"azureml-local-endpoint": "", "endpoint": "flowers", "deployment": "green", "azureml-port": "5001"}
    assert {key: labels[key] for key in wanted} == wanted
    (published,) = found["NetworkSettings"]["Ports"]["5001/tcp"]
    assert published["HostIp"] == "127.0.0.1"
    mounts = {mount["Destination"]: mount["RW"] for mount in found["Mounts"]}
    assert mounts["/var/azureml-app/scoring"] is False
    assert (
        mounts[next(place for place in mounts if place.startswith("/var/azureml-app/azureml-models/flowers/"))] is False
    )

    # the process that stands for the container is killed: its container goes when the next one comes
    replica = home.json("online-deployment", "show", "-n", "green", "-e", "flowers")["replicas"][0]
    os.kill(replica["pid"], 9)
    until(lambda: [one["Id"] for one in containers(home, "flowers")] not in ([], [found["Id"]]), seconds=30)
    request = str(home.folder / "request.json")
    call = ("online-endpoint", "invoke", "-n", "flowers", "-r", request)
    quiet = {"stdout": subprocess.DEVNULL, "stderr": subprocess.DEVNULL}
    until(lambda: home.start(*call, **quiet).wait() == 0, seconds=60)
    home("online-endpoint", "delete", "-n", "flowers", "--yes")
    assert containers(home, "flowers") == []
