"""Names of inputs and outputs, and files that have to be in the code folder."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from mlctl.spec.problems import Problem

Told = Callable[..., list[Problem]]

COMMAND = "command: go\nenvironment: azureml:e:1\n"


@pytest.mark.parametrize(
    ("kind", "head", "name", "right"),
    [
        ("commandJob", COMMAND, "a_1", True),
        ("commandJob", COMMAND, "A", True),
        ("commandJob", COMMAND, "a-b", False),
        ("commandJob", COMMAND, "1a", False),
        ("commandJob", COMMAND, "é", False),
        # groups are for pipelines and components
        ("commandJob", COMMAND, "a.b", False),
        ("commandComponent", f"name: c\n{COMMAND}", "a.b", True),
        ("commandComponent", f"name: c\n{COMMAND}", "a.", False),
        ("pipelineJob", "type: pipeline\ncompute: c\njobs: {s: {component: 'azureml:c:1'}}\n", "a.b", True),
    ],
)
def test_names(told: Told, kind: str, head: str, name: str, right: bool) -> None:
    value = "{type: number}" if "Component" in kind else "1"
    codes = [found.code for found in told(kind, f'{head}inputs:\n  "{name}": {value}\n')]
    assert codes == ([] if right else ["invalid_name"])


def test_a_wrong_key_does_not_hide_that_the_path_is_missing(told: Told) -> None:
    text = f"{COMMAND}inputs:\n  data:\n    type: uri_file\n    mode: fast\n"
    assert [(found.code, found.path) for found in told("commandJob", text)] == [
        ("missing_key", "inputs.data.path"),
        ("not_allowed", "inputs.data.mode"),
    ]


def test_the_path_of_a_whole_pipeline_may_come_later(told: Told) -> None:
    text = "type: pipeline\ncompute: c\ncomponent: azureml:c:1\ninputs:\n  data: {type: uri_folder}\n"
    assert [(found.code, found.severity) for found in told("pipelineJob", text)] == [("left_to_option", "incomplete")]
    with_jobs = text.replace("component: azureml:c:1", "jobs: {s: {component: 'azureml:c:1'}}")
    assert [(found.code, found.severity) for found in told("pipelineJob", with_jobs)] == [("missing_key", "error")]


@pytest.mark.parametrize(
    ("code", "file", "found"),
    [
        ("src", "run.py", True),
        ("./src/", "deep/run.py", True),
        ("src", "gone.py", False),
        ("src", "deep/gone.py", False),
        # nothing is known of what is elsewhere
        ("azureml://registries/r/codes/c/versions/1", "gone.py", True),
        ("git+https://example.com/a/b", "gone.py", True),
    ],
)
def test_the_entry_is_in_the_code_folder(told: Told, code: str, file: str, found: bool) -> None:
    files = {"src/run.py": "", "src/deep/run.py": ""}
    text = f"name: s\ntype: spark\ncode: {code}\nentry: {{file: {file}}}\n"
    codes = [problem.code for problem in told("sparkComponent", text, files=files)]
    assert codes == ([] if found else ["missing_path"])
    assert told("sparkComponent", text, files=files, paths=False) == []
    # it may be among what is packed with the code
    assert told("sparkComponent", f"{text}additional_includes: [src]\n", files=files) == []


def test_data_of_a_component_has_no_default_and_text_no_range(told: Told) -> None:
    text = f"name: c\n{COMMAND}inputs:\n  d: {{type: uri_file, default: x}}\n  w: {{type: string, max: 3}}\n"
    assert [(found.code, found.path) for found in told("commandComponent", text)] == [
        ("not_allowed", "inputs.d.default"),
        ("not_allowed", "inputs.w.max"),
    ]


def test_a_table_that_an_input_names_is_read(told: Told) -> None:
    job = "command: x ${{inputs.t}}\nenvironment: azureml:e:1\ninputs: {t: {type: mltable, path: table}}\n"
    (found,) = told("commandJob", job, files={"table/MLTable": "transformations: []\n"})
    assert (found.code, found.path) == ("missing_key", "paths")
    assert told("commandJob", job, files={"table/MLTable": "paths: [{file: ./a.csv}]\n"}) == []
