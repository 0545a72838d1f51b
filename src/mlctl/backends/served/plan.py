"""The part of a deployment's plan that is the same on every back end of this machine. Pure."""

from __future__ import annotations

from dataclasses import asdict
from typing import Any

from mlctl.entities.online_deployment import OnlineDeployment

SERVER_VARIABLES = {"GUNICORN_CMD_ARGS": "--worker-class gthread --threads 1 --keep-alive 75"}
"""Makes the server keep its connections, which the router uses again; its own kind of worker closes each one.
A deployment's own variables win."""


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
