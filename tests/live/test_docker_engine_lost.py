"""An engine that goes away while a job runs: tried on a second engine that is started for the test and killed."""

from __future__ import annotations

import signal
from collections.abc import Iterator
from pathlib import Path

import pytest
from tests.live.docker_jobs import docker_job, find_engine, settings_in, wanted
from tests.live.own_engine import OwnEngine, second_engine

from mlctl.backends import docker as backend

pytestmark = [
    pytest.mark.docker,
    pytest.mark.slow,
    # the SDK leaves its sockets to the garbage collector when an engine dies in the middle of an answer
    pytest.mark.filterwarnings("ignore::pytest.PytestUnraisableExceptionWarning"),
]


@pytest.fixture(scope="module")
def own_engine(tmp_path_factory: pytest.TempPathFactory) -> Iterator[OwnEngine]:
    """A second engine with the test image in it."""
    find_engine(tmp_path_factory.mktemp("engine")).close()
    with second_engine() as engine:
        yield engine


@pytest.fixture
def running_engine(own_engine: OwnEngine) -> OwnEngine:
    """The second engine, started again when a test ended it."""
    if not own_engine.runs:
        own_engine.start()
    return own_engine


def _job(home: Path, engine: OwnEngine, patience: str):
    settings = settings_in(home, docker__host=engine.host, docker__reconnect_seconds=patience, docker__network="none")
    return docker_job(home, docker=wanted(shm_size="16m"), settings=settings)


def test_a_crashed_engine_that_stays_away_ends_the_job(tmp_path: Path, running_engine: OwnEngine) -> None:
    with _job(tmp_path, running_engine, "2") as job:
        job.runner.prepare(job.build_log)
        job.launch("echo ready; sleep 600")
        job.wait_for_log("ready")
        running_engine.stop(signal.SIGKILL)
        found = job.wait(timeout=20)[0]
        assert (found.code, found.reason) == (None, "EngineLost")
        assert "was not back after 2 s" in (found.message or "")
        job.runner.stop(hard=False)
        job.runner.stop(hard=True)
        assert not backend.health(settings_in(tmp_path, docker__host=running_engine.host)).ok
        payload = {"folder": str(job.folder), "docker": job.docker}
        backend.abandon(job.name, payload, settings_in(tmp_path, docker__host=running_engine.host))


def test_a_job_that_ends_while_the_engine_is_away_ended_as_it_did(tmp_path: Path, running_engine: OwnEngine) -> None:
    with _job(tmp_path, running_engine, "30") as job:
        job.runner.prepare(job.build_log)
        job.launch("echo ready; while [ ! -f go ]; do sleep 0.1; done; echo last words; exit 7")
        job.wait_for_log("ready")
        running_engine.stop(signal.SIGKILL)
        (job.folder / "code" / "go").touch()
        found = job.wait(timeout=20)[0]
        assert (found.code, found.reason) == (7, None)
        assert job.log == b"ready\nlast words\n"


def test_an_engine_that_comes_back_has_the_job(tmp_path: Path, running_engine: OwnEngine) -> None:
    with _job(tmp_path, running_engine, "60") as job:
        job.runner.prepare(job.build_log)
        job.launch("echo ready; sleep 600")
        job.wait_for_log("ready")
        running_engine.stop(signal.SIGKILL)
        running_engine.start()
        found = job.wait(timeout=60)[0]
        # without live-restore an engine ends the containers it finds at its start
        assert found.reason in ("EngineLost", "Killed"), found


def test_an_engine_that_is_stopped_takes_the_job_with_it(tmp_path: Path, running_engine: OwnEngine) -> None:
    with _job(tmp_path, running_engine, "2") as job:
        job.runner.prepare(job.build_log)
        job.launch("echo ready; sleep 600")
        job.wait_for_log("ready")
        running_engine.stop(signal.SIGTERM)
        found = job.wait(timeout=60)[0]
        assert found.reason in ("EngineLost", "Killed"), found
