"""Jobs as processes of this machine: no account, no daemon, no container."""

from __future__ import annotations

import os
from pathlib import Path
from typing import TYPE_CHECKING, Any

from mlctl.backends.supervised.processes import kill_marked
from mlctl.errors import located

if TYPE_CHECKING:
    from mlctl.backends.base import Backend, Health, Plan
    from mlctl.backends.served.layout import GenerationFolder
    from mlctl.backends.supervised.payload import Place
    from mlctl.backends.supervised.runner import Run, Runner
    from mlctl.entities.command_job import CommandJob
    from mlctl.entities.compute import Compute
    from mlctl.entities.online_deployment import OnlineDeployment
    from mlctl.settings import Settings
    from mlctl.store.workspaces import WorkspaceStore


def connect(settings: Settings, store: WorkspaceStore) -> Backend:
    """The back end `local`, bound to a workspace."""
    from mlctl.backends.base import Backend
    from mlctl.backends.served.endpoints import ServedEndpoints
    from mlctl.backends.supervised.jobs import SupervisedJobs

    def plan(job: CommandJob, compute: Compute, place: Place) -> Plan:
        from mlctl.backends.local.plan import plan_job
        from mlctl.environments.curated import load_table
        from mlctl.environments.resolution import resolve

        table = settings.text("environments.map")
        with located(f"{job.where('environment')}environment: "):
            environment = resolve(job.environment, load_table(Path(table) if table else None))
        return plan_job(job, compute, place, environment)

    def look(compute: Compute | None = None) -> Health:  # noqa: ARG001  # one machine, one answer
        return _health(settings)

    def plan_deployment(deployment: OnlineDeployment) -> dict[str, Any]:
        from mlctl.backends.local.serve import plan_deployment as plan_served
        from mlctl.environments.curated import load_table
        from mlctl.environments.resolution import resolve

        table = settings.text("environments.map")
        with located(f"{deployment.where('environment')}environment: "):
            environment = resolve(deployment.environment, load_table(Path(table) if table else None))
        return plan_served(deployment, environment)

    endpoints = ServedEndpoints(settings, store, plan_deployment)
    return Backend(name="local", jobs=SupervisedJobs(settings, store, plan), health=look, endpoints=endpoints)


def runner(run: Run) -> Runner:
    """The runner for one job; see `supervised.runner`."""
    from mlctl.backends.local.runner import LocalRunner

    return LocalRunner(run)


def prepare_replicas(plan: dict[str, Any], folder: GenerationFolder, **world: Any) -> dict[str, Any]:
    """How a replica of a deployment is started; see `served.prepare`."""
    from mlctl.backends.local.serve import prepare_replicas as prepare

    return prepare(plan, folder, **world)


def abandon(_name: str, payload: dict[str, Any], _settings: Settings) -> None:
    """End what is left of a job whose supervisor died."""
    kill_marked(Path(payload["folder"]))


def _health(settings: Settings) -> Health:
    from mlctl.backends.base import Health

    existing = next(folder for folder in (settings.home, *settings.home.parents) if folder.exists())
    if not os.access(existing, os.W_OK):
        return Health(False, f"{existing} is not writable", "set MLCTL_HOME to a folder of yours")
    import shutil

    free = shutil.disk_usage(existing).free
    return Health(True, facts={"home": str(settings.home), "free_bytes": free})
