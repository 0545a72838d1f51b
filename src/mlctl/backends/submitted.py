"""A checked command job as a spec again: what was submitted, without the files that it was written in.

Local paths are absolute, the conda file and an environment's own file stand inside with the requirement files that
they name, references to assets are pinned. Whoever has this needs only the code to run the job once more.
"""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from mlctl.entities.command_job import CommandJob, Input, Output
from mlctl.entities.environment import Environment
from mlctl.environments.pip_lines import expand_pip_lines

_KEYS = (
    "$schema",
    "type",
    "display_name",
    "experiment_name",
    "description",
    "tags",
    "properties",
    "parent_job_name",
    "command",
    "code",
    "inputs",
    "outputs",
    "environment",
    "environment_variables",
    "compute",
    "resources",
    "distribution",
    "limits",
    "services",
    "identity",
    "queue_settings",
)
"""The keys that a job is made of, in the order in which Azure ML's examples have them; all others are only printed."""


def submitted_document(job: CommandJob) -> dict[str, Any]:
    """The spec of a job, without its name; only what was written, and what a reader cannot guess."""
    written = {
        **job.document,
        "type": "command",
        "display_name": None if job.display_name == job.name else job.display_name,
        "experiment_name": job.experiment_name,
        "code": job.code,
        "environment": environment_document(job.environment),
        "environment_variables": dict(job.environment_variables),
        "inputs": {name: _input(given, job.document) for name, given in job.inputs.items()},
        "outputs": {name: _output(given, job.document) for name, given in job.outputs.items()},
        "services": job.services,
    }
    return {key: written[key] for key in _KEYS if written.get(key) not in (None, {}, [])}


def environment_document(environment: Environment) -> str | dict[str, Any]:
    """The environment of a spec: its reference, or what is inside."""
    reference = environment.asset or environment.reference
    if reference:
        return reference
    build = environment.build
    inside = {
        "image": environment.image,
        "build": build and {"path": build.path, "dockerfile_path": build.dockerfile_path},
        "conda_file": environment.conda and _whole_conda(environment.conda, environment.conda_source),
        "os_type": environment.os_type if environment.os_type != "linux" else None,
    }
    return {key: value for key, value in inside.items() if value is not None}


def _whole_conda(conda: Mapping[str, Any], source: str | None) -> dict[str, Any]:
    """A conda file that no longer depends on where it stood: `-r` files read, local paths absolute."""
    folder = Path(source).parent if source else None
    return {**conda, "dependencies": [_whole_dependency(item, folder) for item in conda.get("dependencies") or ()]}


def _whole_dependency(item: Any, folder: Path | None) -> Any:
    if not isinstance(item, Mapping):
        return item
    problems: list[str] = []
    lines = expand_pip_lines(item.get("pip") or (), folder=folder, problems=problems)
    # what cannot be expanded is refused where it is needed, with its line
    return dict(item) if problems else {**item, "pip": lines}


def _input(given: Input, document: dict[str, Any]) -> Any:
    written = document["inputs"][given.name]
    if given.is_literal:
        return written
    # the type of an input without one is guessed from what is on disk, and that may be gone
    fields = {**(written if isinstance(written, dict) else {}), "type": given.type, "path": given.asset or given.path}
    return {key: value for key, value in fields.items() if value is not None}


def _output(given: Output, document: dict[str, Any]) -> dict[str, Any]:
    written = (document.get("outputs") or {}).get(given.name) or {}
    fields = {**written, "type": given.type, "path": given.path}
    return {key: value for key, value in fields.items() if value is not None}
