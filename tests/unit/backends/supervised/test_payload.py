"""Paths, variables and values of a job inside; what cannot be had here is refused with its line."""

from __future__ import annotations

import json
from typing import Any

import pytest

from mlctl.backends.supervised.payload import Place, job_document, job_payload
from mlctl.entities.command_job import CommandJob, Distribution, Input, Output, Resources
from mlctl.entities.environment import BuildContext, Environment
from mlctl.errors import UnsupportedError

PLACE = Place(workspace="team", folder="/w s")
JOB = "/w s/jobs/j"


def job(command: str = "true", **fields: Any) -> CommandJob:
    given = {"environment": Environment(image="python"), "name": "j", "experiment_name": "exp", **fields}
    return CommandJob(command=command, **given)


def data(name: str, path: str, **fields: Any) -> dict[str, Input]:
    return {name: Input(name, path=path, **fields)}


@pytest.mark.parametrize(
    ("given", "target"),
    [
        (Input("d", path="/data"), "d"),
        (Input("d", path="/data/", type="mltable"), "d"),
        (Input("d", path="/data/a.csv", type="uri_file"), "d/a.csv"),
        (Input("d", path="/data/model/", type="custom_model"), "d/model"),
        (Input("d", path="https://h/p%20q/a%20b.csv?sig=x/y", type="uri_file"), "d/a b.csv"),
        (Input("d", path="azureml://jobs/k/outputs/m/paths/x.bin", type="uri_file"), "d/x.bin"),
        (Input("d", path="/", type="uri_file"), "d/data"),
    ],
)
def test_where_an_input_appears(given: Input, target: str) -> None:
    payload = job_payload(job("cat ${{inputs.d}}", inputs={"d": given}), PLACE)
    assert payload["inputs"][0]["target"] == f"{JOB}/inputs/{target}"
    assert payload["command"] == f"cat {JOB}/inputs/{target}"
    assert payload["variables"]["AZURE_ML_INPUT_d"] == f"{JOB}/inputs/{target}"
    assert payload["variables"]["AZUREML_DATAREFERENCE_d"] == f"{JOB}/inputs/{target}"


def test_direct_gives_the_address() -> None:
    address = "azureml://datastores/workspaceblobstore/paths/x"
    given = data("d", address, mode="direct")
    payload = job_payload(job("x ${{inputs.d}}", inputs=given), PLACE)
    assert payload["command"] == f"x {address}"
    assert payload["variables"]["AZURE_ML_INPUT_d"] == address


@pytest.mark.parametrize(
    ("value", "text"), [(True, "True"), (False, "False"), (0.1, "0.1"), (1, "1"), ("", ""), ("a b", "a b"), (None, "")]
)
def test_literals_are_texts_as_az_sends_them(value: Any, text: str) -> None:
    inputs = {"v": Input("v", type="literal", value=value)}
    payload = job_payload(job("echo ${{inputs.v}}", inputs=inputs), PLACE)
    assert payload["command"] == f"echo {text}"
    assert payload["variables"]["AZUREML_PARAMETER_v"] == text
    assert payload["inputs"] == []
    assert job_document(job(inputs=inputs))["inputs"] == {"v": text}


def test_optional_parts_and_expressions_in_variables() -> None:
    inputs = {"a": Input("a", type="literal", value=1)}
    command = "run $[[--a ${{inputs.a}}]] $[[--b ${{inputs.b}}]] end"
    variables = {"MINE": "a=${{inputs.a}} o=${{outputs.o}}", "AZUREML_RUN_ID": "mine wins"}
    payload = job_payload(
        job(command, inputs=inputs, outputs={"o": Output("o")}, environment_variables=variables), PLACE
    )
    assert payload["command"].split() == ["run", "--a", "1", "end"]
    assert payload["variables"]["MINE"] == f"a=1 o={JOB}/named-outputs/o"
    assert payload["variables"]["AZUREML_RUN_ID"] == "mine wins"


OWN = "/w s/datastores/workspaceblobstore"


@pytest.mark.parametrize(
    ("given", "target"),
    [
        (Output("o"), f"{JOB}/named-outputs/o"),
        (Output("o", type="uri_file"), f"{JOB}/named-outputs/o/o"),
        (Output("o", path="azureml://datastores/workspaceblobstore/paths/a/b/"), f"{OWN}/a/b"),
        (Output("o", path="azureml://datastores/workspaceblobstore/paths/${{name}}/${{output_name}}"), f"{OWN}/j/o"),
        (
            Output(
                "o",
                path="azureml://subscriptions/s/resourcegroups/g/workspaces/w/datastores/workspaceblobstore/paths/a",
            ),
            f"{OWN}/a",
        ),
    ],
)
def test_where_an_output_is_kept(given: Output, target: str) -> None:
    payload = job_payload(job("x ${{outputs.o}}", outputs={"o": given}), PLACE)
    assert payload["outputs"][0]["target"] == target
    assert payload["command"] == f"x {target}"
    assert payload["variables"]["AZURE_ML_OUTPUT_o"] == target
    assert "deliver" not in payload["outputs"][0]


@pytest.mark.parametrize(
    ("given", "target", "address"),
    [
        (
            Output("o", path="azureml://datastores/mine/paths/a/${{name}}/"),
            f"{JOB}/named-outputs/o",
            "azureml://datastores/mine/paths/a/j/",
        ),
        (
            Output("o", type="uri_file", path="azureml://datastores/mine/paths/a/model.pt"),
            f"{JOB}/named-outputs/o/model.pt",
            "azureml://datastores/mine/paths/a/model.pt",
        ),
    ],
)
def test_an_output_of_another_datastore_is_written_beside_the_job_and_delivered(
    given: Output, target: str, address: str
) -> None:
    payload = job_payload(job("x ${{outputs.o}}", outputs={"o": given}), PLACE)
    assert payload["outputs"][0]["target"] == target
    assert payload["outputs"][0]["deliver"] == address
    assert payload["command"] == f"x {target}"


def test_an_output_is_shown_with_its_address() -> None:
    shown = job_document(job(outputs={"o": Output("o", asset_name="model", asset_version="2")}))["outputs"]["o"]
    assert shown == {
        "type": "uri_folder",
        "mode": "rw_mount",
        "path": "azureml://jobs/j/outputs/o/paths/",
        "name": "model",
        "version": "2",
    }


@pytest.mark.parametrize(
    ("fields", "words"),
    [
        ({"inputs": data("d", "/t", mode="eval_mount", type="mltable")}, "inputs.d.mode: eval_mount"),
        ({"outputs": {"o": Output("o", path="azureml://datastores/d/paths/../x")}}, "outputs.o.path: cannot write to"),
        ({"outputs": {"o": Output("o", path="azureml://datastores/d/paths//etc")}}, "outputs.o.path: cannot write to"),
        ({"outputs": {"o": Output("o", path="wasbs://c@a.blob/x")}}, "outputs.o.path: cannot write to"),
        ({"outputs": {"o": Output("o", path="azureml://datastores/d")}}, "outputs.o.path: cannot write to"),
        ({"code": "azureml:code:1"}, "code: 'azureml:code:1' is not a folder of this machine"),
        ({"code": "https://github.com/o/r"}, "code: 'https://github.com/o/r' is not a folder of this machine"),
        ({"environment": Environment(build=BuildContext("git://h/r"))}, "environment.build.path: 'git://h/r' is not"),
        ({"environment": Environment(image="x", os_type="windows")}, "environment.os_type: windows"),
    ],
)
def test_what_is_elsewhere_is_refused_with_its_line(fields: dict[str, Any], words: str) -> None:
    key = words.partition(":")[0]
    with pytest.raises(UnsupportedError) as caught:
        job_payload(job(source="job.yml", lines={key: 7}, **fields), PLACE)
    assert caught.value.message.startswith(f"job.yml:7: {words}")
    assert caught.value.hint


def test_variables_of_the_run_time_contract() -> None:
    variables = job_payload(
        job(parent_job_name="above", resources=Resources(instance_count=3)),
        Place(workspace="team", folder="/w s", subscription="sub", resource_group="group"),
    )["variables"]
    assert variables["MLCTL_JOB_FOLDER"] == JOB
    assert variables["AZUREML_RUN_ID"] == variables["MLFLOW_RUN_ID"] == "j"
    assert variables["AZUREML_ROOT_RUN_ID"] == "above"
    assert variables["AZUREML_ARM_SUBSCRIPTION"] == "sub"
    assert variables["AZUREML_ARM_RESOURCEGROUP"] == "group"
    assert variables["AZUREML_ARM_WORKSPACE_NAME"] == "team"
    assert variables["AZUREML_NODE_COUNT"] == "3"
    assert variables["MLFLOW_TRACKING_URI"] == "file:///w%20s/mlruns"
    assert variables["MLFLOW_EXPERIMENT_ID"] == variables["AZUREML_EXPERIMENT_ID"]
    assert len(variables["MLFLOW_EXPERIMENT_ID"]) == 18
    assert json.loads(variables["MLFLOW_RUN_CONTEXT"]) == {"mlctl.job": "j", "mlctl.workspace": "team"}


def test_a_tracking_server_makes_its_own_runs() -> None:
    """A run id made here would mean nothing to it."""
    variables = job_payload(job(), Place(workspace="w", folder="/w", tracking_uri="https://mlflow"))["variables"]
    assert variables["MLFLOW_TRACKING_URI"] == "https://mlflow"
    assert not {"MLFLOW_RUN_ID", "MLFLOW_EXPERIMENT_ID", "MLFLOW_ALLOW_FILE_STORE"} & variables.keys()
    assert variables["MLFLOW_EXPERIMENT_NAME"] == "exp"


def test_distribution_and_limits_are_plain_data() -> None:
    given = Distribution("ray", 1, {"port": 6379})
    payload = job_payload(job(distribution=given, timeout=5, resources=Resources(instance_count=2)), PLACE)
    assert payload["distribution"] == {"type": "ray", "process_count_per_instance": 1, "port": 6379}
    assert (payload["timeout"], payload["instance_count"], payload["grace_period"]) == (5, 2, 30.0)
    document = job_document(job(distribution=given, timeout=5, services={"s": {"type": "ssh"}}))
    assert document["limits"] == {"timeout": 5}
    assert document["services"] == {"s": {"type": "ssh"}}
    assert json.loads(json.dumps(payload)) == payload
