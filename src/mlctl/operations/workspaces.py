"""Workspaces as they are shown, and what may be changed in them."""

from __future__ import annotations

from typing import Any

from mlctl.entities.clock import iso_time
from mlctl.entities.workspace import Workspace
from mlctl.settings import Settings

UPDATABLE = ("description", "display_name", "tags")
"""Fields that `workspace update` may change."""


def describe(workspace: Workspace, settings: Settings) -> dict[str, Any]:
    """A workspace in the words of `az ml workspace show`, with `folder` in place of Azure's resource ids."""
    return {
        "name": workspace.name,
        "display_name": workspace.display_name or workspace.name,
        "description": workspace.description or "",
        "location": workspace.location,
        "tags": workspace.tags,
        "kind": "default",
        "resource_group": settings.text("defaults.group"),
        "mlflow_tracking_uri": tracking_uri(workspace.folder, settings),
        "folder": workspace.folder,
        "creation_context": {"created_at": iso_time(workspace.created_at)},
    }


def tracking_uri(folder: str, settings: Settings) -> str:
    """The MLflow tracking URI of jobs: the setting tracking.uri, else the file store in the workspace's folder."""
    from pathlib import Path

    return settings.text("tracking.uri") or (Path(folder) / "mlruns").as_uri()
