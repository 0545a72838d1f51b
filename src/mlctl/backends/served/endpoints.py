"""`Endpoints` of the back ends of this machine: everything but how a deployment is planned and prepared."""

from __future__ import annotations

import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

from mlctl.backends import module_of
from mlctl.backends.served.keeping import endpoint_folder, ensure_keeper, keeper_command, keeper_of, stop_endpoint
from mlctl.backends.served.layout import read_json
from mlctl.backends.served.logs import last_lines
from mlctl.backends.supervised.processes import is_alive
from mlctl.entities.endpoint import Deployment, Endpoint
from mlctl.entities.job import ProcessId
from mlctl.entities.online_deployment import OnlineDeployment
from mlctl.errors import InvalidSpecError, NotFoundError, UnavailableError
from mlctl.serving.routes import load_routes, load_state
from mlctl.settings import Settings
from mlctl.store.workspaces import WorkspaceStore

Planner = Callable[[OnlineDeployment], dict[str, Any]]

SERVER_CONTAINER, BUILD_CONTAINER = "inference-server", "storage-initializer"
"""Azure ML's names: the server's log, and the log of what happens before it starts."""


class ServedEndpoints:
    """See `base.Endpoints`. `planner` is the back end's pure plan function."""

    def __init__(self, settings: Settings, store: WorkspaceStore, planner: Planner) -> None:
        self._settings, self._store, self._planner = settings, store, planner

    def plan(self, deployment: OnlineDeployment) -> dict[str, Any]:
        """See `base.Endpoints`."""
        return self._planner(deployment)

    def folder(self, name: str) -> Path:
        """See `base.Endpoints`."""
        return endpoint_folder(self._store, name).root

    def look_after(self, name: str) -> None:
        """See `base.Endpoints`."""
        ensure_keeper(self._store, self._settings, name)

    def command(self, name: str) -> list[str]:
        """See `base.Endpoints`."""
        return keeper_command(self._store, name)

    def is_kept(self, name: str) -> bool:
        """See `base.Endpoints`."""
        return keeper_of(endpoint_folder(self._store, name)) is not None

    def router(self, name: str) -> dict[str, Any] | None:
        """See `base.Endpoints`."""
        folder = endpoint_folder(self._store, name)
        told, started = read_json(folder.root / "router.json"), (read_json(folder.state) or {}).get("router")
        if not told or not started or told["pid"] != started["pid"]:
            return None
        return dict(told) if is_alive(ProcessId(started["pid"], started["started"])) else None

    def is_routed(self, endpoint: Endpoint) -> bool:
        """See `base.Endpoints`."""
        folder = self.folder(endpoint.name)
        try:
            routes, state = load_routes(folder), load_state(folder)
        except (NotFoundError, InvalidSpecError):
            return False
        weights = {one.name: one.weight for one in routes.deployments if one.weight}
        mirror = {one.name: one.mirror for one in routes.deployments if one.mirror}
        wanted = [{k: v for k, v in found.items() if v} for found in (endpoint.traffic, endpoint.mirror_traffic)]
        is_written = [weights, mirror] == wanted and routes.auth_mode == endpoint.auth_mode
        return is_written and state is not None and state.version >= routes.version

    def stop(self, name: str) -> None:
        """See `base.Endpoints`."""
        folder = endpoint_folder(self._store, name)
        if not stop_endpoint(folder):
            raise UnavailableError(
                f"endpoint '{name}' does not stop", hint=f"its keeper's words are in {folder.log}; try again"
            )
        for backend in sorted({one.backend for one in self._store.endpoints.deployments(name)}):
            abandon = getattr(module_of(backend), "abandon_replicas", None)
            if abandon is not None:
                abandon(folder.root, self._settings)

    def remove(self, name: str) -> None:
        """See `base.Endpoints`."""
        shutil.rmtree(endpoint_folder(self._store, name).root, ignore_errors=True)

    def replicas(self, deployment: Deployment) -> list[dict[str, Any]]:
        """See `base.Endpoints`."""
        state = read_json(endpoint_folder(self._store, deployment.endpoint).state) or {}
        return [one for one in state.get("replicas", ()) if one["deployment"] == deployment.name]

    def logs(self, deployment: Deployment, *, lines: int, container: str) -> list[str]:
        """See `base.Endpoints`."""
        number = deployment.generation if deployment.error else deployment.active or deployment.generation
        folder = endpoint_folder(self._store, deployment.endpoint).generation(deployment.name, number)
        if container == BUILD_CONTAINER:
            return last_lines(folder.build_log, lines)
        if container != SERVER_CONTAINER:
            raise NotFoundError(
                f"deployment '{deployment.name}' has no container '{container}'",
                hint=f"one of: {SERVER_CONTAINER}, {BUILD_CONTAINER}",
            )
        logs = sorted(folder.root.glob("replica-*.log"))
        found: list[str] = []
        for path in logs:
            prefix = f"[{path.stem}] " if len(logs) > 1 else ""
            found += [f"{prefix}{line}" for line in last_lines(path, lines)]
        return found or last_lines(folder.build_log, lines)
