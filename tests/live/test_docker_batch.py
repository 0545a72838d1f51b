"""Batch endpoints in containers: the same job, so only what may differ is tested."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import closing

import pytest
from tests.conftest import Mlctl, end_processes_of
from tests.live.docker_jobs import IMAGE, find_engine
from tests.live.test_batch import SCRIPT, deploy, expected, invoke, log_of, rows_of, scored, wait_for

pytestmark = pytest.mark.docker


@pytest.fixture
def docker(mlctl: Mlctl) -> Iterator[Mlctl]:
    """The program where an engine is; what a test leaves on the engine is removed."""
    with closing(find_engine(mlctl.home)) as engine:
        yield mlctl
        end_processes_of(mlctl.home)
        for container in engine.containers({"mlctl.workspace": str(mlctl.workspace)}):
            engine.remove(container)


def test_a_job_in_a_container_is_cancelled_and_resumed(docker: Mlctl) -> None:
    script = SCRIPT.replace("PAUSE", "0.05")
    settings = {"environment": {"image": IMAGE}, "mini_batch_size": 4, "max_concurrency_per_instance": 2}
    deploy(docker, script, "--backend", "docker", files=400, **settings)
    invoke(docker, "--input", "data", job="first")
    wait_for(lambda: scored(docker, "first") > 8)
    docker("job", "cancel", "-n", "first")
    kept = scored(docker, "first")
    invoke(docker, "--resume", "first", job="second")
    assert docker.json("job", "wait", "-n", "second")["backend"] == "docker"
    assert rows_of(docker, "second") == expected(400)
    assert f"{kept} of 400 files were scored before" in log_of(docker, "second")
