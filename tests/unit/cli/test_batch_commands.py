"""`mlctl batch-endpoint` and `mlctl batch-deployment`: what is kept, and what a call becomes."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from tests.unit.cli.calls import Answer, Call

from mlctl.backends.supervised.jobs import SupervisedJobs


@pytest.fixture(autouse=True)
def nothing_starts(monkeypatch: pytest.MonkeyPatch) -> None:
    """Jobs stay in the queue."""
    monkeypatch.setattr("mlctl.backends.supervised.jobs.dispatch", lambda *_words: None)
    monkeypatch.setattr(SupervisedJobs, "look_after", lambda _self: None)


def spec(**changes: Any) -> str:
    Path("code").mkdir(exist_ok=True)
    Path("code/score.py").write_text("def init(): pass\ndef run(files): return files\n")
    Path("model.txt").write_text("1")
    data = {
        "name": "blue",
        "endpoint_name": "sums",
        "model": {"path": "model.txt"},
        "code_configuration": {"code": "code", "scoring_script": "score.py"},
        "environment": {"image": "library/python:latest"},
        "compute": "local",
        **changes,
    }
    Path("deployment.yml").write_text(json.dumps({key: value for key, value in data.items() if value is not None}))
    return "deployment.yml"


@pytest.fixture
def deployed(call: Call) -> Call:
    assert call("batch-endpoint", "create", "-n", "sums").code == 0
    answer = call("batch-deployment", "create", "-f", spec(), "--set-default")
    assert answer.code == 0, answer.err
    Path("data").mkdir()
    Path("data/a.txt").write_text("a")
    return call


def invoke(call: Call, *words: str) -> Answer:
    return call("batch-endpoint", "invoke", "-n", "sums", *words)


def test_an_endpoint_is_created_twice_without_a_conflict(call: Call) -> None:
    first = call("batch-endpoint", "create", "-n", "Sums").json
    Path("e.yml").write_text(json.dumps({"name": "sums", "description": "adds", "tags": {"a": 1}}))
    second = call("batch-endpoint", "create", "-f", "e.yml").json
    assert (second["name"], second["description"], second["tags"]) == ("sums", "adds", {"a": "1"})
    assert second["creation_context"]["created_at"] == first["creation_context"]["created_at"]
    assert [one["name"] for one in call("batch-endpoint", "list").json] == ["sums"]
    assert call("batch-endpoint", "create").code == 5


def test_the_default_deployment(deployed: Call) -> None:
    assert deployed("batch-endpoint", "show", "-n", "sums").json["defaults"] == {"deployment_name": "blue"}
    assert deployed("batch-deployment", "create", "-f", spec(name="green")).code == 0
    for words in (("--defaults", "deployment_name=green"), ("--set", "defaults.deployment_name=blue")):
        answer = deployed("batch-endpoint", "update", "-n", "sums", *words)
        assert answer.json["defaults"]["deployment_name"] == words[1].partition("=")[2]
    assert deployed("batch-endpoint", "update", "-n", "sums", "--set", "defaults.deployment_name=red").code == 3
    assert deployed("batch-endpoint", "update", "-n", "sums", "--defaults", "name=blue").code == 2
    assert deployed("batch-deployment", "delete", "-n", "blue", "-e", "sums", "--yes").code == 6
    assert deployed("batch-deployment", "delete", "-n", "green", "-e", "sums", "--yes").code == 0
    assert deployed("batch-deployment", "delete", "-n", "blue", "-e", "sums", "--yes").code == 0
    assert invoke(deployed, "--input", "data").code == 3


def test_several_deployments_and_no_default(call: Call) -> None:
    call("batch-endpoint", "create", "-n", "sums")
    for name in ("blue", "green"):
        assert call("batch-deployment", "create", "-f", spec(name=name)).code == 0
    Path("data").mkdir()
    answer = invoke(call, "--input", "data")
    assert answer.code == 6
    assert "no default deployment" in answer.err
    assert invoke(call, "--input", "data", "-d", "green").json["properties"]["azureml.deploymentName"] == "green"


@pytest.mark.parametrize("nested", [False, True])
def test_settings_flat_and_nested(call: Call, nested: bool) -> None:
    call("batch-endpoint", "create", "-n", "sums")
    given = {"mini_batch_size": 7, "error_threshold": 3, "retry_settings": {"timeout": 9}, "logging_level": "DEBUG"}
    changes = {"type": "model", "settings": {**given, "instance_count": 2}} if nested else given
    shown = call("batch-deployment", "create", "-f", spec(**changes)).json
    assert (shown["mini_batch_size"], shown["error_threshold"], shown["logging_level"]) == (7, 3, "debug")
    assert shown["retry_settings"] == {"max_retries": 3, "timeout": 9}
    assert shown["resources"] == {"instance_count": 2 if nested else 1}
    assert (shown["output_action"], shown["output_file_name"]) == ("append_row", "predictions.csv")


def test_an_update_changes_how_it_scores(deployed: Call) -> None:
    words = ("batch-deployment", "update", "-n", "blue", "-e", "sums", "--set")
    shown = deployed(*words, "mini_batch_size=3", "tags.a=1", "environment_variables.X=2").json
    assert (shown["mini_batch_size"], shown["tags"], shown["environment_variables"]) == (3, {"a": "1"}, {"X": "2"})
    assert deployed(*words, "mini_batch_size=0").code == 2
    assert deployed(*words, "compute=other").code == 2
    assert deployed("batch-deployment", "update", "-f", spec(mini_batch_size=5)).json["mini_batch_size"] == 5
    assert deployed("batch-deployment", "update", "-f", spec(name="none")).code == 3


def test_pipelines_are_not_available_yet(deployed: Call) -> None:
    component = {"type": "pipeline", "component": "azureml:p:1"}
    answer = deployed(
        "batch-deployment",
        "create",
        "-f",
        spec(model=None, code_configuration=None, environment=None, compute=None, **component),
    )
    assert answer.code == 9
    assert "'pipeline' are not available yet" in answer.err


def test_a_model_without_a_script(deployed: Call) -> None:
    answer = deployed("batch-deployment", "create", "-f", spec(code_configuration=None))
    assert answer.code == 5
    assert "no code_configuration" in answer.err


def test_a_call_becomes_a_job(deployed: Call) -> None:
    job = invoke(deployed, "--input", "data", "--job-name", "mine", "-m", "4", "-c", "3", "--experiment-name", "e").json
    assert (job["name"], job["status"], job["experiment_name"]) == ("mine", "Queued", "e")
    assert job["properties"]["azureml.endpointName"] == "sums"
    assert "--workers 3 --mini-batch-size 4" in job["command"]
    assert job["inputs"]["input"]["path"] == str(Path("data").resolve())
    assert job["inputs"]["model"]["path"].endswith("/model.txt")
    again = invoke(deployed, "--input", "data/a.txt", "--set", "retry_settings.timeout=99").json
    assert '--input "${{inputs.input}}" --input-type uri_file' in again["command"]
    assert "--max-retries 3 --timeout 99" in again["command"]
    assert [one["name"] for one in deployed("batch-endpoint", "list-jobs", "-n", "sums").json] == [
        again["name"],
        "mine",
    ]
    assert deployed("batch-deployment", "create", "-f", spec(name="blue2")).code == 0
    assert deployed("batch-deployment", "list-jobs", "-n", "blue2", "-e", "sums").json == []


def test_a_call_from_a_file(deployed: Call) -> None:
    Path("calls").mkdir()
    Path("calls/call.yml").write_text(
        "inputs:\n  heart:\n    type: uri_folder\n    path: ../data\nmini_batch_size: 2\n"
    )
    job = invoke(deployed, "--file", "calls/call.yml", "--outputs", '{"score": {"name": "scored"}}').json
    assert job["inputs"]["heart"]["path"] == str(Path("data").resolve())
    assert "--mini-batch-size 2" in job["command"]
    assert job["outputs"]["score"]["name"] == "scored"


@pytest.mark.parametrize(
    ("words", "code", "message"),
    [
        ((), 2, "with one input, not with none"),
        (("--input", "gone"), 3, "does not exist"),
        (("--input-type", "uri_file"), 2, "give --input"),
        (("--inputs", "{"), 2, "no JSON"),
        (("--set", "inputs.a.path=data", "inputs.b.path=data"), 2, "not with a, b"),
        (("--set", "inputs.model.path=data"), 2, "cannot be named 'model'"),
        (("--input", "data", "--input-type", "custom_model"), 2, "cannot be 'custom_model'"),
        (("--input", "data", "--set", "nonsense=1"), 2, "cannot have nonsense"),
        (("--input", "data", "--set", "outputs.other.path=x"), 2, "output of a scoring job is 'score'"),
        (("--input", "data", "--output-path", "/tmp/x"), 9, "cannot write to"),
        (("--input", "azureml:none:1"), 3, "none"),
        (("--input", "data", "-d", "red"), 3, "no deployment 'red'"),
        (("--resume", "nobody"), 3, "no job named 'nobody'"),
    ],
)
def test_calls_that_are_refused(deployed: Call, words: tuple[str, ...], code: int, message: str) -> None:
    answer = invoke(deployed, *words)
    assert answer.code == code, answer.err
    assert message in answer.err


def test_a_job_that_has_not_ended_is_not_resumed(deployed: Call) -> None:
    invoke(deployed, "--input", "data", "--job-name", "mine")
    answer = invoke(deployed, "--resume", "mine")
    assert answer.code == 6
    assert "is Queued: it goes on by itself" in answer.err


def test_names_of_endpoints_are_shared_by_both_kinds(deployed: Call) -> None:
    answer = deployed("online-endpoint", "create", "-n", "sums", "--no-wait")
    assert answer.code == 6
    assert "batch-endpoint 'sums' exists already" in answer.err
    assert deployed("online-endpoint", "show", "-n", "sums").code == 3


@pytest.mark.parametrize("verb", ["show", "get-logs", "delete", "update"])
def test_a_batch_deployment_is_none_of_the_online_ones(deployed: Call, verb: str) -> None:
    words = {"delete": ("-y",), "update": ("--set", "tags.a=b")}.get(verb, ())
    answer = deployed("online-deployment", verb, "-n", "blue", "-e", "sums", *words)
    assert answer.code == 3
    assert "no online-endpoint named 'sums'" in answer.err
    assert deployed("batch-deployment", "show", "-n", "blue", "-e", "sums").code == 0


def test_names_of_endpoints_have_no_case(deployed: Call) -> None:
    assert deployed("batch-endpoint", "show", "-n", "Sums").json["name"] == "sums"
    assert deployed("batch-deployment", "show", "-n", "blue", "-e", "SUMS").json["endpoint_name"] == "sums"


def test_deleting_an_endpoint_leaves_its_jobs(deployed: Call) -> None:
    invoke(deployed, "--input", "data", "--job-name", "mine")
    assert deployed("batch-endpoint", "delete", "-n", "sums").code == 1
    assert deployed("batch-endpoint", "delete", "-n", "sums", "-y").code == 0
    assert deployed("batch-endpoint", "show", "-n", "sums").code == 3
    assert deployed("job", "show", "-n", "mine").json["status"] == "Queued"


def test_a_deployment_is_a_part_of_the_lineage_as_long_as_it_is_there(deployed: Call) -> None:
    deployed("model", "create", "-n", "ones", "--path", "model.txt")
    deployed("environment", "create", "-n", "base", "--image", "library/python:latest")
    words = spec(name="green", model="azureml:ones:1", environment="azureml:base@latest")
    for _ in range(2):  # made anew after it was deleted
        assert deployed("batch-deployment", "create", "-f", words).code == 0
        for used in (("model", "ones:1"), ("environment", "base:1")):
            assert "sums/green" in deployed(used[0], "used-by", used[1]).out
        assert deployed("batch-deployment", "delete", "-e", "sums", "-n", "green", "--yes").code == 0
        assert "sums/green" not in deployed("model", "used-by", "ones:1").out
    assert deployed("batch-deployment", "create", "-f", words).code == 0
    assert deployed("workspace", "verify").code == 0
    assert deployed("batch-endpoint", "delete", "-n", "sums", "--yes").code == 0
    assert "sums/green" not in deployed("model", "used-by", "ones:1").out
