"""Plans of the docker back end."""

from __future__ import annotations

import json
from typing import Any

import pytest

from mlctl.backends.docker.plan import plan_job
from mlctl.backends.supervised.payload import Place
from mlctl.entities.command_job import CommandJob, Distribution, Resources
from mlctl.entities.compute import Compute
from mlctl.entities.environment import BuildContext, Environment, Requirements
from mlctl.environments.resolution import ResolvedEnvironment
from mlctl.errors import UnsupportedError

PLACE = Place(workspace="w", folder="/ws")
NONE = Requirements(python="3.10", packages=("numpy",), origin="conda.yml", warnings=("not for docker",))


def _job(**fields: Any) -> CommandJob:
    environment = fields.pop("environment", Environment(image="python:3.11"))
    return CommandJob(command="echo", environment=environment, name="j", experiment_name="e", **fields)


def _plan(
    environment: ResolvedEnvironment | None = None,
    *,
    compute: Compute | None = None,
    mirrors: dict[str, str] | None = None,
    **fields: Any,
):
    environment = environment or ResolvedEnvironment(Requirements(), image="python:3.11")
    return plan_job(_job(**fields), compute or Compute("d", "docker", "docker"), PLACE, environment, mirrors or {})


def test_a_plan_is_plain_data_and_the_same_each_time() -> None:
    plan = _plan(code="/code")
    assert plan.to_dict() == _plan(code="/code").to_dict()
    assert json.loads(json.dumps(plan.to_dict()["payload"])) == plan.payload
    assert (plan.backend, plan.compute, plan.warnings) == ("docker", "d", ())
    assert plan.uploads[0].path == "/code"


def test_images_and_what_is_installed_in_them() -> None:
    wanted = _plan(ResolvedEnvironment(NONE, image="mine:1")).payload["docker"]
    assert (wanted["image"], wanted["packages"], wanted["conda"]) == ("mine:1", [], None)
    conda = {"dependencies": ["numpy"]}
    wanted = _plan(ResolvedEnvironment(NONE, image="mine:1", conda=conda)).payload["docker"]
    assert (wanted["image"], wanted["packages"], wanted["conda"]) == ("mine:1", ["numpy"], conda)
    wanted = _plan(ResolvedEnvironment(NONE)).payload["docker"]
    assert (wanted["image"], wanted["packages"]) == ("python:3.10", ["numpy"])
    wanted = _plan(ResolvedEnvironment(Requirements(), build=BuildContext("/ctx", "d/Dockerfile"))).payload["docker"]
    assert wanted["image"] is None
    assert wanted["build"] == {"path": "/ctx", "dockerfile_path": "d/Dockerfile"}


def test_mirrors_are_applied_and_said() -> None:
    plan = _plan(mirrors={"library/python": "reg.example/base"})
    assert plan.payload["docker"]["image"] == "reg.example/base:3.11"
    assert plan.payload["docker"]["image_as_written"] == "python:3.11"
    assert plan.warnings == ("image 'python:3.11' is replaced by 'reg.example/base:3.11' (images.mirrors)",)


def test_limits_come_from_the_compute_and_its_instance_types() -> None:
    settings = {
        "memory": "8g",
        "cpus": 2,
        "host": "unix:///x.sock",
        "instance_types": {"big": {"memory": "32g", "gpus": 1}},
    }
    compute = Compute("d", "docker", "docker", settings=settings)
    assert _plan(compute=compute).payload["docker"]["resources"] == {"memory": "8g", "cpus": 2, "gpus": None}
    plan = _plan(compute=compute, resources=Resources(instance_type="big"))
    assert plan.payload["docker"]["resources"] == {"memory": "32g", "cpus": 2, "gpus": 1}
    assert plan.payload["docker"]["host"] == "unix:///x.sock"
    assert plan.warnings == ()
    plan = _plan(
        compute=compute, resources=Resources(instance_type="Standard_D2"), source="job.yml", lines={"resources": 4}
    )
    assert plan.warnings[0].startswith("job.yml:4: resources.instance_type: compute 'd' defines no 'Standard_D2'")


def test_what_is_not_honoured_is_said() -> None:
    plan = _plan(
        resources=Resources(instance_count=2, properties={"a": 1}, locations=("eastus",)),
        services={"s": {"type": "ssh"}},
        identity={"type": "managed"},
        queue_settings={"job_tier": "spot"},
    )
    words = " ".join(plan.warnings)
    for key in (
        "resources.properties",
        "instance_count",
        "locations",
        "services",
        "identity",
        "queue_settings",
    ):
        assert key in words
    assert not _plan(resources=Resources(instance_count=2), distribution=Distribution("pytorch")).warnings


@pytest.mark.parametrize(
    ("resources", "message"),
    [
        (Resources(shm_size="lots"), "job.yml:3: resources.shm_size: 'lots' is not a size"),
        (Resources(docker_args=("--pid", "host")), "job.yml:3: resources.docker_args: cannot honour '--pid'"),
    ],
)
def test_what_makes_no_sense_is_refused_with_its_line(resources: Resources, message: str) -> None:
    with pytest.raises(UnsupportedError) as caught:
        _plan(resources=resources, source="job.yml", lines={"resources": 3})
    assert caught.value.message.startswith(message)


def test_an_image_name_that_is_none_is_refused() -> None:
    with pytest.raises(UnsupportedError, match=r"environment\.image: 'No Image' is not an image name"):
        _plan(ResolvedEnvironment(Requirements(), image="No Image"))
