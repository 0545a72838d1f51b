"""Jobs as containers of a Docker or Podman engine on this machine."""

from __future__ import annotations

from contextlib import closing
from pathlib import Path
from typing import TYPE_CHECKING, Any

from mlctl.backends.base import Backend, Health
from mlctl.errors import MlctlError, located

if TYPE_CHECKING:
    from mlctl.backends.base import Images, Plan
    from mlctl.backends.served.layout import GenerationFolder
    from mlctl.backends.supervised.payload import Place
    from mlctl.backends.supervised.runner import Run, Runner
    from mlctl.entities.command_job import CommandJob
    from mlctl.entities.compute import Compute
    from mlctl.entities.online_deployment import OnlineDeployment
    from mlctl.settings import Settings
    from mlctl.store.workspaces import WorkspaceStore

_PATIENCE = 5.0
"""Seconds for an engine's answer where nobody wants to wait."""


def connect(settings: Settings, store: WorkspaceStore) -> Backend:
    """The back end `docker`, bound to a workspace.

    The engine is reached by `health` and by the job's supervisor; `submit` only looks whether somebody listens.
    """
    from mlctl.backends.served.endpoints import ServedEndpoints
    from mlctl.backends.supervised.jobs import SupervisedJobs

    def plan(job: CommandJob, compute: Compute, place: Place) -> Plan:
        from mlctl.backends.docker.plan import plan_job
        from mlctl.environments.curated import load_table
        from mlctl.images.wanted import resolve_for_image

        table = settings.text("environments.map")
        with located(f"{job.where('environment')}environment: "):
            resolved = resolve_for_image(job.environment, load_table(Path(table) if table else None))
        mirrors = settings.pairs("images.mirrors")
        return plan_job(job, compute, place, resolved[0], mirrors, conversion_error=resolved[1])

    def check(payload: dict[str, Any]) -> None:
        from mlctl.backends.docker.client import check_engine

        check_engine(settings, payload["docker"]["host"])

    def look(compute: Compute | None = None) -> Health:
        return health(settings, compute.settings.get("host") if compute else None)

    def plan_deployment(deployment: OnlineDeployment) -> dict[str, Any]:
        from mlctl.backends.docker.serve import plan_deployment as plan_served
        from mlctl.environments.curated import load_table
        from mlctl.images.wanted import resolve_for_image

        table = settings.text("environments.map")
        with located(f"{deployment.where('environment')}environment: "):
            resolved = resolve_for_image(deployment.environment, load_table(Path(table) if table else None))
        return plan_served(deployment, resolved[0], settings.pairs("images.mirrors"), conversion_error=resolved[1])

    return Backend(
        name="docker",
        jobs=SupervisedJobs(settings, store, plan, check),
        health=look,
        images=lambda: _images(settings),
        endpoints=ServedEndpoints(settings, store, plan_deployment),
    )


def runner(run: Run) -> Runner:
    """The runner for one job; see `supervised.runner`."""
    from mlctl.backends.docker.runner import DockerRunner

    return DockerRunner(run)


def prepare_replicas(plan: dict[str, Any], folder: GenerationFolder, **world: Any) -> dict[str, Any]:
    """How a replica of a deployment is started; see `served.prepare`."""
    from mlctl.backends.docker.serve import prepare_replicas as prepare

    return prepare(plan, folder, **world)


def abandon_replicas(folder: Path, settings: Settings) -> None:
    """Remove what killed replicas of the endpoint in `folder` left on the engine."""
    from mlctl.backends.docker.serve import remove_containers

    remove_containers(settings, folder)


def abandon(name: str, payload: dict[str, Any], settings: Settings) -> None:
    """Kill and remove what is left of a job whose supervisor died.

    May be called again and again; does nothing when the engine is down (its containers are then found next time).
    """
    from mlctl.backends.docker.client import open_engine
    from mlctl.backends.docker.runner import remove_containers, remove_folders

    try:
        with closing(open_engine(settings, payload["docker"]["host"], patience=_PATIENCE)) as engine:
            remove_containers(engine, name, payload["folder"])
        remove_folders(payload["folder"])
    except MlctlError:
        return


def health(settings: Settings, host: str | None = None) -> Health:
    """Whether an engine answers, which and where; else what was tried. Never raises, waits a few seconds at most."""
    from mlctl.backends.docker.client import open_engine
    from mlctl.backends.docker.runner import kind_of

    try:
        with closing(open_engine(settings, host, patience=_PATIENCE)) as engine:
            info = engine.info()
    except MlctlError as error:
        return Health(ok=False, reason=error.message, hint=error.hint or "", facts=error.details)
    kind = kind_of(info)
    facts = {
        "address": engine.candidate.address,
        "found_by": engine.candidate.source,
        "version": info.get("ServerVersion"),
        "system": info.get("OperatingSystem"),
        "cpus": info.get("NCPU"),
        "memory_bytes": info.get("MemTotal"),
        "rootless": kind.rootless,
        "gpus": kind.gpus,
    }
    return Health(ok=True, facts=facts)


def _images(settings: Settings) -> Images:
    from mlctl.backends.docker.images import DockerImages

    return DockerImages(settings)
