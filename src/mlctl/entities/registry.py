"""Registries: where assets live that several workspaces share."""

from __future__ import annotations

from dataclasses import dataclass, field


@dataclass(frozen=True, slots=True)
class Registry:
    """A registry. `path` is an absolute folder or a URL; the same registry may be at another path for somebody else."""

    name: str
    path: str
    description: str | None = None
    display_name: str | None = None
    tags: dict[str, str] = field(default_factory=dict)
    created_at: float = 0.0
