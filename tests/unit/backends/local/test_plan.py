"""Plans of the local back end: what of a spec means nothing to processes is said."""

from __future__ import annotations

from typing import Any

import pytest

from mlctl.backends.base import Plan, Upload
from mlctl.backends.local.plan import plan_job
from mlctl.backends.supervised.payload import Place
from mlctl.entities.command_job import CommandJob, Input, Resources
from mlctl.entities.compute import Compute
from mlctl.entities.environment import BuildContext, Environment, Requirements
from mlctl.environments.resolution import ResolvedEnvironment
from mlctl.errors import UnsupportedError

NUMPY = Requirements(python="3.10", packages=("numpy",), origin="conda.yml", warnings=("an older numpy is taken",))


def _plan(environment: ResolvedEnvironment | None = None, **fields: Any) -> Plan:
    job = CommandJob(
        command="true",
        environment=Environment(image="python"),
        name="j",
        experiment_name="e",
        source="job.yml",
        lines={"environment": 3, "resources": 5, "inputs.d": 8, "environment.build": 4},
        **fields,
    )
    given = environment or ResolvedEnvironment(NUMPY)
    return plan_job(job, Compute("local", "local", "local"), Place("w", "/w"), given)


def test_the_environment_is_plain_data() -> None:
    assert _plan().payload["environment"] == {
        "python": "3.10",
        "packages": ["numpy"],
        "origin": "conda.yml",
        "warnings": ["an older numpy is taken"],
    }


def test_the_code_is_brought() -> None:
    assert _plan(code="/code").uploads == (Upload("code", "/code"),)
    assert _plan().uploads == ()


def test_an_image_below_a_conda_file_is_said_to_be_unused() -> None:
    plan = _plan(ResolvedEnvironment(NUMPY, image="python:3.10", conda={"dependencies": []}))
    assert plan.warnings == (
        "job.yml:3: an older numpy is taken",
        (
            "job.yml:3: image 'python:3.10' is not used by the local back end: the job runs in its own environment "
            "with Python 3.10 (conda.yml)"
        ),
    )


def test_resources_of_containers_are_named() -> None:
    plan = _plan(
        ResolvedEnvironment(Requirements()),
        resources=Resources(
            instance_count=2, instance_type="big", shm_size="1g", docker_args=("-v", "x:y"), properties={"a": 1}
        ),
    )
    keys = ("instance_type", "shm_size", "docker_args", "properties", "instance_count")
    assert [text.partition(" is not ")[0].partition(": 2 ")[0] for text in plan.warnings] == [
        f"job.yml:5: resources.{key}" for key in keys
    ]


def test_a_build_context_needs_a_container() -> None:
    with pytest.raises(UnsupportedError, match=r"^job.yml:4: environment.build: ") as caught:
        _plan(ResolvedEnvironment(Requirements(), build=BuildContext("/context")))
    assert "--backend docker" in (caught.value.hint or "")


def test_a_place_in_a_container_needs_one() -> None:
    given = Input("d", path="/data", path_on_compute="/in")
    with pytest.raises(UnsupportedError, match=r"^job.yml:8: inputs.d.path_on_compute: '/in'"):
        _plan(inputs={"d": given})
