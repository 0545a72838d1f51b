"""A back end for tests of endpoints: everything is real but the environment, so that a deployment starts at once."""

from __future__ import annotations

import sys
from dataclasses import asdict
from pathlib import Path
from typing import Any

from mlctl.backends.base import Backend, Health
from mlctl.backends.served.endpoints import ServedEndpoints
from mlctl.backends.served.plan import shared_plan
from mlctl.entities.online_deployment import OnlineDeployment


def connect(settings: Any, store: Any) -> Backend:
    """The back end `stub`: it has no jobs."""

    def look(compute: Any = None) -> Health:
        return Health(True)

    endpoints = ServedEndpoints(settings, store, plan_deployment)
    return Backend(name="stub", jobs=None, health=look, endpoints=endpoints)


def plan_deployment(deployment: OnlineDeployment) -> dict[str, Any]:
    """A plan without an environment."""
    return {"backend": "stub", "environment": asdict(deployment.environment), **shared_plan(deployment)}


def prepare_replicas(plan: dict[str, Any], folder: Any, *, log: Any, model: Path | None, script: str, **_: Any) -> Any:
    """Runs stub_server.py; a variable SLOW_BUILD makes the preparation take that long."""
    import time

    log.write(b"nothing to build\n")
    log.flush()
    time.sleep(float(plan["variables"].get("SLOW_BUILD", 0)))
    server = Path(__file__).with_name("stub_server.py")
    variables = {"AZUREML_MODEL_DIR": str(model), **plan["variables"]}
    return {
        "argv": [sys.executable, str(server), str(folder.code / script), "{port}"],
        "variables": variables,
        "cwd": str(folder.code),
    }
