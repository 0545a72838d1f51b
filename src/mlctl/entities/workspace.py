"""Workspaces: one folder with everything that was submitted, logged and registered."""

from __future__ import annotations

from dataclasses import dataclass, field


@dataclass(frozen=True, slots=True)
class Workspace:
    """A workspace. `folder` is absolute; it can be moved and backed up as a whole."""

    name: str
    folder: str
    description: str | None = None
    display_name: str | None = None
    location: str = "local"
    tags: dict[str, str] = field(default_factory=dict)
    created_at: float = 0.0
