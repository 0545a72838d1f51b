"""From a checked command job to processes of this machine: pure."""

from __future__ import annotations

from dataclasses import asdict

from mlctl.backends.base import Plan, Upload
from mlctl.backends.supervised.payload import Place, job_document, job_payload
from mlctl.entities.command_job import CommandJob
from mlctl.entities.compute import Compute
from mlctl.environments.resolution import ResolvedEnvironment
from mlctl.errors import UnsupportedError

_NOT_HONOURED = {
    "resources.instance_type": "processes of this machine have no instance type",
    "resources.shm_size": "processes of this machine share its own memory",
    "resources.docker_args": "there is no container",
    "resources.locations": "there is one location: here",
    "services": "interactive services are not started; use this machine's own",
    "identity": "the job runs as you",
    "queue_settings": "the queue is first come, first served",
}


def plan_job(job: CommandJob, compute: Compute, place: Place, environment: ResolvedEnvironment) -> Plan:
    """The plan of a job on the `local` back end. Raises UnsupportedError for what only a container can do."""
    if environment.build is not None:
        raise UnsupportedError(
            f"{job.where('environment.build')}environment.build: the local back end runs processes and builds no image",
            hint="run it with --backend docker, or give the packages as conda_file",
        )
    for given in job.inputs.values():
        if given.path_on_compute:
            key = f"inputs.{given.name}.path_on_compute"
            raise UnsupportedError(
                f"{job.where(key)}{key}: {given.path_on_compute!r} is a place in a container",
                hint="run it with --backend docker, or use ${{inputs." + given.name + "}} in the command",
            )
    payload = job_payload(job, place)
    payload["environment"] = asdict(environment.requirements)
    return Plan(
        backend="local",
        kind="command",
        name=job.name or "",
        compute=compute.name,
        payload=payload,
        record={
            **job_document(job),
            "tags": job.tags,
            "properties": job.properties,
            "description": job.description,
            "parent_job_name": job.parent_job_name,
        },
        uploads=(Upload("code", job.code),) if job.code else (),
        warnings=tuple(_warnings(job, environment)),
    )


def _warnings(job: CommandJob, environment: ResolvedEnvironment) -> list[str]:
    """One sentence for each field that is not honoured here."""
    found = [f"{job.where('environment')}{warning}" for warning in environment.requirements.warnings]
    if environment.image and environment.conda:
        python = environment.requirements.python
        runs = f"Python {python}" if python else "Python as found on this machine"
        found.append(
            f"{job.where('environment')}image {environment.image!r} is not used by the local back end: the job runs in "
            f"its own environment with {runs} ({environment.requirements.origin})"
        )
    for key, why in _NOT_HONOURED.items():
        top, _, below = key.partition(".")
        value = getattr(getattr(job, top), below) if below else getattr(job, top)
        if value:
            found.append(f"{job.where(key)}{key} is not honoured by the local back end: {why}")
    if job.resources.instance_count > 1 and job.distribution is None:
        found.append(
            f"{job.where('resources.instance_count')}resources.instance_count: {job.resources.instance_count} "
            "without a distribution: the command runs once"
        )
    found += [
        f"{job.where(f'outputs.{output.name}.name')}outputs.{output.name}.name: the output is kept with the job and "
        f"not registered as asset {output.asset_name!r}"
        for output in job.outputs.values()
        if output.asset_name
    ]
    return found
