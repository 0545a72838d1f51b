"""From a checked command job to processes of this machine: pure."""

from __future__ import annotations

from dataclasses import asdict

from mlctl.backends.base import Plan
from mlctl.backends.supervised.payload import Place, command_plan, job_payload
from mlctl.backends.supervised.unhonoured import unhonoured_fields
from mlctl.entities.command_job import CommandJob
from mlctl.entities.compute import Compute
from mlctl.environments.resolution import ResolvedEnvironment
from mlctl.errors import UnsupportedError

_NOT_HONOURED = {
    "resources.instance_type": "processes of this machine have no instance type",
    "resources.shm_size": "processes of this machine share its own memory",
    "resources.docker_args": "there is no container",
    "resources.locations": "there is one location: here",
    "resources.properties": "they are Azure ML's own",
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
    wanted = asdict(environment.requirements)
    payload["environment"] = {**wanted, "packages": list(wanted["packages"]), "warnings": list(wanted["warnings"])}
    return command_plan("local", job, compute, payload, _warnings(job, environment))


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
    return found + unhonoured_fields(job, "local", _NOT_HONOURED)
