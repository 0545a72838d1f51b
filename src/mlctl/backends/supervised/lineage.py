"""What a job is made of, as links of the workspace's lineage. Pure: from the job's record and its plan."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable, Iterator, Mapping
from typing import Any

from mlctl.entities.asset import ANONYMOUS_ENVIRONMENT, DATA, ENVIRONMENT, MODEL, MODEL_TYPES
from mlctl.entities.job import JobRecord
from mlctl.entities.lineage import CODE, DEPLOYMENT, GIT, IMAGE, JOB, PATH, Link, Node
from mlctl.spec.references import ASSET, JOB_OUTPUT, RUN, parse


def job_links(
    record: JobRecord, plan: Mapping[str, Any], job_of_run: Callable[[str], str | None] = lambda run: run
) -> list[Link]:
    """Everything that the job uses, each with its role.

    `plan`: as the store keeps it, with `code_digest` and `build_digest`. `job_of_run`: whose process opened an MLflow
    run, None for nobody's. Addresses of inputs are those that `job show` prints: no signature gets into the lineage.
    """
    job = Node(JOB, record.name)
    return [Link(used, job, role) for used, role in _used(record, plan, job_of_run)]


def inline_environment(environment: Mapping[str, Any], build_digest: str | None = None) -> Node:
    """The node of an environment that stands inside a spec (see `backends.submitted`); a build counts by its files."""
    parts = {**environment, "build": build_digest} if build_digest else environment
    digest = hashlib.sha256(json.dumps(parts, sort_keys=True).encode()).hexdigest()
    return Node(ENVIRONMENT, ANONYMOUS_ENVIRONMENT, digest)


def _used(
    record: JobRecord, plan: Mapping[str, Any], job_of_run: Callable[[str], str | None]
) -> Iterator[tuple[Node, str]]:
    for name, given in (record.document.get("inputs") or {}).items():
        if isinstance(given, Mapping) and given.get("path"):
            kind = MODEL if given.get("type") in MODEL_TYPES else DATA
            yield _node(str(given["path"]), kind, job_of_run), f"input {name}"
    if plan.get("code_digest"):
        yield Node(CODE, plan["code_digest"]), "code"
    commit = record.properties.get("mlflow.source.git.commit")
    if commit:
        yield Node(GIT, commit), "git"
    environment = plan.get("spec", {}).get("environment")
    if isinstance(environment, str):
        yield _node(environment, ENVIRONMENT), "environment"
    elif environment:
        yield inline_environment(environment, plan.get("build_digest")), "environment"
    image = plan["payload"].get("docker", {}).get("image")
    if image:
        yield Node(IMAGE, image), "image"
    endpoint, deployment = (record.properties.get(f"azureml.{word}Name") for word in ("endpoint", "deployment"))
    if endpoint and deployment:
        yield Node(DEPLOYMENT, f"{endpoint}/{deployment}"), "deployment"
    if record.parent_job_name:
        yield Node(JOB, record.parent_job_name), "parent"


def _node(text: str, kind: str, job_of_run: Callable[[str], str | None] = lambda run: run) -> Node:
    """What a text of a spec refers to; an asset of a registry is named by its address, as `share` does."""
    reference = parse(text)
    if reference.kind == ASSET and reference.registry is None:
        return Node(kind, reference.name or "", reference.version or f"@{reference.label or 'latest'}")
    job = reference.job or ""
    if reference.kind == JOB_OUTPUT:
        return Node(JOB, job)
    owner = job_of_run(job) if reference.kind == RUN else None
    return Node(JOB, owner) if owner else Node(PATH, text)
