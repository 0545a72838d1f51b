"""An engine that goes away while a job runs: tried on a second engine that is started for the test and killed."""

from __future__ import annotations

import os
import shutil
import signal
import subprocess
import time
from collections.abc import Iterator
from pathlib import Path

import pytest
from tests.live.docker_jobs import IMAGE, docker_job, find_engine, settings_in, wanted

from mlctl.backends import docker as backend
from mlctl.backends.docker.client import open_engine
from mlctl.errors import UnavailableError

pytestmark = [
    pytest.mark.docker,
    pytest.mark.slow,
    # the SDK leaves its sockets to the garbage collector when an engine dies in the middle of an answer
    pytest.mark.filterwarnings("ignore::pytest.PytestUnraisableExceptionWarning"),
]


class OwnEngine:
    """A dockerd with everything of its own below a folder; without network, so that it touches nothing of the host."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.host = f"unix://{folder}/docker.sock"
        self._process: subprocess.Popen[bytes] | None = None

    def start(self) -> None:
        """Start it and wait until it answers."""
        # unix sockets have short paths: pytest's own folders are too deep for the containers' shims
        with (self.folder / "dockerd.log").open("ab") as log:
            self._process = subprocess.Popen(
                [
                    # a network namespace of its own: at its start an engine without a bridge removes the host's docker0
                    "unshare", "--net", "dockerd", "--host", self.host, "--data-root", f"{self.folder}/data",
                    "--exec-root", f"{self.folder}/exec", "--pidfile", f"{self.folder}/pid",
                    "--bridge", "none", "--iptables=false", "--ip6tables=false", "--storage-driver", "vfs",
                ],
                stdout=log, stderr=log, start_new_session=True,
            )  # fmt: skip
        until = time.monotonic() + 60
        while True:
            assert self._process.poll() is None, (self.folder / "dockerd.log").read_text()[-2000:]
            try:
                open_engine(settings_in(self.folder, docker__host=self.host)).close()
            except UnavailableError:
                assert time.monotonic() < until, "dockerd does not answer"
                time.sleep(0.2)
            else:
                return

    def stop(self, number: signal.Signals) -> None:
        """Send a signal and wait for the end of the daemon; with KILL its containerd lives on, as in a crash."""
        if self._process is not None:
            self._process.send_signal(number)
            self._process.wait(60)
            self._process = None
            for stale in ("pid", "exec/containerd/containerd.pid", "exec/libcontainerd/containerd.pid"):
                (self.folder / stale).unlink(missing_ok=True)

    def end(self) -> None:
        """Stop it with all that it started."""
        group = self._process.pid if self._process else None
        self.stop(signal.SIGTERM)
        for entry in Path("/proc").glob("[0-9]*"):
            try:
                line = (entry / "cmdline").read_bytes()
            except OSError:
                continue
            if os.fsencode(self.folder) in line and int(entry.name) not in (os.getpid(), group):
                os.kill(int(entry.name), signal.SIGKILL)
        for mount in [line.split()[1] for line in Path("/proc/mounts").read_text().splitlines()][::-1]:
            if mount.startswith(f"{self.folder}/"):
                subprocess.run(["umount", "-l", mount], check=False)
        shutil.rmtree(self.folder, ignore_errors=True)


@pytest.fixture(scope="module")
def own_engine(tmp_path_factory: pytest.TempPathFactory) -> Iterator[OwnEngine]:
    """A second engine with the test image in it."""
    find_engine(tmp_path_factory.mktemp("engine")).close()
    if os.getuid() != 0 or shutil.which("dockerd") is None:
        if "docker" in os.environ.get("MLCTL_TEST_REQUIRE", "").split(","):
            pytest.fail("a second engine needs root and dockerd")
        pytest.skip("a second engine needs root and dockerd")
    import tempfile

    engine = OwnEngine(Path(tempfile.mkdtemp(prefix="mlctl-dockerd-")))
    try:
        engine.start()
        with subprocess.Popen(["docker", "save", IMAGE], stdout=subprocess.PIPE) as saved:
            subprocess.run(
                ["docker", "-H", engine.host, "load"], stdin=saved.stdout, check=True, stdout=subprocess.DEVNULL
            )
        yield engine
    finally:
        engine.end()


@pytest.fixture
def running_engine(own_engine: OwnEngine) -> OwnEngine:
    """The second engine, started again when a test ended it."""
    if own_engine._process is None:
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
