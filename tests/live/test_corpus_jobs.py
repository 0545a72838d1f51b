"""Command jobs of Azure/azureml-examples, as published, on `local`.

The published tree comes with empty files in place of the scripts; each test puts scripts of its own there, in a copy.
Specs that name what only Azure or a container has must say so: a clear error, and nothing stored.
"""

from __future__ import annotations

import http.server
import json
import shutil
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from tests.conftest import Mlctl

CORPUS = Path(__file__).parents[3] / "shared/corpus/azureml-examples/cli"
IRIS = Path(__file__).parents[2] / "examples/iris/data/iris.csv"

pytestmark = pytest.mark.skipif(not CORPUS.is_dir(), reason="the published examples are not beside the repository")


@pytest.fixture
def basics(mlctl: Mlctl) -> Path:
    """A copy of jobs/basics that may be written, with the assets that it refers to."""
    for part in ("jobs/basics", "assets"):
        shutil.copytree(CORPUS / part, mlctl.folder / "cli" / part, copy_function=shutil.copyfile)
    for path in (mlctl.folder / "cli").rglob("*"):
        path.chmod(path.stat().st_mode | 0o700 if path.is_dir() else 0o644)
    return mlctl.folder / "cli/jobs/basics"


def run(mlctl: Mlctl, spec: Path, name: str, *words: str, timeout: float = 900) -> dict[str, Any]:
    """Run a spec to its end as Completed; the job."""
    done = mlctl("job", "create", "-f", str(spec), "--name", name, "--stream", *words, timeout=timeout)
    shown: dict[str, Any] = json.loads(done.stdout)
    assert shown["status"] == "Completed"
    return shown


def artifacts(mlctl: Mlctl, name: str) -> Path:
    return mlctl.workspace / "jobs" / name / "artifacts"


def test_hello_world(mlctl: Mlctl) -> None:
    shown = run(mlctl, CORPUS / "jobs/basics/hello-world-org.yml", "org")
    assert mlctl.log("org") == "hello world\n"
    assert shown["tags"] == {"hello": "world"}
    assert shown["experiment_name"] == shown["display_name"] == "hello-world-example"
    assert shown["description"].startswith('# Azure Machine Learning "hello world" job')


def test_hello_world_input(mlctl: Mlctl) -> None:
    run(mlctl, CORPUS / "jobs/basics/hello-world-input.yml", "input")
    assert mlctl.log("input") == "hello world\n42\n"
    run(mlctl, CORPUS / "jobs/basics/hello-world-input.yml", "set", "--set", "inputs.hello_number=43")
    assert mlctl.log("set") == "hello world\n43\n"


def test_hello_world_output(mlctl: Mlctl) -> None:
    run(mlctl, CORPUS / "jobs/basics/hello-world-output.yml", "output")
    assert (artifacts(mlctl, "output") / "outputs/helloworld.txt").read_text() == "hello world\n"


def test_hello_world_output_data(mlctl: Mlctl) -> None:
    run(mlctl, CORPUS / "jobs/basics/hello-world-output-data.yml", "data")
    mlctl("job", "download", "-n", "data", "--output-name", "hello_output", "-p", "out")
    assert (mlctl.folder / "out/named-outputs/hello_output/helloworld.txt").read_text() == "hello world\n"


MLFLOW = """\
import mlflow

mlflow.log_param("hello_param", "world")
mlflow.log_metric("hello_metric", 0.5)
for step in range(3):
    mlflow.log_metric("loss", 1.0 / (step + 1), step=step)
with open("helloworld.txt", "w") as file:
    file.write("hello")
mlflow.log_artifact("helloworld.txt")
"""

READ_IRIS = """\
import argparse
import pandas as pd

parser = argparse.ArgumentParser()
parser.add_argument("--iris-csv")
frame = pd.read_csv(parser.parse_args().iris_csv)
print("rows", len(frame))
"""

MODEL = """\
import argparse
from pathlib import Path

parser = argparse.ArgumentParser()
parser.add_argument("--input_model")
parser.add_argument("--custom_model_output")
given = parser.parse_args()
print("model has", *sorted(path.name for path in Path(given.input_model).iterdir()))
for name in ("MLmodel", "model.pkl"):
    Path(given.custom_model_output, name).write_bytes(Path(given.input_model, name).read_bytes())
"""

TRAIN = """\
import argparse
import mlflow
import pandas as pd
from sklearn.model_selection import train_test_split
from sklearn.svm import SVC

parser = argparse.ArgumentParser()
parser.add_argument("--iris-csv")
parser.add_argument("--C", type=float)
parser.add_argument("--kernel")
parser.add_argument("--coef0", type=float)
given = parser.parse_args()
frame = pd.read_csv(given.iris_csv)
mlflow.log_params({"C": given.C, "kernel": given.kernel, "coef0": given.coef0})
parts = train_test_split(frame.iloc[:, :-1], frame.iloc[:, -1], random_state=1)
model = SVC(C=given.C, kernel=given.kernel, coef0=given.coef0).fit(parts[0], parts[2])
mlflow.log_metric("accuracy", model.score(parts[1], parts[3]))
"""


@pytest.mark.network
@pytest.mark.slow
@pytest.mark.timeout(1200)
def test_jobs_of_the_curated_scikit_learn_environment(mlctl: Mlctl, basics: Path) -> None:
    """One test, so that the environment is built once."""
    (basics / "src/hello-mlflow.py").write_text(MLFLOW)
    run(mlctl, basics / "hello-mlflow.yml", "mlflow")
    metrics = mlctl.json("job", "show", "-n", "mlflow", "--metrics")["metrics"]
    assert metrics == {"hello_metric": 0.5, "loss": pytest.approx(1 / 3)}
    assert (artifacts(mlctl, "mlflow") / "helloworld.txt").read_text() == "hello"

    (basics / "src/hello-model-as-output.py").write_text(MODEL)
    run(mlctl, basics / "hello-model-as-output.yml", "model")
    assert "model has MLmodel" in mlctl.log("model")
    kept = mlctl.workspace / "jobs/model/named-outputs/output_folder"
    assert (kept / "MLmodel").read_bytes() == (CORPUS / "assets/model/mlflow-model/MLmodel").read_bytes()

    (basics / "src/hello-iris.py").write_text(READ_IRIS)
    stored = mlctl.workspace / "datastores/workspaceblobstore/example-data"
    stored.mkdir(parents=True)
    shutil.copyfile(IRIS, stored / "iris.csv")
    run(mlctl, basics / "hello-iris-datastore-folder.yml", "datastore")
    assert mlctl.log("datastore").splitlines()[-1] == "rows 150"


@pytest.mark.network
@pytest.mark.slow
@pytest.mark.timeout(1200)
def test_web_inputs_with_the_address_of_a_mirror(mlctl: Mlctl, basics: Path, web: str) -> None:
    """The published address is not for tests to load: the same file comes from a server of this test."""
    (basics / "src/hello-iris.py").write_text(READ_IRIS)
    run(mlctl, basics / "hello-iris-file.yml", "file", "--set", f"inputs.iris_csv.path={web}/iris.csv")
    lines = mlctl.log("file").splitlines()
    assert lines == [f"--iris-csv: {mlctl.workspace}/jobs/file/inputs/iris_csv/iris.csv", "rows 150"]

    folder = mlctl.folder / "iris"
    shutil.copytree(CORPUS / "jobs/single-step/scikit-learn/iris", folder, copy_function=shutil.copyfile)
    (folder / "src").chmod(0o755)
    (folder / "src/main.py").chmod(0o644)
    (folder / "src/main.py").write_text(TRAIN)
    shown = run(mlctl, folder / "job.yml", "train", "--set", f"inputs.iris_csv.path={web}/iris.csv")
    assert shown["compute"] == "azureml:local"
    assert mlctl.json("job", "show", "-n", "train", "--metrics")["metrics"]["accuracy"] > 0.9


@pytest.fixture
def web() -> Iterator[str]:
    """Address of a server that has iris.csv."""

    class Handler(http.server.BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            data = IRIS.read_bytes()
            self.send_response(200)
            self.send_header("Content-Length", str(len(data)))
            self.end_headers()
            self.wfile.write(data)

        def log_message(self, *_words: object) -> None:
            return

    server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    thread = threading.Thread(target=server.serve_forever)
    thread.start()
    yield f"http://127.0.0.1:{server.server_port}"
    server.shutdown()
    thread.join()
    server.server_close()


NOTEBOOK = {
    "cells": [
        {
            "cell_type": "code",
            "execution_count": None,
            "metadata": {},
            "outputs": [],
            "source": ["print('hello', 6 * 7)"],
            "id": "one",
        }
    ],
    "metadata": {"kernelspec": {"display_name": "Python 3", "language": "python", "name": "python3"}},
    "nbformat": 4,
    "nbformat_minor": 5,
}


def test_hello_dataset_reads_what_was_registered(mlctl: Mlctl, basics: Path) -> None:
    """As its README says: the asset first, then the job; only the environment is another one."""
    data = basics.parents[1] / "assets/data/sample-data"
    mlctl("data", "create", "-n", "sampledata", "--path", str(data))
    spec = basics / "hello-dataset.yml"
    environment = "environment: azureml://registries/azureml/environments/sklearn-1.5/labels/latest"
    assert environment in spec.read_text()
    spec.write_text(spec.read_text().replace(environment, "environment: {image: library/python:latest}"))
    shown = run(mlctl, spec, "dataset")
    assert sorted(mlctl.log("dataset").split()) == sorted(path.name for path in data.iterdir())
    assert shown["inputs"]["sampledata"]["path"] == "azureml:sampledata:1"


@pytest.mark.network
@pytest.mark.slow
@pytest.mark.timeout(1200)
def test_hello_notebook_installs_papermill_and_runs(mlctl: Mlctl, basics: Path) -> None:
    """`pip install` in the command goes into the job's own environment, its programs onto the PATH."""
    (basics / "src/hello-notebook.ipynb").write_text(json.dumps(NOTEBOOK))
    run(mlctl, basics / "hello-notebook.yml", "notebook", "--set", "environment_variables.JUPYTER_PLATFORM_DIRS=1")
    found = json.loads((artifacts(mlctl, "notebook") / "outputs/out.ipynb").read_text())
    assert found["cells"][-1]["outputs"][0]["text"] == ["hello 42\n"]


@pytest.mark.parametrize(
    ("spec", "code", "words"),
    [
        ("basics/hello-dataset.yml", 3, "no data named 'sampledata'"),
        ("basics/hello-data-uri-folder.yml", 3, "no data named 'local-folder-example'"),
        ("basics/hello-iris-datastore-folder.yml", 3, "'azureml://datastores/workspaceblobstore/paths/example-data/'"),
        ("basics/hello-pipeline-io.yml", 9, "jobs of type 'pipeline'"),
        ("single-step/java/iris/job-template.yml", 5, "there is no file or folder '../aml-mlfow-java-example'"),
        ("single-step/julia/iris/job.yml", 9, "environment.build"),
        ("single-step/r/iris/job.yml", 9, "environment.build"),
        ("single-step/scikit-learn/iris-notebook/job.yml", 9, "environment.build"),
        ("single-step/lightgbm/iris/job-sweep.yml", 9, "jobs of type 'sweep'"),
    ],
)
def test_what_needs_azure_or_a_container_is_said(mlctl: Mlctl, spec: str, code: int, words: str) -> None:
    path = CORPUS / "jobs" / spec
    done = mlctl("job", "create", "-f", str(path), "--name", "never", code=code)
    assert words in done.stderr
    assert "hint: " in done.stderr
    assert done.stdout == ""
    mlctl("job", "show", "-n", "never", code=3)
