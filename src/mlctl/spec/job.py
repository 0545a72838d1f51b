"""Job YAML becomes a checked `CommandJob`.

Order, as in az: read, `--set`, dedicated flags, schema, then what a schema cannot say: names, references, local paths,
expressions. All problems of all stages are told in one run; a part that the schema refused is not looked at again.
"""

from __future__ import annotations

import shlex
from collections.abc import Collection, Mapping, Sequence
from pathlib import Path
from typing import Any

from mlctl.entities.command_job import CommandJob, Distribution, Input, Output, Resources
from mlctl.entities.environment import Environment
from mlctl.errors import UnsupportedError
from mlctl.spec.check import SpecCheck, check_document
from mlctl.spec.document import Document
from mlctl.spec.kinds import KINDS
from mlctl.spec.overrides import override_document
from mlctl.spec.paths import absolute, kind_of
from mlctl.spec.problems import WARNING, Problem
from mlctl.spec.reader import read_file
from mlctl.spec.references import FILE, LOCAL, parse
from mlctl.spec.rules.command import variable_items
from mlctl.spec.validate import refuse_if_any

AVAILABLE_TYPES = ("command",)
OTHER_TYPES = ("pipeline", "sweep", "spark", "automl", "import", "parallel", "finetuning", "distillation")
"""Job types of az that mlctl knows by name only."""


def load_command_job(
    path: Path, *, overrides: Sequence[str] = (), fields: Mapping[str, Any] | None = None
) -> tuple[CommandJob, list[Problem]]:
    """The command job in the file at `path`, and warnings.

    `overrides`: `key.path=value` texts of --set. `fields`: values of dedicated flags by key (None: not given), which
    win. Raises InvalidSpecError with every problem, UnsupportedError for another type of job, NotFoundError.
    """
    document = read_file(path)
    override_document(document, overrides, fields or {})
    _refuse_other_types(document)
    spec = check_document(document, KINDS["commandJob"])
    refuse_if_any(document, [found for found in spec.problems if found.severity != WARNING])
    # without problems there is an environment
    environment = spec.environments[("environment",)]
    assert environment is not None
    return _command_job(spec, environment), spec.problems


def _refuse_other_types(document: Document) -> None:
    kind = document.data.get("type")
    if kind in OTHER_TYPES:
        source, line, column = document.locate(("type",))
        where = f"{source}:{line}:{column}" if line else source
        raise UnsupportedError(
            f"{where}: jobs of type '{kind}' are not available yet",
            hint=f"available: {', '.join(AVAILABLE_TYPES)}",
            details={"type": kind, "available": list(AVAILABLE_TYPES)},
        )


def _command_job(spec: SpecCheck, environment: Environment) -> CommandJob:
    data, document = spec.data, spec.document
    return CommandJob(
        command=data["command"],
        environment=environment,
        name=data.get("name"),
        compute=data.get("compute"),
        code=_code(document, data.get("code")),
        display_name=data.get("display_name"),
        experiment_name=data.get("experiment_name"),
        description=data.get("description"),
        parent_job_name=data.get("parent_job_name"),
        tags=dict(data.get("tags") or {}),
        properties=dict(data.get("properties") or {}),
        environment_variables=_variables(data.get("environment_variables") or {}),
        inputs={name: _input(name, value, document) for name, value in data.get("inputs", {}).items()},
        outputs={
            name: _output(name, value or {})
            for name, value in data.get("outputs", {}).items()
            if not _is_printed_default(name, value or {})
        },
        resources=_resources(data.get("resources", {})),
        distribution=_distribution(data.get("distribution")),
        timeout=data.get("limits", {}).get("timeout"),
        services={name: value for name, value in data.get("services", {}).items() if name not in _PRINTED_SERVICES},
        identity=data.get("identity"),
        queue_settings=data.get("queue_settings"),
        document=dict(data),
        source=document.source,
        lines=document.lines(),
    )


def _code(document: Document, text: str | None) -> str | None:
    """The code folder, absolute when it is local."""
    return _absolute(document, text) if text else None


def _variables(given: Any) -> dict[str, str]:
    """Environment variables as text, from the map or the list form."""
    return {name: "" if value is None else str(value) for _, name, value in variable_items(given)}


def _absolute(document: Document, text: str) -> str:
    """A local path made absolute; any other reference stays as it is."""
    reference = parse(text)
    return absolute(document, reference.path or "") if reference.kind in (LOCAL, FILE) else text


def _input(name: str, value: Any, document: Document) -> Input:
    if not isinstance(value, dict):
        return Input(name, type="literal", value=value)
    if "path" not in value:
        return Input(name, type="literal", value=value["value"])
    path = _absolute(document, value["path"])
    return Input(
        name,
        type=value.get("type") or _guessed_type(path),
        mode=value.get("mode", "ro_mount"),
        path=path,
        path_on_compute=value.get("path_on_compute"),
    )


def _guessed_type(path: str) -> str:
    return "uri_file" if kind_of(path) == "file" else "uri_folder"


_PRINTED_SERVICES = ("Tracking", "Studio")
"""Addresses that `job show` prints; what it prints can be given back as a spec."""


def _is_printed_default(name: str, value: Mapping[str, Any]) -> bool:
    """Whether this is the default output as `job show` prints it, and no output of the user's own."""
    return name == "default" and _is_printed_place(value)


def _is_printed_place(value: Mapping[str, Any]) -> bool:
    """Whether the path is where `job show` says that an output of a finished job is; a new one gets its own place."""
    return str(value.get("path", "")).startswith("azureml://jobs/")


def _output(name: str, value: Mapping[str, Any]) -> Output:
    version = value.get("version")
    return Output(
        name,
        type=value.get("type", "uri_folder"),
        mode=value.get("mode", "rw_mount"),
        path=None if _is_printed_place(value) else value.get("path"),
        asset_name=value.get("name"),
        asset_version=None if version is None else str(version),
    )


def _resources(value: Mapping[str, Any]) -> Resources:
    words = value.get("docker_args", ())
    return Resources(
        instance_count=value.get("instance_count", 1),
        instance_type=value.get("instance_type"),
        shm_size=value.get("shm_size"),
        docker_args=tuple(shlex.split(words) if isinstance(words, str) else words),
        max_instance_count=value.get("max_instance_count"),
        locations=tuple(value.get("locations", ())),
        properties=dict(value.get("properties") or {}),
    )


def _distribution(value: Mapping[str, Any] | None) -> Distribution | None:
    if value is None:
        return None
    return Distribution(
        type=value["type"],
        process_count_per_instance=value.get("process_count_per_instance", 1),
        settings=_without(value, ("type", "process_count_per_instance")),
    )


def _without(value: Mapping[str, Any], keys: Collection[str]) -> dict[str, Any]:
    return {key: item for key, item in value.items() if key not in keys}
