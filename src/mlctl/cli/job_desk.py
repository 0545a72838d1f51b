"""What the commands about jobs have in common."""

from __future__ import annotations

from mlctl.context import Context
from mlctl.errors import UsageError
from mlctl.operations.jobs import JobDesk


def job_desk(context: Context) -> JobDesk:
    """What the operations on jobs work with."""
    return JobDesk(context.store, context.settings, context.clock, context.backend)


def one_job(which: str | None, name: str | None) -> str:
    """The job that is named as a word or with --name. Raises UsageError when it is named twice or not at all."""
    if (which is None) == (name is None):
        raise UsageError("which job?" if which is None else "the job is named twice", hint="give its name once")
    return which or name or ""
