"""Batch endpoints with real jobs: what is scored, in which order, and what a kill costs."""

from __future__ import annotations

import base64
import json
import os
import re
import shutil
import signal
import struct
import time
import zlib
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from tests.conftest import Mlctl

FILES = int(os.environ.get("MLCTL_TEST_BATCH_FILES", "1000"))
"""`nox -s bench` has 10,000."""

EXAMPLES = Path(__file__).resolve().parents[2] / "examples"

SCRIPT = """\
import os, time

def init():
    with open(os.path.join(os.environ["AZUREML_MODEL_DIR"], "model", "bias.txt")) as stream:
        globals()["bias"] = int(stream.read())

def run(mini_batch):
    print("to the log")
    time.sleep(PAUSE)
    return [f"{os.path.basename(path)},{int(open(path).read()) + bias}" for path in mini_batch]
"""


def deploy(mlctl: Mlctl, script: str, *words: str, files: int, **settings: Any) -> None:
    """An endpoint `sums` with one deployment, and a folder `data` of files that hold their number."""
    for name in ("code", "model", "data"):
        (mlctl.folder / name).mkdir()
    (mlctl.folder / "code" / "score.py").write_text(script)
    (mlctl.folder / "model" / "bias.txt").write_text("1000000")
    for number in range(files):
        (mlctl.folder / "data" / f"{number:05}.txt").write_text(str(number))
    spec = {
        "name": "blue",
        "endpoint_name": "sums",
        "model": {"path": "model"},
        "code_configuration": {"code": "code", "scoring_script": "score.py"},
        "environment": {"image": "library/python:latest"},
        "compute": "local",
        **settings,
    }
    (mlctl.folder / "deployment.yml").write_text(json.dumps(spec))
    mlctl("batch-endpoint", "create", "-n", "sums")
    mlctl("batch-deployment", "create", "-f", "deployment.yml", "--set-default", *words)


def invoke(mlctl: Mlctl, *words: str, job: str) -> dict[str, Any]:
    shown: dict[str, Any] = mlctl.json("batch-endpoint", "invoke", "-n", "sums", "--job-name", job, *words)
    return shown


def rows_of(mlctl: Mlctl, job: str) -> list[str]:
    return (mlctl.workspace / "jobs" / job / "named-outputs/score/predictions.csv").read_text().splitlines()


def log_of(mlctl: Mlctl, job: str) -> str:
    return (mlctl.workspace / "jobs" / job / "artifacts/user_logs/std_log.txt").read_text()


def expected(files: int) -> list[str]:
    return [f"{number:05}.txt,{number + 1000000}" for number in range(files)]


def processes(mlctl: Mlctl, module: str) -> list[int]:
    """Processes of this test's home that run a module."""
    found = []
    for entry in Path("/proc").glob("[0-9]*"):
        try:
            words = (entry / "cmdline").read_bytes().split(b"\0")
            home = os.fsencode(mlctl.home) in (entry / "environ").read_bytes() + b"".join(words)
        except OSError:
            continue
        if home and words[1:3] == [b"-m", module.encode()]:
            found.append(int(entry.name))
    return found


def wait_for(happened: Callable[[], Any], seconds: float = 60) -> Any:
    give_up = time.monotonic() + seconds
    while not (found := happened()):
        assert time.monotonic() < give_up, "it did not happen"
        time.sleep(0.01)
    return found


def scored(mlctl: Mlctl, job: str) -> int:
    """Files in the journal of a job."""
    path = mlctl.workspace / "jobs" / job / "named-outputs/journal/journal.jsonl"
    return path.read_bytes().count(b"\n") * 4 if path.exists() else 0


@pytest.mark.parametrize("victim", ["mlctl_batch", "mlctl.backends.supervised"])
def test_every_file_is_scored_once_whatever_is_killed(mlctl: Mlctl, victim: str) -> None:
    script = SCRIPT.replace("PAUSE", str(20 / FILES))
    deploy(mlctl, script, files=FILES, mini_batch_size=4, max_concurrency_per_instance=4)
    invoke(mlctl, "--input", "data", job="first")
    wait_for(lambda: scored(mlctl, "first") > FILES / 8)
    os.kill(processes(mlctl, "mlctl_batch.worker")[0], signal.SIGKILL)
    before = scored(mlctl, "first")
    wait_for(lambda: scored(mlctl, "first") > before + FILES / 8)
    os.kill(processes(mlctl, victim)[0], signal.SIGKILL)
    assert mlctl.json("job", "wait", "-n", "first", code=10)["status"] == "Failed"
    mlctl("job", "show", "-n", "first")  # whoever looks at the job ends what a lost supervisor has left
    wait_for(lambda: not processes(mlctl, "mlctl_batch.worker"))
    assert "was ended by SIGKILL; try 2" in log_of(mlctl, "first")
    kept = scored(mlctl, "first")
    assert FILES / 4 < kept < FILES

    invoke(mlctl, "--resume", "first", job="second")
    mlctl("job", "wait", "-n", "second")
    assert rows_of(mlctl, "second") == expected(FILES)
    assert f"{kept} of {FILES} files were scored before" in log_of(mlctl, "second")
    # what was scored before did not reach the script again
    assert log_of(mlctl, "second").count("to the log") == (FILES - kept) / 4
    made_from = mlctl.json("job", "lineage", "-n", "second")["made_from"]
    assert "job/first" in {one["node"] for one in made_from}
    mlctl("batch-endpoint", "invoke", "-n", "sums", "--resume", "second", code=6)


def test_a_cancelled_job_is_resumed(mlctl: Mlctl) -> None:
    wrote = "run(mini_batch):\n    for path in mini_batch: open(os.environ['AZUREML_BI_OUTPUT_PATH'] + path[-9:], 'w')"
    script = SCRIPT.replace("PAUSE", "0.05").replace("run(mini_batch):", wrote.replace("PATH'] +", "PATH'] + '/' +"))
    deploy(mlctl, script, files=200, mini_batch_size=4)
    place = "azureml://datastores/workspaceblobstore/paths/scored"
    invoke(mlctl, "--input", "data", "--output-path", place, job="first")
    wait_for(lambda: scored(mlctl, "first") > 8)
    mlctl("batch-endpoint", "invoke", "-n", "sums", "--resume", "first", code=6)
    mlctl("job", "cancel", "-n", "first")
    invoke(mlctl, "--resume", "first", "--mini-batch-size", "50", job="second")
    mlctl("job", "wait", "-n", "second")
    scored_to = mlctl.workspace / "datastores/workspaceblobstore/scored"
    assert (scored_to / "predictions.csv").read_text().splitlines() == expected(200)
    assert len(list(scored_to.iterdir())) == 201


def test_results_are_where_the_user_wants_them(mlctl: Mlctl) -> None:
    deploy(mlctl, SCRIPT.replace("PAUSE", "0"), files=10, output_file_name="sums.csv")
    path = "azureml://datastores/workspaceblobstore/paths/scored"
    shown = invoke(mlctl, "--input", "data/00003.txt", "--output-path", path, job="one")
    assert shown["properties"]["azureml.deploymentName"] == "blue"
    mlctl("job", "wait", "-n", "one")
    written = mlctl.workspace / "datastores/workspaceblobstore/scored/sums.csv"
    assert written.read_text() == "00003.txt,1000003\n"
    mlctl("data", "create", "--name", "numbers", "--version", "1", "--path", "data", "--type", "uri_folder")
    mlctl(
        "batch-endpoint", "invoke", "-n", "sums", "--set", "inputs.d.path=azureml:numbers@latest", "--job-name", "two"
    )
    mlctl("job", "wait", "-n", "two")
    mlctl("job", "download", "-n", "two", "--output-name", "score", "--download-path", "got")
    assert len((mlctl.folder / "got/named-outputs/score/sums.csv").read_text().splitlines()) == 10
    assert [job["name"] for job in mlctl.json("batch-endpoint", "list-jobs", "-n", "sums")] == ["two", "one"]
    assert [job["name"] for job in mlctl.json("batch-deployment", "list-jobs", "-n", "blue", "-e", "sums")]


def test_too_many_failures_end_the_job_with_the_reason(mlctl: Mlctl) -> None:
    script = "def init(): pass\ndef run(mini_batch):\n    raise ValueError('no good')\n"
    deploy(mlctl, script, files=40, error_threshold=5, mini_batch_size=2, retry_settings={"max_retries": 1})
    invoke(mlctl, "--input", "data", job="bad")
    error = mlctl.json("job", "wait", "-n", "bad", code=10)["error"]
    assert error["code"] == "BatchScoringFailed"
    assert "6 files failed, more than error_threshold 5; the last reason: ValueError: no good" in error["message"]


def test_a_script_that_does_not_start(mlctl: Mlctl) -> None:
    deploy(mlctl, "def init():\n    import nonsense\ndef run(mini_batch):\n    return mini_batch\n", files=3)
    invoke(mlctl, "--input", "data", job="bad")
    error = mlctl.json("job", "wait", "-n", "bad", code=10)["error"]
    assert "the script does not start: ModuleNotFoundError: No module named 'nonsense'" in error["message"]


ADDER = """\
class Model:
    def predict(self, frame):
        return frame["x"] + frame["y"]

def _load_pyfunc(path):
    return Model()
"""


@pytest.mark.network
def test_an_mlflow_model_needs_no_script(mlctl: Mlctl) -> None:
    mlflow_model(mlctl.folder / "adder", ADDER, None, "pandas")
    data = mlctl.folder / "data"
    data.mkdir()
    (data / "a.csv").write_text("x,y\n1,2\n3,4\n")
    (data / "b.json").write_text('[{"x": 5, "y": 6}]')
    (data / "c.json").write_text('{"columns": ["x", "y"], "data": [[7, 8]]}')
    (data / "d.jsonl").write_text('{"x": 9, "y": 10}\n')
    (data / "e.pdf").write_text("no table")
    spec = {"name": "blue", "endpoint_name": "sums", "model": {"path": "adder", "type": "mlflow_model"}}
    settings = {"mini_batch_size": 1, "retry_settings": {"max_retries": 0}, "compute": "local"}
    (mlctl.folder / "deployment.yml").write_text(json.dumps({**spec, **settings}))
    mlctl("batch-endpoint", "create", "-n", "sums")
    mlctl("batch-deployment", "create", "-f", "deployment.yml")
    invoke(mlctl, "--input", "data", job="one")
    mlctl("job", "wait", "-n", "one", timeout=300)
    assert rows_of(mlctl, "one") == ["0,3,a.csv", "1,7,a.csv", "0,11,b.json", "0,15,c.json", "0,19,d.jsonl"]
    assert "File type 'pdf' is not supported" in log_of(mlctl, "one")


SEES = """\
class Model:
    def predict(self, data, params=None):
        if hasattr(data, "columns"):  # bytes in a table of one row
            (content,) = data["content"]
            return [f"{type(content).__name__} {len(content)}"]
        return [f"{data.dtype} {list(data.shape)} {int(data.sum())}"]

def _load_pyfunc(path):
    return Model()
"""
# two rows, x and y; written by pyarrow
PARQUET = (
    "UEFSMRUAFSwVLCwVBBUAFQYVBhwAAAACAAAABAEBAAAAAAAAAAMAAAAAAAAAFQAVLBUsLBUEFQAVBhUGHAAAAAIAAAAEAQIAAAAAAAAABAAAAAAA"
    "AAAVBBk8NQAYBnNjaGVtYRUEABUEJQIYAXgAFQQlAhgBeQAWBBkcGSwmABwVBBklBgAZGAF4FQAWBBZSFlImCEkcFQAVABUCADwpBhkmAAQAAAAm"
    "ABwVBBklBgAZGAF5FQAWBBZSFlImWkkcFQAVABUCADwpBhkmAAQAAAAWpAEWBCYIFqQBACggcGFycXVldC1jcHAtYXJyb3cgdmVyc2lvbiAyNS4w"
    "LjEZLBwAABwAAACxAAAAUEFSMQ=="
)


def png(*rows: bytes, width: int, kind: int, palette: bytes = b"") -> bytes:
    """A picture; `kind` 2: three bytes for a pixel, 3: one, into the palette."""

    def chunk(name: bytes, data: bytes) -> bytes:
        return struct.pack(">I", len(data)) + name + data + struct.pack(">I", zlib.crc32(name + data))

    head = struct.pack(">IIBBBBB", width, len(rows), 8, kind, 0, 0, 0)
    pixels = zlib.compress(b"".join(b"\0" + row for row in rows))
    colours = chunk(b"PLTE", palette) if palette else b""
    return b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", head) + colours + chunk(b"IDAT", pixels) + chunk(b"IEND", b"")


def mlflow_model(folder: Path, code: str, inputs: list[dict[str, Any]] | None, *packages: str) -> None:
    """A model with a loader of its own, as mlflow.pyfunc.save_model(loader_module=…) writes it."""
    (folder / "code").mkdir(parents=True)
    (folder / "data").mkdir()
    (folder / "data" / "kept").write_text("")
    (folder / "code" / "loader.py").write_text(code)
    (folder / "conda.yaml").write_text(json.dumps({"dependencies": ["pip", {"pip": ["mlflow-skinny", *packages]}]}))
    flavor = {"loader_module": "loader", "code": "code", "data": "data", "env": {"conda": "conda.yaml"}}
    signature = {"signature": {"inputs": json.dumps(inputs)}} if inputs else {}
    (folder / "MLmodel").write_text(json.dumps({"flavors": {"python_function": flavor}, **signature}))


@pytest.mark.network
def test_mlflow_models_read_parquet_images_and_bytes(mlctl: Mlctl) -> None:
    pixel = {"type": "tensor", "tensor-spec": {"dtype": "float32", "shape": [-1, 2, -1, 3]}}
    models = {
        "adder": (ADDER, None, "pandas", "pyarrow"),
        "sees": (SEES, [pixel], "pandas"),
        "weighs": (SEES, [{"type": "binary", "name": "content"}], "pandas"),
    }
    tables, pictures = mlctl.folder / "tables", mlctl.folder / "pictures"
    tables.mkdir()
    for name in ("a.parquet", "b.pqt"):
        (tables / name).write_bytes(base64.b64decode(PARQUET))
    pictures.mkdir()
    colours = png(bytes([1, 2, 3] * 4), bytes([0] * 12), width=4, kind=2)
    (pictures / "a.png").write_bytes(colours)
    (pictures / "b.PNG").write_bytes(png(b"\1\0", b"\0\0", width=2, kind=3, palette=b"\0\0\0" + b"\xff\0\1"))
    (pictures / "c.png").write_bytes(png(b"\0" * 3, width=1, kind=2))  # one row where the signature has two
    mlctl("batch-endpoint", "create", "-n", "sums")
    for name, (code, inputs, *packages) in models.items():
        mlflow_model(mlctl.folder / name, code, inputs, *packages)
        spec = {"name": name, "endpoint_name": "sums", "model": {"path": name, "type": "mlflow_model"}}
        settings = {"mini_batch_size": 1, "retry_settings": {"max_retries": 0}, "compute": "local"}
        (mlctl.folder / "deployment.yml").write_text(json.dumps({**spec, **settings}))
        mlctl("batch-deployment", "create", "-f", "deployment.yml")
        data = "tables" if name == "adder" else "pictures"
        invoke(mlctl, "--input", data, "--deployment-name", name, job=name)
        mlctl("job", "wait", "-n", name, timeout=300)
    assert rows_of(mlctl, "adder") == ["0,3,a.parquet", "1,7,a.parquet", "0,3,b.pqt", "1,7,b.pqt"]
    assert rows_of(mlctl, "sees") == ['0,"float32 [1, 2, 4, 3] 24",a.png', '0,"float32 [1, 2, 2, 3] 256",b.PNG']
    assert re.search(r"Error processing input file: '.*c\.png'.*cannot reshape", log_of(mlctl, "sees"))
    assert rows_of(mlctl, "weighs")[0] == f"0,bytes {len(colours)},a.png"
    assert len(rows_of(mlctl, "weighs")) == 3


def test_the_example(mlctl: Mlctl) -> None:
    shutil.copytree(EXAMPLES / "batch", mlctl.folder, dirs_exist_ok=True)
    mlctl("batch-endpoint", "create", "-f", "endpoint.yml")
    mlctl("batch-deployment", "create", "-f", "deployment.yml", "--set-default")
    mlctl("batch-endpoint", "invoke", "-n", "word-counts", "--input", "texts", "--job-name", "first")
    mlctl("job", "wait", "-n", "first")
    assert rows_of(mlctl, "first") == ["one.txt,2", "three.txt,0", "two.txt,3"]
