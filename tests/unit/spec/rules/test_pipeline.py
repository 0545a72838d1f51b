"""Graphs of steps: circles, long chains, where a step runs, and what flows between steps."""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping

import pytest

from mlctl.spec.problems import Problem

Told = Callable[..., list[Problem]]

HEAD = "type: pipeline\ncompute: azureml:cpu\n"
ENVIRONMENT = "environment: azureml:e:1"
TRAIN = f"name: train\ncommand: go ${{{{inputs.lr}}}}\n{ENVIRONMENT}\ninputs:\n  lr: {{type: number}}\n"


def graph(edges: Mapping[str, list[str]]) -> str:
    """A pipeline whose steps take the outputs of other steps."""
    lines = [HEAD + "jobs:"]
    for name, sources in edges.items():
        words = " ".join(f"${{{{inputs.i{index}}}}}" for index in range(len(sources)))
        lines += [
            f"  {name}:",
            f"    command: go {words} ${{{{outputs.o}}}}",
            f"    {ENVIRONMENT}",
            "    outputs: {o: }",
        ]
        if sources:
            lines.append("    inputs:")
        lines += [f"      i{index}: ${{{{parent.jobs.{source}.outputs.o}}}}" for index, source in enumerate(sources)]
    return "\n".join(lines) + "\n"


def cycles(problems: list[Problem]) -> list[str]:
    assert {found.code for found in problems} <= {"cycle"}
    return [found.message.rpartition(": ")[2] for found in problems]


@pytest.mark.parametrize(
    ("edges", "expected"),
    [
        ({"a": [], "b": ["a"], "c": ["a", "b"]}, []),
        # a diamond is no circle
        ({"d": ["b", "c"], "b": ["a"], "c": ["a"], "a": []}, []),
        ({"a": ["a"]}, ["step 'a' waits for its own output"]),
        ({"a": ["b"], "b": ["a"]}, ["a -> b -> a"]),
        ({"a": ["c"], "b": ["a"], "c": ["b"]}, ["a -> c -> b -> a"]),
        # what leads into a circle is not part of it
        ({"start": ["a"], "a": ["b"], "b": ["a"]}, ["a -> b -> a"]),
        ({"a": ["b"], "b": ["a"], "c": ["d"], "d": ["c"], "e": ["a", "c"]}, ["a -> b -> a", "c -> d -> c"]),
        ({"a": ["b", "c"], "b": ["a"], "c": ["a"]}, ["a -> c -> a", "a -> b -> a"]),
        ({"a": ["a", "b"], "b": ["b"]}, ["step 'a' waits for its own output", "step 'b' waits for its own output"]),
    ],
)
def test_circles(told: Told, edges: dict[str, list[str]], expected: list[str]) -> None:
    assert sorted(cycles(told("pipelineJob", graph(edges)))) == sorted(expected)


def test_a_circle_is_told_at_the_expression_that_closes_it(told: Told) -> None:
    (found,) = told("pipelineJob", graph({"a": ["b"], "b": ["a"]}))
    assert (found.line, found.path) == (15, "jobs.b.inputs.i0")


def test_a_chain_of_2000_steps(told: Told) -> None:
    chain: dict[str, list[str]] = {f"s{index}": [f"s{index - 1}"] if index else [] for index in range(2000)}
    start = time.process_time()
    assert told("pipelineJob", graph(chain), paths=False) == []
    chain["s0"] = ["s1999"]
    (found,) = told("pipelineJob", graph(chain), paths=False)
    # both together; the time of the reader is in it
    assert time.process_time() - start < 4
    assert found.code == "cycle"
    assert len(found.message) < 200


def test_many_steps_that_take_from_all_before_them(told: Told) -> None:
    edges = {f"s{index}": [f"s{other}" for other in range(index)] for index in range(60)}
    assert told("pipelineJob", graph(edges)) == []


def test_many_wrong_steps_do_not_list_each_other(told: Told) -> None:
    edges = {f"s{index}": [f"{'x' * 30}{index}"] for index in range(200)}
    problems = told("pipelineJob", graph(edges))
    assert [found.code for found in problems] == ["unknown_step"] * 200
    assert max(len(found.hint or "") for found in problems) < 300


def test_each_step_without_compute_is_told(told: Told) -> None:
    text = graph({"a": [], "b": ["a"]}).replace("compute: azureml:cpu\n", "")
    assert [found.path for found in told("pipelineJob", text)] == ["jobs.a.compute", "jobs.b.compute"]
    text = text.replace("type: pipeline\n", "type: pipeline\nsettings: {default_compute: serverless}\n")
    assert told("pipelineJob", text) == []


def test_the_number_of_a_component_is_checked_in_each_step(told: Told) -> None:
    steps = "\n".join(
        f"  s{index}:\n    component: train.yml\n    inputs: {{lr: {value}}}" for index, value in enumerate("0x")
    )
    problems = told("pipelineJob", f"{HEAD}jobs:\n{steps}\n", files={"train.yml": TRAIN})
    assert [(found.code, found.path) for found in problems] == [("type_mismatch", "jobs.s1.inputs.lr")]


def test_a_component_that_is_not_there_is_not_asked_for_with_no_paths(told: Told) -> None:
    text = f"{HEAD}jobs:\n  a:\n    component: gone.yml\n    inputs: {{x: 1}}\n"
    assert [found.code for found in told("pipelineJob", text)] == ["missing_path"]
    assert told("pipelineJob", text, paths=False) == []


def test_a_step_without_type_is_what_its_component_is(told: Told) -> None:
    inner = "name: inner\ntype: pipeline\njobs:\n  a:\n    component: train.yml\n    inputs: {lr: 1}\n"
    files = {"train.yml": TRAIN, "inner.yml": inner}
    text = "type: pipeline\njobs:\n  all:\n    component: inner.yml\n"
    # the compute is missing inside, not at the step
    assert [found.message.partition(" is")[0] for found in told("pipelineJob", text, files=files)] == [
        "'jobs.all.jobs.a.compute'"
    ]
    assert told("pipelineJob", text.replace("jobs:", "compute: c\njobs:"), files=files) == []
    said = text.replace("component:", "type: command\n    component:").replace("jobs:", "compute: c\njobs:")
    assert [found.code for found in told("pipelineJob", said, files=files)] == ["wrong_file"]


def test_the_spark_properties_of_a_component_count_for_its_step(told: Told) -> None:
    conf = "".join(
        f"  spark.{key}: 1\n"
        for key in ("driver.cores", "driver.memory", "executor.cores", "executor.memory", "executor.instances")
    )
    component = "name: s\ntype: spark\nentry: {file: a.py}\n"
    text = f"{HEAD}jobs:\n  a:\n    type: spark\n    component: s.yml\n    compute: azureml:pool\n"
    assert told("pipelineJob", text, files={"s.yml": f"{component}conf:\n{conf}"}) == []
    assert [found.path for found in told("pipelineJob", text, files={"s.yml": component})] == [
        "jobs.a.conf.spark.driver.cores"
    ]
    registered = text.replace("s.yml", "azureml:s:1")
    assert told("pipelineJob", registered) == []
    nowhere = registered.replace("    compute: azureml:pool\n", "")
    assert [found.message for found in told("pipelineJob", nowhere)] == ["a spark job needs resources or a compute"]
