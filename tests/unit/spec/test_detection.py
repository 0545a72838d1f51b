"""Which kind of spec a document is, and what is told not to be one."""

from __future__ import annotations

from typing import Any

import pytest
import yaml

from mlctl.spec.detection import FLOW, claimed_kind, detect, foreign_text, looks_like_spec, refine
from mlctl.spec.kinds import KINDS

SITE = "https://azuremlschemas.azureedge.net/latest/"


def kind_of(text: str) -> str | None:
    found = detect(yaml.safe_load(text))
    return found.kind.name if found.kind else None


@pytest.mark.parametrize(
    ("text", "kind"),
    [
        ("{command: x, environment: 'azureml:e:1'}", "commandJob"),
        ("{type: command, command: x, environment: 'azureml:e:1', inputs: {a: 1}}", "commandJob"),
        ("{name: t, command: x, environment: e, inputs: {a: {type: number}}}", "commandComponent"),
        ("{name: t, command: x, environment: e, is_deterministic: true}", "commandComponent"),
        ("{name: t, display_name: T, command: x, environment: e}", "commandComponent"),
        ("{name: t, display_name: T, command: x, environment: e, compute: c}", "commandJob"),
        ("{type: pipeline, jobs: {a: {component: x.yml}}, settings: {default_compute: c}}", "pipelineJob"),
        ("{type: pipeline, jobs: {a: {component: x.yml}}, inputs: {a: {type: number}}}", "pipelineComponent"),
        ("{jobs: {a: {component: x.yml}}}", "pipelineJob"),
        ("{type: sweep, trial: {command: x}, search_space: {}}", "sweepJob"),
        ("{type: spark, entry: {file: a.py}, compute: c}", "sparkJob"),
        ("{type: spark, name: s, entry: {file: a.py}, inputs: {a: {type: uri_file}}}", "sparkComponent"),
        ("{type: parallel, name: p, task: {}}", "parallelComponent"),
        ("{type: automl, task: classification, training_data: {}, limits: {}}", "automlJob"),
        ("{name: e, image: python}", "environment"),
        ("{name: e, conda_file: c.yml}", "environment"),
        ("{name: m, path: m, type: mlflow_model}", "model"),
        ("{name: d, path: d, type: uri_folder}", "data"),
        ("{name: d, type: uri_folder, version: 1}", "data"),
        ("{name: d, type: azure_blob, account_name: a, container_name: c}", "azureBlobDatastore"),
        ("{name: d, type: azure_blob, container_name: c}", "azureBlobDatastore"),
        ("{name: d, type: azure_blob, container_name: c, url: u}", "azureBlobConnection"),
        ("{name: c, type: amlcompute, size: s}", "amlCompute"),
        ("{name: e, auth_mode: key, traffic: {a: 100}}", "managedOnlineEndpoint"),
        ("{name: e, auth_mode: key, compute: azureml:k}", "kubernetesOnlineEndpoint"),
        ("{name: e, auth_mode: aad_token, defaults: {deployment_name: d}}", "batchEndpoint"),
        ("{name: d, endpoint_name: e, model: 'azureml:m:1', instance_type: s}", "managedOnlineDeployment"),
        ("{name: d, endpoint_name: e, type: kubernetes, model: 'azureml:m:1'}", "kubernetesOnlineDeployment"),
        ("{name: d, endpoint_name: e, type: model, settings: {}}", "modelBatchDeployment"),
        ("{name: d, endpoint_name: e, type: pipeline, component: c}", "pipelineComponentBatchDeployment"),
        ("{name: s, trigger: {}, create_job: a.yml}", "jobSchedule"),
        ("{name: s, trigger: {}, create_monitor: {}}", "monitorSchedule"),
        ("{name: r, location: l, replication_locations: []}", "registry"),
        ("{name: w, location: l, key_vault: k}", "workspace"),
        ("{name: w, kind: hub}", "hub"),
        ("{name: e, index_columns: []}", "featureStoreEntity"),
    ],
)
def test_a_kind_by_its_keys(text: str, kind: str) -> None:
    assert kind_of(text) == kind


@pytest.mark.parametrize(
    ("text", "kind"),
    [
        ("{command: x, enviroment: 'azureml:e:1'}", "commandJob"),
        ("{comand: x, environment: 'azureml:e:1', compute: c}", "commandJob"),
        ("{type: command, comand: x}", "commandJob"),
        ("{type: pipeline, settings: {}, inputs: {a: 1}}", "pipelineJob"),
        ("{type: sweep, search_space: {}}", "sweepJob"),
        ("{type: command, name: t, code: s, inputs: {a: {type: number}}}", "commandComponent"),
        ("{name: d, instance_type: s, instance_count: 1}", "managedOnlineDeployment"),
        ("{name: d, type: model, settings: {}}", "modelBatchDeployment"),
        ("{type: comand, command: x, environment: e}", "commandJob"),
    ],
)
def test_a_misspelt_key_does_not_hide_a_spec(text: str, kind: str) -> None:
    assert kind_of(text) == kind


@pytest.mark.parametrize(
    ("schema", "text", "kind"),
    [
        ("commandJob", "{command: x}", "commandJob"),
        ("commandJob", "{}", "commandJob"),
        ("commandComponent", "{command: x, environment: e}", "commandComponent"),
        ("pipelineJob", "{type: pipeline, jobs: {}}", "pipelineJob"),
        ("commandJob", "{type: pipeline, jobs: {a: {}}}", "pipelineJob"),
        ("autoMLJob", "{type: automl, task: regression}", "automlJob"),
        ("managedOnlineDeployment", "{name: a, type: kubernetes}", "kubernetesOnlineDeployment"),
        # the keys leave no doubt: the address was copied from another file
        ("commandJob", "{name: a, endpoint_name: b}", "managedOnlineDeployment"),
        ("managedOnlineEndpoint", "{name: a, endpoint_name: b, model: m}", "managedOnlineDeployment"),
        ("managedOnlineDeployment", "{name: s, create_job: j}", "jobSchedule"),
        # without a type az takes a job for a command job, whatever $schema says
        ("sweepJob", "{command: x}", "commandJob"),
    ],
)
def test_what_schema_says_and_when_it_does_not_count(schema: str, text: str, kind: str) -> None:
    assert kind_of(f"{{$schema: '{SITE}{schema}.schema.json', {text[1:]}") == kind


@pytest.mark.parametrize(
    ("data", "reason"),
    [
        ({"name": "e", "channels": ["defaults"], "dependencies": ["python"]}, "a conda file"),
        ({"dependencies": ["python", {"pip": ["a"]}]}, "a conda file"),
        ({"services": {"web": {"image": "x"}}, "version": "3"}, "a compose file"),
        ({"nodes": [], "inputs": {}, "outputs": {}}, FLOW),
        ({"$schema": "https://azuremlschemas.azureedge.net/promptflow/latest/Flow.schema.json", "nodes": []}, FLOW),
        ({"entry_points": {"main": {"command": "x"}}, "name": "p", "conda_env": "c.yml"}, "an MLflow project"),
        ({"python": "3.11", "build_dependencies": [], "dependencies": []}, "an MLflow python_env"),
        ({"repos": [{"repo": "local"}]}, "a pre-commit configuration"),
        ([1], "a list"),
        ("text", "no map of keys"),
        (None, "no map of keys"),
    ],
)
def test_what_is_no_spec(data: Any, reason: str) -> None:
    assert detect(data) == (None, reason)


@pytest.mark.parametrize(
    "data",
    [
        {},
        {"name": "x"},
        {"name": "x", "path": "."},
        {"command": "x"},
        {"on": "push", "jobs": {"a": {"runs-on": "x", "steps": []}}},
        {"stages": [], "trigger": "none"},
        {"jobs": {"build": {"docker": [], "steps": []}}, "version": 2},
        {"type": "object", "properties": {"inputs": {}}},
        {"apiVersion": "v1", "kind": "Pod", "metadata": {}},
        {1: 2, None: 3},
    ],
)
def test_other_files_are_not_taken_for_a_spec(data: dict[Any, Any]) -> None:
    found = detect(data)
    assert found.kind is None
    assert found.reason


@pytest.mark.parametrize(
    ("text", "what"),
    [
        ("apiVersion: v1\nkind: Pod\n", "a Kubernetes manifest"),
        ("name: ci\non: [push]\njobs:\n  a:\n    runs-on: x\n", "a GitHub workflow"),
        ("pool: x\nsteps:\n- script: echo\n", "an Azure pipeline"),
        ("stages:\n- stage: a\n", "an Azure pipeline"),
        ("command: x\nenvironment: azureml:e:1\n", None),
        ("# yaml-language-server: $schema=https://azuremlschemas.azureedge.net/x\napiVersion: v1\nkind: Pod\n", None),
    ],
)
def test_what_can_be_told_from_text_alone(text: str, what: str | None) -> None:
    assert foreign_text(text) == what


def test_text_that_was_meant_to_be_a_spec() -> None:
    assert looks_like_spec("command: [a\nenvironment: x\n")
    assert looks_like_spec("image: azureml://registries/x\n a: [\n")
    assert not looks_like_spec("a: [\nb: c\n")
    assert not looks_like_spec("command: [a\n")


def test_refine_stays_in_the_family() -> None:
    assert refine(KINDS["commandJob"], {"type": "sweep"}).name == "sweepJob"
    assert refine(KINDS["commandJob"], {"type": "nonsense"}).name == "commandJob"
    assert refine(KINDS["commandComponent"], {"type": "Pipeline"}).name == "pipelineComponent"
    assert refine(KINDS["commandJob"], [1]).name == "commandJob"


def test_claimed_kind_reads_old_and_shared_names() -> None:
    names = ("autoMLJob", "azureBlob", "vmCompute", "commandJob", "nothing")
    found = [claimed_kind(f"{SITE}{name}.schema.json") for name in names]
    expected = ["automlJob", "azureBlobDatastore", "virtualMachineCompute", "commandJob", None]
    assert [kind.name if kind else None for kind in found] == expected
    assert claimed_kind("./schemas/pipelineJob.schema.json") == KINDS["pipelineJob"]


@pytest.mark.parametrize(
    ("text", "kind"),
    [
        ("{name: my-endpoint, auth_mod: key}", "managedOnlineEndpoint"),
        ("{name: s, trigers: {type: cron}, create_jobs: ./p.yml}", "jobSchedule"),
        ("{name: b, endpoint: e, model: 'azureml:m:1', instance_typ: S, instance_count: 1}", "managedOnlineDeployment"),
        ("{name: s, type: azure_datalake_gen2, account_name: a, filesystem: f}", "azureDataLakeGen2Datastore"),
        ("{type: pipeline, settings: {}, steps: {}}", "pipelineJob"),
    ],
)
def test_a_typo_in_a_telling_key_does_not_make_a_spec_something_else(text: str, kind: str) -> None:
    assert kind_of(text) == kind
