"""Fields of a spec that a back end does not honour: one sentence with its line for each; nothing stays unsaid."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from mlctl.entities.command_job import CommandJob


def unhonoured_fields(job: CommandJob, backend: str, reasons: Mapping[str, str]) -> list[str]:
    """The sentences for `reasons` (dotted field -> why), and for what no back end of this machine does."""
    found = [
        f"{job.where(key)}{key} is not honoured by the {backend} back end: {why}"
        for key, why in reasons.items()
        if _value(job, key)
    ]
    if job.resources.instance_count > 1 and job.distribution is None:
        key = "resources.instance_count"
        found.append(
            f"{job.where(key)}{key}: {job.resources.instance_count} without a distribution: the command runs once"
        )
    return found


def _value(job: CommandJob, key: str) -> Any:
    top, _, below = key.partition(".")
    return getattr(getattr(job, top), below) if below else getattr(job, top)
