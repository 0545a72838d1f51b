"""A command job whose document passed every check. Field names are those of the YAML."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

from mlctl.entities.environment import Environment


@dataclass(frozen=True, slots=True)
class Input:
    """One input. A literal has `value` and no `path`; data has `path` and no `value`.

    `type`: uri_file, uri_folder, mltable, custom_model, mlflow_model, triton_model, or literal.
    `mode`: ro_mount, download, direct, eval_mount, eval_download.
    `path`: as written; a local path is made absolute against the folder of the YAML file. `asset`: the pinned
    reference of the asset or the run that `path` came from, once it was looked up.
    """

    name: str
    type: str = "uri_folder"
    mode: str = "ro_mount"
    path: str | None = None
    value: str | int | float | bool | None = None
    path_on_compute: str | None = None
    asset: str | None = None

    @property
    def is_literal(self) -> bool:
        """Whether this is a plain value that is put into the command as text."""
        return self.path is None


@dataclass(frozen=True, slots=True)
class Output:
    """One named output. `mode`: rw_mount, mount, upload, direct. `path`: target URI, or None for the default place.

    `asset_name` and `asset_version` ask for the output to be registered when the job completes.
    """

    name: str
    type: str = "uri_folder"
    mode: str = "rw_mount"
    path: str | None = None
    asset_name: str | None = None
    asset_version: str | None = None


@dataclass(frozen=True, slots=True)
class Resources:
    """`resources` of a job. `shm_size` is as docker takes it (`2g`); `docker_args` is a list of words."""

    instance_count: int = 1
    instance_type: str | None = None
    shm_size: str | None = None
    docker_args: tuple[str, ...] = ()
    max_instance_count: int | None = None
    locations: tuple[str, ...] = ()
    properties: dict[str, Any] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Distribution:
    """`distribution` of a job. `type`: pytorch, tensorflow, mpi or ray; `settings` holds the type's other keys."""

    type: str
    process_count_per_instance: int = 1
    settings: dict[str, Any] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class CommandJob:
    """A command job whose document passed every check. Local paths are absolute.

    `document` is the whole document as read (after overrides), `source` the file it came from and `lines` the line of
    each dotted key path (`inputs.data.path` -> 12), so that later errors can still point into the file.
    """

    command: str
    environment: Environment
    name: str | None = None
    compute: str | None = None
    code: str | None = None
    display_name: str | None = None
    experiment_name: str | None = None
    description: str | None = None
    parent_job_name: str | None = None
    tags: dict[str, str] = field(default_factory=dict)
    properties: dict[str, str] = field(default_factory=dict)
    environment_variables: dict[str, str] = field(default_factory=dict)
    inputs: dict[str, Input] = field(default_factory=dict)
    outputs: dict[str, Output] = field(default_factory=dict)
    resources: Resources = field(default_factory=Resources)
    distribution: Distribution | None = None
    timeout: int | None = None
    services: dict[str, dict[str, Any]] = field(default_factory=dict)
    identity: dict[str, Any] | None = None
    queue_settings: dict[str, Any] | None = None
    document: dict[str, Any] = field(default_factory=dict)
    source: str | None = None
    lines: dict[str, int] = field(default_factory=dict)

    def where(self, key: str) -> str:
        """`file:line: ` of a dotted key, or of its nearest parent; empty when the file is not known."""
        while key and key not in self.lines:
            key = key.rpartition(".")[0]
        if not self.source:
            return ""
        line = self.lines.get(key)
        return f"{self.source}:{line}: " if line else f"{self.source}: "
