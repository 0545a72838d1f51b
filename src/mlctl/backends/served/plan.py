"""The part of a deployment's plan that is the same on every back end of this machine. Pure."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict
from typing import Any

from mlctl.entities.online_deployment import OnlineDeployment

SERVER = "azureml-inference-server-http"
"""The server in Azure ML's own images."""


def shared_plan(deployment: OnlineDeployment) -> dict[str, Any]:
    """The part of a plan that is the same on every back end of this machine."""
    return {
        "model": asdict(deployment.model) if deployment.model else None,
        "code": deployment.code,
        "script": deployment.script,
        "no_code": deployment.no_code,
        "variables": dict(deployment.variables),
        "instances": deployment.instances,
        "readiness": asdict(deployment.readiness),
        "liveness": asdict(deployment.liveness),
        "requests": asdict(deployment.requests),
        "routes": {name: route.path for name, route in deployment.routes.items()},
        "collector": deployment.collector,
    }


def with_server(packages: Sequence[str]) -> list[str]:
    """The packages of a deployment, with the inference server unless they name it."""
    named = any(line.replace("_", "-").lower().startswith(SERVER) for line in packages)
    return [*packages] if named else [*packages, SERVER]
