"""Jobs that were submitted: their status words and the record that a workspace keeps.

Status words and field names are Azure ML's (`az ml job show`). The checked spec is in `command_job.py`.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

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

STATUSES = (
    *(NOT_STARTED, QUEUED, PREPARING, PROVISIONING, STARTING, RUNNING, FINALIZING, CANCEL_REQUESTED),
    *(COMPLETED, FAILED, CANCELED, NOT_RESPONDING, PAUSED),
)
"""Every status, in the order of a job's life."""

TERMINAL_STATUSES = frozenset({COMPLETED, FAILED, CANCELED, NOT_RESPONDING})
"""A job in one of these never changes its status again."""

WAITING_STATUSES = frozenset({NOT_STARTED, QUEUED})
"""No process of the job exists yet."""

HOLDING_STATUSES = frozenset({PROVISIONING, STARTING, PREPARING, RUNNING, FINALIZING, CANCEL_REQUESTED})
"""The job holds a slot of its compute."""


@dataclass(frozen=True, slots=True)
class ProcessId:
    """A process of this machine that cannot be mistaken for a later one with the same number.

    `started` is opaque text: clock ticks since boot, or the start time as `ps` prints it, with boot id and host name.
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
