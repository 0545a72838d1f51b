"""A command job with the names that a back end's plan function is promised."""

from __future__ import annotations

from dataclasses import replace

from mlctl.entities.command_job import CommandJob


def named(job: CommandJob, name: str) -> CommandJob:
    """The job as `operations.jobs` hands it to a back end."""
    return replace(job, name=name, display_name=job.display_name or name, experiment_name=job.experiment_name or "exp")
