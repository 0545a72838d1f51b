"""Jobs: the checked spec (`CommandJob`), and the record of one that was submitted (`JobRecord`).

Status words and field names are Azure ML's (`az ml job show`).
"""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from typing import Any

from mlctl.entities.environment import Environment

NOT_STARTED = "NotStarted"
QUEUED = "Queued"
PREPARING = "Preparing"
PROVISIONING = "Provisioning"
STARTING = "Starting"
RUNNING = "Running"
FINALIZING = "Finalizing"
CANCEL_REQUESTED = "CancelRequested"
COMPLETED = "Completed"
FAILED = "Failed"
CANCELED = "Canceled"
NOT_RESPONDING = "NotResponding"
PAUSED = "Paused"

TERMINAL_STATUSES = frozenset({COMPLETED, FAILED, CANCELED, NOT_RESPONDING})
"""A job in one of these never changes its status again."""

WAITING_STATUSES = frozenset({NOT_STARTED, QUEUED})
"""No process of the job exists yet."""

HOLDING_STATUSES = frozenset({PROVISIONING, STARTING, PREPARING, RUNNING, FINALIZING, CANCEL_REQUESTED})
"""The job holds a slot of its compute."""

JOB_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9_-]{0,254}")
"""A name is also a folder and an MLflow run id; MLflow's own rule is the narrower of the two."""


@dataclass(frozen=True, slots=True)
class Input:
    """One input. A literal has `value` and no `path`; data has `path` and no `value`.

    `type`: uri_file, uri_folder, mltable, custom_model, mlflow_model, triton_model, or literal.
    `mode`: ro_mount, download, direct, eval_mount, eval_download.
    `path`: as written; a local path is made absolute against the folder of the YAML file.
    """

    name: str
    type: str = "uri_folder"
    mode: str = "ro_mount"
    path: str | None = None
    value: str | int | float | bool | None = None
    path_on_compute: str | None = None

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


@dataclass(frozen=True, slots=True)
class ProcessId:
    """A process of this machine that cannot be mistaken for a later one with the same number.

    `started` is opaque text (clock ticks since boot, or the start time as `ps` prints it) together with the boot id.
    """

    pid: int
    started: str


@dataclass(frozen=True, slots=True)
class JobRecord:
    """A submitted job as the workspace keeps it. Times are seconds since the epoch (UTC).

    `document` holds the fields of the spec in `az ml job show`'s vocabulary. `error` is {"code", "message"} once
    something went wrong. `usage` is {"peak_memory_bytes": int, "cpu_seconds": float} of the job's processes once known.
    `sequence` grows with each submission in a workspace.
    """

    name: str
    status: str
    compute: str
    backend: str
    created_at: float
    type: str = "command"
    created_by: str = ""
    experiment_name: str = "Default"
    display_name: str | None = None
    description: str | None = None
    parent_job_name: str | None = None
    tags: dict[str, str] = field(default_factory=dict)
    properties: dict[str, str] = field(default_factory=dict)
    archived: bool = False
    started_at: float | None = None
    ended_at: float | None = None
    exit_code: int | None = None
    error: dict[str, Any] | None = None
    usage: dict[str, Any] | None = None
    supervisor: ProcessId | None = None
    document: dict[str, Any] = field(default_factory=dict)
    sequence: int = 0

    @property
    def is_terminal(self) -> bool:
        """Whether the job has ended for good."""
        return self.status in TERMINAL_STATUSES
