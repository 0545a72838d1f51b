"""What a job is made of, as links: from its record and its plan alone."""

from __future__ import annotations

from typing import Any

import pytest

from mlctl.backends.supervised.lineage import inline_environment, job_links
from mlctl.entities.job import JobRecord


def links(document: dict[str, Any] | None = None, plan: dict[str, Any] | None = None, **record: Any) -> dict[str, str]:
    """Role -> node."""
    made = JobRecord("train", "Queued", "local", "local", 1.0, document=document or {}, **record)
    found = job_links(made, {"payload": {}, **(plan or {})}, {"run1": "before"}.get)
    assert {link.downstream.text for link in found} <= {"job/train"}
    return {link.role: link.upstream.text for link in found}


@pytest.mark.parametrize(
    ("type_", "path", "node"),
    [
        ("uri_folder", "azureml:iris:1", "data/iris/1"),
        ("mltable", "azureml:iris@latest", "data/iris/@latest"),
        ("mlflow_model", "azureml:iris:1", "model/iris/1"),
        ("uri_file", "azureml://registries/r/data/iris/versions/2", "path/azureml://registries/r/data/iris/versions/2"),
        ("uri_file", "azureml://jobs/before/outputs/model/paths/m.bin", "job/before"),
        ("uri_file", "runs:/run1/model", "job/before"),
        ("uri_file", "runs:/unknown/model", "path/runs:/unknown/model"),
        ("uri_file", "/data/a.csv", "path//data/a.csv"),
        ("uri_file", "https://example.com/a.csv", "path/https://example.com/a.csv"),
        ("uri_folder", "azureml://datastores/d/paths/x/", "path/azureml://datastores/d/paths/x/"),
    ],
)
def test_inputs(type_: str, path: str, node: str) -> None:
    assert links({"inputs": {"d": {"type": type_, "path": path}, "literal": "0.1"}}) == {"input d": node}


def test_code_commit_parent_and_image() -> None:
    found = links(
        plan={"code_digest": "c0de", "payload": {"docker": {"image": "python:3.11"}}},
        properties={"mlflow.source.git.commit": "abc"},
        parent_job_name="above",
    )
    assert found == {"code": "code/c0de", "git": "git/abc", "image": "image/python:3.11", "parent": "job/above"}
    assert links(plan={"code_digest": None, "payload": {"docker": {"image": None}}}) == {}


def test_environments() -> None:
    assert links(plan={"spec": {"environment": "azureml:env:2"}}) == {"environment": "environment/env/2"}
    assert links(plan={"spec": {"environment": "azureml:sklearn-1.5@latest"}}) == {
        "environment": "environment/sklearn-1.5/@latest"
    }
    inline = {"image": "python:3.11", "conda_file": {"dependencies": ["numpy"]}}
    node = links(plan={"spec": {"environment": inline}})["environment"]
    assert node == inline_environment(inline).text
    assert node.startswith("environment/CliV2AnonymousEnvironment/")
    # the same environment is the same node, in whatever order it is written; another one is another
    assert inline_environment(dict(reversed(inline.items()))) == inline_environment(inline)
    assert inline_environment({**inline, "image": "python:3.12"}) != inline_environment(inline)


def test_a_build_counts_by_its_files_and_not_by_its_place() -> None:
    def node(path: str, digest: str) -> str:
        spec = {"environment": {"build": {"path": path, "dockerfile_path": "Dockerfile"}}}
        return links(plan={"spec": spec, "build_digest": digest})["environment"]

    assert node("/here", "d1") == node("/there", "d1")
    assert node("/here", "d1") != node("/here", "d2")


def test_a_scoring_job_is_linked_to_its_deployment() -> None:
    properties = {"azureml.endpointName": "sums", "azureml.deploymentName": "blue"}
    assert links(properties=properties) == {"deployment": "deployment/sums/blue"}
    assert links(properties={"azureml.endpointName": "sums"}) == {}
