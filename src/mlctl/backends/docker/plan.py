"""From a checked command job to containers of this machine's engine: pure."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from mlctl.backends.base import Plan
from mlctl.backends.docker.arguments import parse_arguments, parse_size
from mlctl.backends.supervised.payload import Place, command_plan, job_payload
from mlctl.backends.supervised.unhonoured import unhonoured_fields
from mlctl.entities.command_job import CommandJob
from mlctl.entities.compute import Compute
from mlctl.errors import UnsupportedError, UsageError
from mlctl.images.wanted import wanted_image

if TYPE_CHECKING:
    from mlctl.environments.resolution import ResolvedEnvironment

_NOT_HONOURED = {
    "resources.properties": "use docker_args (--memory, --cpus, --gpus)",
    "resources.locations": "there is one location: here",
    "services": "interactive services are not started",
    "identity": "the job runs as you",
    "queue_settings": "the queue is first come, first served",
}


def plan_job(
    job: CommandJob,
    compute: Compute,
    place: Place,
    environment: ResolvedEnvironment,
    mirrors: Mapping[str, str],
    *,
    conversion_error: str | None = None,
) -> Plan:
    """The plan of a job on the docker back end.

    `mirrors`: the setting images.mirrors. `conversion_error`: why the conda file has no pip form, if it has none.
    Raises UnsupportedError for docker_args that cannot be honoured and for values that make no sense.
    """
    payload = job_payload(job, place)
    wanted = docker_payload(job, compute, environment, mirrors, conversion_error=conversion_error)
    payload["docker"] = wanted
    return command_plan("docker", job, compute, payload, _warnings(job, compute, wanted))


def docker_payload(
    job: CommandJob,
    compute: Compute,
    environment: ResolvedEnvironment,
    mirrors: Mapping[str, str],
    *,
    conversion_error: str | None = None,
) -> dict[str, Any]:
    """What the docker runner adds to the shared payload, under the key `docker`.

    What `wanted_image` gives, and: options: see `arguments`. shm_size: text or None. resources: {"memory", "cpus",
    "gpus"}. host: the engine's address where the compute has its own.
    """
    try:
        wanted = wanted_image(environment, mirrors, conversion_error=conversion_error, asset=job.environment.asset)
    except UsageError as error:
        raise UnsupportedError(
            f"{job.where('environment.image')}environment.image: {error.message}", hint=error.hint
        ) from error
    return {
        **wanted,
        "options": parse_arguments(job.resources.docker_args, where=job.where("resources.docker_args")),
        "shm_size": _size(job, job.resources.shm_size),
        "resources": _resources(job, compute),
        "host": compute.settings.get("host"),
    }


def _size(job: CommandJob, text: str | None) -> str | None:
    if text is not None:
        try:
            parse_size(text)
        except ValueError as error:
            key = "resources.shm_size"
            raise UnsupportedError(
                f"{job.where(key)}{key}: {error}", hint="write a number with b, k, m or g"
            ) from error
    return text


def _resources(job: CommandJob, compute: Compute) -> dict[str, Any]:
    """Limits of each container: the compute's own, then those of the instance type that the job asks for."""
    limits = {key: compute.settings.get(key) for key in ("memory", "cpus", "gpus")}
    for key, value in _instance_type(job, compute).items():
        if key in limits:
            limits[key] = value
    return limits


def _instance_type(job: CommandJob, compute: Compute) -> Mapping[str, Any]:
    types = compute.settings.get("instance_types") or {}
    found = types.get(job.resources.instance_type or "", {})
    return found if isinstance(found, Mapping) else {}


def _warnings(job: CommandJob, compute: Compute, wanted: Mapping[str, Any]) -> list[str]:
    """One sentence for each field that is not honoured here."""
    found = []
    if wanted["image"] != wanted["image_as_written"]:
        found.append(f"image {wanted['image_as_written']!r} is replaced by {wanted['image']!r} (images.mirrors)")
    if job.resources.instance_type and not _instance_type(job, compute):
        found.append(
            f"{job.where('resources.instance_type')}resources.instance_type: compute {compute.name!r} defines no "
            f"{job.resources.instance_type!r}; the container may use what the machine has"
        )
    for given in job.inputs.values():
        if given.mode == "direct" and given.path and "://" not in given.path:
            key = f"inputs.{given.name}.mode"
            found.append(f"{job.where(key)}{key}: direct passes {given.path!r} as text; the container does not see it")
    return found + unhonoured_fields(job, "docker", _NOT_HONOURED)
