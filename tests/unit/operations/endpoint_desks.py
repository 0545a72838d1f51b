"""A desk for tests of endpoints: a real store, and a back end that keeps nothing running."""

# ruff: noqa: ARG002  # the contract has more arguments than this needs

from __future__ import annotations

from pathlib import Path
from typing import Any

from mlctl.backends.base import Backend, Endpoints, Health
from mlctl.backends.served.plan import shared_plan
from mlctl.entities.clock import Clock
from mlctl.entities.endpoint import SUCCEEDED, Deployment, Endpoint
from mlctl.operations.endpoints import EndpointDesk
from mlctl.settings import load
from mlctl.store.workspaces import Workspaces


class Quiet:
    """Endpoints whose router is always there; what was asked of them is in `asked`."""

    def __init__(self, root: Path) -> None:
        self.root, self.asked = root, list[str]()

    def plan(self, deployment: Any) -> dict[str, Any]:
        return {"backend": "local", **shared_plan(deployment)}

    def folder(self, name: str) -> Path:
        folder = self.root / "endpoints" / name
        folder.mkdir(parents=True, exist_ok=True)
        return folder

    def look_after(self, name: str) -> None:
        self.asked.append(f"look after {name}")

    def command(self, name: str) -> list[str]:
        return ["/opt/a python", "-m", "keeper", "100%", name]

    def is_kept(self, name: str) -> bool:
        return True

    def router(self, name: str) -> dict[str, Any] | None:
        return {"pid": 1}

    def is_routed(self, endpoint: Endpoint) -> bool:
        return True

    def stop(self, name: str) -> None:
        self.asked.append(f"stop {name}")

    def remove(self, name: str) -> None:
        self.asked.append(f"remove {name}")

    def replicas(self, deployment: Deployment) -> list[dict[str, Any]]:
        return []

    def logs(self, deployment: Deployment, *, lines: int, container: str) -> list[str]:
        return []


class Desk:
    """`desk` for operations; what they asked of the back end in `endpoints.asked`."""

    def __init__(self, home: Path) -> None:
        self.store = Workspaces(home, Clock(now=lambda: 1000.0)).open("default")
        self.endpoints: Quiet = Quiet(self.store.folder)
        served: Endpoints = self.endpoints
        settings = load(environ={"MLCTL_HOME": str(home), "PATH": "/bin"}, cwd=home.parent)
        backend = Backend("local", jobs=None, health=lambda _=None: Health(True), endpoints=served)  # type: ignore[arg-type]
        self.desk = EndpointDesk(self.store, settings, Clock(now=lambda: 1000.0), lambda _: backend, "me")

    def put(self, name: str, *, answers: bool = True) -> Deployment:
        """A deployment of `iris`, as the keeper leaves it."""
        number = self.store.endpoints.next_generation("iris", name)
        active = number if answers else 0
        deployment = Deployment("iris", name, "local", number, active, SUCCEEDED if answers else "Failed")
        self.store.endpoints.put_deployment(deployment, {"instances": 1}, f"create {name}", by="me", at=1.0)
        self.store.endpoints.update_deployment(deployment, active=active)
        return deployment
