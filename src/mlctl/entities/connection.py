"""Connections: how something outside is reached. Field names are those of the YAML."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any


@dataclass(frozen=True, slots=True)
class Connection:
    """A connection. `created_at` is seconds since the epoch (UTC).

    `type`: git, s3, azure_open_ai, …; `target`: the address of what is connected. `settings`: the type's own keys.
    `credentials`: where each secret is found, as for a datastore; never the secret itself.
    """

    name: str
    type: str
    target: str | None = None
    description: str | None = None
    tags: dict[str, str] = field(default_factory=dict)
    settings: dict[str, Any] = field(default_factory=dict)
    credentials: dict[str, Any] = field(default_factory=dict)
    created_at: float = 0.0
