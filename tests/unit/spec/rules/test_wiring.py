"""Expressions between the steps of a pipeline, one at a time."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from mlctl.spec.problems import Problem
from mlctl.spec.rules.wiring import job_ports

Told = Callable[..., list[Problem]]

COMPONENT = """\
name: c
command: go ${{inputs.data}} ${{inputs.n}} $[[${{inputs.more}}]] ${{outputs.out}}
environment: azureml:e:1
inputs:
  data: {type: uri_folder}
  n: {type: integer, default: 1, max: 9}
  more: {type: string, optional: true}
outputs:
  out: {type: uri_folder}
"""
PIPELINE = """\
type: pipeline
compute: azureml:cpu
inputs:
  raw: {type: uri_folder, path: azureml:raw:1}
  text: words
  five: 5
  share: 0.5
  many: {value: 50}
outputs:
  result: {type: uri_folder}
jobs:
  first:
    component: c.yml
    inputs: {data: "${{parent.inputs.raw}}"}
    outputs: {out: "${{parent.outputs.result}}"}
  second:
    component: c.yml
    inputs:
      data: ${{parent.jobs.first.outputs.out}}
"""


def with_input(line: str) -> str:
    return f"{PIPELINE}      {line}\n"


@pytest.mark.parametrize(
    "line",
    [
        "n: ${{parent.inputs.five}}",
        "n: ${{ parent.inputs.five }}",
        "n: '9'",
        "more: ${{parent.inputs.text}}",
        # pipeline text may be a number for all that is known
        "more: ${{parent.jobs.first.inputs.more}}",
    ],
)
def test_what_may_be_bound(told: Told, line: str) -> None:
    assert told("pipelineJob", with_input(line), files={"c.yml": COMPONENT}) == []


@pytest.mark.parametrize(
    ("line", "code", "words"),
    [
        ("n: ${{parent.inputs.fife}}", "unbound", "the pipeline has no input 'fife'"),
        ("n: ${{parent.inputs.share}}", "type_mismatch", "pipeline input 'share' is 0.5, not a whole number"),
        ("n: ${{parent.inputs.many}}", "type_mismatch", "pipeline input 'many' is 50, more than its max, 9"),
        ("n: ${{parent.inputs.text}}", "type_mismatch", "pipeline input 'text' is 'words', not a whole number"),
        ("n: ${{parent.inputs.raw}}", "type_mismatch", "is uri_folder, integer is expected"),
        ("n: ${{parent.jobs.first.outputs.out}}", "type_mismatch", "is uri_folder, integer is expected"),
        ("n: ${{parent.jobs.third.outputs.out}}", "unknown_step", "there is no step 'third'"),
        ("n: ${{parent.jobs.first.outputs.o}}", "unbound", "step 'first' has no output 'o'"),
        ("n: ${{parent.jobs.first.inputs.no}}", "unbound", "step 'first' has no input 'no'"),
        ("n: ${{parent.jobs.first}}", "unbound", "this names no output of a step"),
        ("n: ${{parent.jobs.first.out}}", "unbound", "this names no output of a step"),
        ("n: ${{parent.jobs}}", "unbound", "this is no expression of a step"),
        ("n: ${{parent.inputs}}", "unbound", "this is no expression of a step"),
        ("n: ${{parent}}", "unbound", "this is no expression of a step"),
        ("n: ${{}}", "unbound", "this is no expression of a step"),
        ("n: ${{inputs.five}}", "old_binding", "this is the old form"),
        ("n: ${{jobs.first.outputs.out}}", "old_binding", "this is the old form"),
        ("n: x${{parent.inputs.fife}}y", "unbound", "the pipeline has no input 'fife'"),
        ("n: 10", "type_mismatch", "10 is more than its max, 9"),
        ("n: true", "type_mismatch", "true is not a whole number"),
        ("n: {type: uri_file, path: 'azureml:x:1'}", "type_mismatch", "is data, integer is expected"),
        ("m: 1", "unknown_port", "has no input 'm'"),
    ],
)
def test_what_may_not(told: Told, line: str, code: str, words: str) -> None:
    (found,) = told("pipelineJob", with_input(line), files={"c.yml": COMPONENT})
    assert (found.code, found.line) == (code, 20)
    assert words in found.message
    assert found.hint


def test_the_column_is_that_of_the_expression(told: Told) -> None:
    (found,) = told("pipelineJob", with_input("more: a ${{parent.inputs.x}}"), files={"c.yml": COMPONENT})
    assert found.column == with_input("more: a ${{parent.inputs.x}}").splitlines()[19].index("${{") + 1


def test_a_group_is_given_part_by_part(told: Told) -> None:
    component = COMPONENT.replace("n: {type: integer, default: 1, max: 9}", "n.a: {type: integer}").replace(
        "inputs.n}", "inputs.n.a}"
    )
    assert (
        told("pipelineJob", with_input("n.a: 1").replace('raw}}"}', 'raw}}", n.a: 2}'), files={"c.yml": component})
        == []
    )


def test_what_the_pipeline_is_given() -> None:
    ports = job_ports({"a": 1, "b": {"value": "x"}, "c": {"type": "uri_file", "path": "p"}, "d": None})
    assert {name: port.type for name, port in ports.items()} == {"a": "integer", "b": None, "c": "uri_file", "d": None}
    given = {name: (port.declaration or {}).get("given") for name, port in ports.items()}
    assert given == {"a": 1, "b": "x", "c": None, "d": None}


def test_an_optional_input_goes_to_an_optional_one_only(told: Told) -> None:
    text = """\
name: sub
type: pipeline
inputs:
  data: {type: uri_folder}
  word: {type: string, optional: true}
jobs:
  a:
    component: c.yml
    inputs:
      data: ${{parent.inputs.data}}
      more: ${{parent.inputs.word}}
"""
    assert told("pipelineComponent", text, files={"c.yml": COMPONENT}) == []
    (found,) = told("pipelineComponent", text.replace("more:", "n:"), files={"c.yml": COMPONENT})
    assert (found.code, found.line) == ("optional_to_required", 11)
