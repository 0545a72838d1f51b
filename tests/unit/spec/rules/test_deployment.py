"""Deployments: scoring code, models, scaling, collected data, resources, mini batches."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest

from mlctl.spec.problems import Problem
from mlctl.spec.rules.names import BATCH_DEPLOYMENT, DEPLOYMENT, proposal
from mlctl.spec.rules.quantity import quantity
from mlctl.spec.rules.scoring import parsed

Told = Callable[..., list[Problem]]

HEAD = "name: blue\nendpoint_name: my-endpoint\ninstance_type: Standard_DS3_v2\n"
MANAGED = f"{HEAD}model: azureml:trees:1\n"
KUBERNETES = "type: kubernetes\nname: blue\nendpoint_name: my-endpoint\nmodel: azureml:trees:1\n"
BATCH = "name: bd-one\nendpoint_name: my-batch\ntype: model\nmodel: azureml:trees:1\ncompute: azureml:cpu\n"
SCORE = "def init(): pass\ndef run(data): return data\n"
CODE = "code_configuration:\n  code: src\n  scoring_script: score.py\n"


def brief(problems: list[Problem]) -> list[tuple[str, str, int]]:
    return [(found.severity, found.code, found.line) for found in problems]


def test_a_script_that_compiles(told: Told) -> None:
    assert told("managedOnlineDeployment", MANAGED + CODE, files={"src/score.py": SCORE}) == []


def test_a_script_that_is_not_there_names_a_neighbour(told: Told) -> None:
    problems = told("managedOnlineDeployment", MANAGED + CODE, files={"src/scores.py": ""})
    assert brief(problems) == [("error", "missing_path", 7)]
    assert problems[0].hint == "did you mean 'scores.py'?"


@pytest.mark.parametrize(
    "script", ["def init(:\n", "def f():\n\treturn 1\n        return 2\n", "a = \0\n", "init <- f\nx = )"]
)
def test_a_script_that_does_not_compile(told: Told, script: str) -> None:
    problems = told("managedOnlineDeployment", MANAGED + CODE, files={"src/score.py": script})
    assert brief(problems) == [("error", "invalid_script", 7)]
    assert "--skip-script-validation" in str(problems[0].hint)


def test_a_script_of_another_language_is_not_python(told: Told) -> None:
    text = MANAGED + "code_configuration:\n  code: src\n  scoring_script: score.R\n"
    problems = told("managedOnlineDeployment", text, files={"src/score.R": "x <- function(a) { a }\n"})
    assert brief(problems) == [("error", "invalid_script", 7)]
    assert "as Python" in problems[0].message


def test_a_warning_of_the_compiler_is_none(tmp_path: Path) -> None:
    script = tmp_path / "score.py"
    script.write_text("x = '\\d'\n", encoding="utf-8")
    assert not isinstance(parsed(script), str)


def test_deep_nesting_is_an_answer_and_no_crash(tmp_path: Path) -> None:
    script = tmp_path / "score.py"
    script.write_text("x = " + "(" * 50_000, encoding="utf-8")
    assert isinstance(parsed(script), str)


@pytest.mark.parametrize(
    ("script", "lacks"),
    [
        ("def init(): pass\n", "no function run"),
        ("import os\n", "no function init and no run"),
        ("try:\n  from a import init\nexcept ImportError:\n  init = None\nrun = print\n", None),
        ("from lib import *\n", None),
        ("", None),
    ],
)
def test_functions_of_a_script(told: Told, script: str, lacks: str | None) -> None:
    problems = told("managedOnlineDeployment", MANAGED + CODE, files={"src/score.py": script})
    assert brief(problems) == ([("warning", "invalid_script", 7)] if lacks else [])
    assert not lacks or lacks in problems[0].message


def test_a_server_of_its_own_decides_what_the_script_has(told: Told) -> None:
    routes = "".join(f"    {name}_route: {{path: /, port: 80}}\n" for name in ("liveness", "readiness", "scoring"))
    text = f"{MANAGED}{CODE}environment:\n  image: i\n  inference_config:\n{routes}"
    problems = told("managedOnlineDeployment", text, files={"src/score.py": "x = 1\n"})
    assert not [found for found in problems if found.code == "invalid_script"]


def test_names_of_batch_deployments_are_freer() -> None:
    assert BATCH_DEPLOYMENT.takes("bd")
    assert BATCH_DEPLOYMENT.takes("my_deployment")
    assert not BATCH_DEPLOYMENT.takes("a b")
    assert proposal("regular_deployment", DEPLOYMENT) == "regular-deployment"
    assert proposal("x", DEPLOYMENT) is None


@pytest.mark.parametrize("code", ["azureml:code:1", "git+https://example.com/x.git", "https://example.com/x.zip"])
def test_code_that_is_not_a_local_folder_is_not_looked_at(told: Told, code: str) -> None:
    text = f"{MANAGED}code_configuration:\n  code: {code}\n  scoring_script: score.py\n"
    assert not [found for found in told("managedOnlineDeployment", text) if found.path.endswith("scoring_script")]


def test_without_paths_no_script_is_looked_at(told: Told) -> None:
    assert told("managedOnlineDeployment", MANAGED + CODE, files={"src": None}, paths=False) == []


@pytest.mark.parametrize(("there", "missing"), [("code: src", "scoring_script"), ("scoring_script: s.py", "code")])
def test_both_keys_of_the_code_go_together(told: Told, there: str, missing: str) -> None:
    text = f"{MANAGED}code_configuration:\n  {there}\n"
    problems = told("managedOnlineDeployment", text, files={"src": None})
    assert [(found.code, found.path) for found in problems] == [("missing_key", f"code_configuration.{missing}")]


def test_a_custom_model_needs_an_environment(told: Told) -> None:
    text = f"{HEAD}model:\n  path: model.pkl\n"
    problems = told("managedOnlineDeployment", text, files={"model.pkl": ""})
    assert brief(problems) == [("warning", "missing_key", 1)]


@pytest.mark.parametrize("model", ["path: m\n  type: mlflow_model", "path: m", "path: m\n  type: triton_model"])
def test_a_model_that_brings_its_environment(told: Told, model: str) -> None:
    text = f"{HEAD}model:\n  {model}\n"
    assert told("managedOnlineDeployment", text, files={"m/MLmodel": ""}) == []


def test_without_paths_a_local_model_may_be_anything(told: Told) -> None:
    assert told("managedOnlineDeployment", f"{HEAD}model:\n  path: none\n", paths=False) == []


def test_a_model_in_place_has_a_path(told: Told) -> None:
    problems = told("managedOnlineDeployment", f"{HEAD}model:\n  name: trees\nenvironment: azureml:e:1\n")
    assert [(found.code, found.path) for found in problems] == [("missing_key", "model.path")]


def test_an_mlflow_model_in_place_holds_its_file(told: Told) -> None:
    text = f"{HEAD}model:\n  path: m\n  type: mlflow_model\n"
    problems = told("managedOnlineDeployment", text, files={"m/readme.txt": ""})
    assert brief(problems) == [("error", "missing_path", 5)]


def test_a_stub_leaves_the_model_to_the_command(told: Told) -> None:
    problems = told("managedOnlineDeployment", HEAD)
    assert [(found.severity, found.path) for found in problems] == [("incomplete", "model")]
    assert told("managedOnlineDeployment", f"{HEAD}environment: azureml:package:1\n") == []


def test_managed_deployments_do_not_scale_by_load(told: Told) -> None:
    problems = told("managedOnlineDeployment", f"{MANAGED}scale_settings:\n  type: target_utilization\n")
    assert brief(problems) == [("error", "not_allowed", 6)]
    assert told("managedOnlineDeployment", f"{MANAGED}scale_settings: {{type: default}}\n") == []


@pytest.mark.parametrize(
    ("settings", "expected"),
    [
        ("min_instances: 3\n  max_instances: 2", [("error", "conflict", 8)]),
        ("min_instances: 2", [("error", "conflict", 7)]),
        ("min_instances: 1\n  max_instances: 2", []),
        ("min_instances: 5\n  max_instances: 9", [("warning", "conflict", 9)]),
    ],
)
def test_scaling_by_load(told: Told, settings: str, expected: list[object]) -> None:
    text = f"{KUBERNETES}scale_settings:\n  type: target_utilization\n  {settings}\ninstance_count: 1\n"
    assert brief(told("kubernetesOnlineDeployment", text)) == expected


@pytest.mark.parametrize(
    ("kind", "head", "milliseconds", "fits"),
    [
        ("managedOnlineDeployment", MANAGED, 180_000, True),
        ("managedOnlineDeployment", MANAGED, 180_001, False),
        ("managedOnlineDeployment", MANAGED, 0, False),
        ("kubernetesOnlineDeployment", KUBERNETES, 600_000, True),
    ],
)
def test_time_of_a_request(told: Told, kind: str, head: str, milliseconds: int, fits: bool) -> None:
    problems = told(kind, f"{head}request_settings:\n  request_timeout_ms: {milliseconds}\n")
    assert brief(problems) == ([] if fits else [("error", "out_of_range", 6)])


@pytest.mark.parametrize("key", ["period", "timeout", "success_threshold", "failure_threshold"])
def test_numbers_of_probes(told: Told, key: str) -> None:
    problems = told("managedOnlineDeployment", f"{MANAGED}readiness_probe:\n  {key}: 0\n")
    assert brief(problems) == [("error", "out_of_range", 6)]


def test_a_collector_collects(told: Told) -> None:
    problems = told("managedOnlineDeployment", f"{MANAGED}data_collector:\n  sampling_rate: 0.5\n")
    assert [found.path for found in problems] == ["data_collector.collections"]
    problems = told("managedOnlineDeployment", f"{MANAGED}data_collector:\n  collections: {{}}\n")
    assert brief(problems) == [("warning", "empty_value", 6)]


def test_collected_data_goes_to_a_datastore(told: Told) -> None:
    head = f"{MANAGED}data_collector:\n  collections:\n    model_inputs:\n"
    text = f'{head}      enabled: "true"\n      data:\n        path: '
    assert brief(told("managedOnlineDeployment", f"{text}./here\n")) == [("error", "invalid_reference", 10)]
    assert told("managedOnlineDeployment", f"{text}azureml://datastores/blob/paths/x\n") == []


def test_keys_of_the_other_type(told: Told) -> None:
    problems = told("managedOnlineDeployment", f"{MANAGED}resources: {{requests: {{cpu: '1'}}}}\n")
    assert problems[0].code == "unknown_key"
    assert "type: kubernetes" in str(problems[0].hint)
    problems = told("kubernetesOnlineDeployment", f"{KUBERNETES}egress_public_network_access: enabled\n")
    assert "type: managed" in str(problems[0].hint)


@pytest.mark.parametrize(
    ("written", "amount"),
    [
        ("2", 2),
        ("500m", 0.5),
        ("1.5Gi", 1.5 * 1024**3),
        ("1e3", 1000),
        ("200Mi", 200 * 1024**2),
        ("1k", 1000),
        (".5", 0.5),
    ],
)
def test_quantities(written: str, amount: float) -> None:
    assert quantity(written) == pytest.approx(amount)


@pytest.mark.parametrize("written", ["", "big", "2GB", "-1", "1 Gi", "1..2", "Gi", "5mi", "0x10"])
def test_texts_that_are_no_quantity(written: str) -> None:
    assert quantity(written) is None


def test_resources_are_quantities_within_their_limits(told: Told) -> None:
    requests, limits = "    cpu: lots\n    memory: 2Gi\n", "    memory: 500Mi\n    gpu: '0.5'\n"
    text = f"{KUBERNETES}resources:\n  requests:\n{requests}  limits:\n{limits}"
    assert brief(told("kubernetesOnlineDeployment", text)) == [
        ("error", "invalid_value", 7), ("error", "conflict", 8), ("error", "invalid_value", 11),
    ]  # fmt: skip


@pytest.mark.parametrize(
    ("settings", "expected"),
    [
        ("logging_level: INFO", []),
        ("logging_level: loud", [("error", "not_allowed", 7)]),
        ("logging_level: warn", [("error", "not_allowed", 7)]),
        ("mini_batch_size: 0", [("error", "out_of_range", 7)]),
        ("retry_settings: {max_retries: -1}", [("error", "out_of_range", 7)]),
        ("output_file_name: out/p.csv", [("error", "invalid_value", 7)]),
        ("output_file_name: p.csv", []),
        ("output_file_name: ..", [("error", "invalid_value", 7)]),
        ("output_action: summary_only\n  output_file_name: p.csv", [("error", "conflict", 8)]),
        ("output_action: Summary_Only", []),
        ("error_threshold: -2", [("error", "out_of_range", 7)]),
    ],
)
def test_settings_of_a_batch_deployment(told: Told, settings: str, expected: list[object]) -> None:
    assert brief(told("modelBatchDeployment", f"{BATCH}settings:\n  {settings}\n")) == expected


def test_the_flat_layout_has_the_same_rules(told: Told) -> None:
    text = "name: bd-one\nendpoint_name: my-batch\nmodel: azureml:m:1\nlogging_level: loud\noutput_file_name: a/b\n"
    assert brief(told("batchDeployment", text)) == [("error", "not_allowed", 4), ("error", "invalid_value", 5)]


def test_a_pipeline_deployment_runs_something(told: Told) -> None:
    head = "name: bd-one\nendpoint_name: my-batch\ntype: pipeline\n"
    assert [found.code for found in told("pipelineComponentBatchDeployment", head)] == ["missing_key"]
    assert told("pipelineComponentBatchDeployment", f"{head}component: azureml:p:1\n") == []
    both = told("pipelineComponentBatchDeployment", f"{head}component: azureml:p:1\njob_definition: azureml:j\n")
    assert brief(both) == [("error", "conflict", 5)]


def test_a_custom_model_in_a_batch_needs_code_and_environment(told: Told) -> None:
    text = "name: bd-one\nendpoint_name: my-batch\ntype: model\ncompute: azureml:cpu\nmodel:\n  path: m.pkl\n"
    problems = told("modelBatchDeployment", text, files={"m.pkl": ""})
    assert [(found.severity, found.path) for found in problems] == [
        ("warning", "environment"), ("warning", "code_configuration"),
    ]  # fmt: skip


def test_numbers_of_a_template(told: Told) -> None:
    problems = told("deploymentTemplate", "name: t\nrequest_settings:\n  request_timeout_ms: 200000\n")
    assert brief(problems) == [("error", "out_of_range", 3)]
