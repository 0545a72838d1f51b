"""Deployments as processes of this machine: Azure ML's own inference server in the deployment's environment."""

from __future__ import annotations

import os
from pathlib import Path
from typing import TYPE_CHECKING, Any, BinaryIO

from mlctl.backends.local.runner import system_path
from mlctl.backends.served.layout import GenerationFolder
from mlctl.backends.served.plan import shared_plan, with_server
from mlctl.backends.supervised.submitter import PASSED_ON, extra_patterns, matching
from mlctl.entities.environment import Requirements
from mlctl.entities.online_deployment import OnlineDeployment
from mlctl.environments.builder import EnvironmentBuilder
from mlctl.environments.resolution import ResolvedEnvironment
from mlctl.errors import UnsupportedError
from mlctl.settings import Settings

if TYPE_CHECKING:
    pass

_START = """\
# Azure ML's inference server listens on all addresses; here only the router may reach it.
import sys
from azureml_inference_server_http import constants
constants.DEFAULT_HOST = "127.0.0.1"
from azureml_inference_server_http.amlserver import run
sys.exit(run())
"""


def plan_deployment(deployment: OnlineDeployment, environment: ResolvedEnvironment) -> dict[str, Any]:
    """What a keeper needs to run the deployment: plain data, without I/O. Raises UnsupportedError for containers."""
    if deployment.routes or environment.build is not None:
        key = "environment.inference_config" if deployment.routes else "environment.build"
        raise UnsupportedError(
            f"{deployment.where(key)}{key}: a container of your own cannot run as a process of this machine",
            hint="run it with --backend docker",
        )
    requirements = environment.requirements
    return {
        "backend": "local",
        "environment": {
            "python": requirements.python,
            "packages": with_server(requirements.packages),
            "origin": requirements.origin,
            "warnings": list(requirements.warnings),
        },
        **shared_plan(deployment),
    }


def prepare_replicas(
    plan: dict[str, Any],
    folder: GenerationFolder,
    *,
    settings: Settings,
    log: BinaryIO,
    model: Path | None,
    script: str | None,
) -> dict[str, Any]:
    """Build the environment; returns how a replica is started. See `served.prepare`."""
    wanted = plan["environment"]
    requirements = Requirements(
        wanted["python"], tuple(wanted["packages"]), wanted["origin"], tuple(wanted["warnings"])
    )
    built = EnvironmentBuilder(settings.home / "cache", settings).ensure(requirements, log)
    (folder.root / "serve.py").write_text(_START, encoding="utf-8")
    entry = str(folder.code / (script or ""))
    variables = {
        **matching(os.environ, [*PASSED_ON, *extra_patterns(settings)]),
        "PATH": os.pathsep.join([str(built.folder / "bin"), system_path()]),
        "VIRTUAL_ENV": str(built.folder),
        "PYTHONUNBUFFERED": "1",
        # what Azure ML sets in its containers
        "AML_APP_ROOT": str(Path(entry).parent),
        "AZUREML_ENTRY_SCRIPT": Path(entry).name,
        **({"AZUREML_MODEL_DIR": str(model)} if model else {}),
        **plan["variables"],
    }
    argv = [str(built.folder / "bin" / "python"), str(folder.root / "serve.py"), "--entry_script", entry]
    return {"argv": [*argv, "--port", "{port}"], "variables": variables, "cwd": str(folder.code)}
