"""Computes: where a workspace's jobs may run."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

LOCAL_COMPUTE = "local"
"""The compute that every workspace has."""


@dataclass(frozen=True, slots=True)
class Compute:
    """A compute target of a workspace.

    `type`: local or docker now (amlcompute, kubernetes, … with their back ends). `backend`: name of the back end.
    `max_concurrent`: how many jobs hold it at once; None for no limit. `settings`: what the back end needs to know,
    such as docker's `host`.
    """

    name: str
    type: str
    backend: str
    max_concurrent: int | None = None
    description: str | None = None
    tags: dict[str, str] = field(default_factory=dict)
    settings: dict[str, Any] = field(default_factory=dict)
    created_at: float = 0.0
    provisioning_state: str = "Succeeded"
