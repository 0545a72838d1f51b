"""What the live tests of the docker back end share: an engine, and jobs that are run without a supervisor."""

from __future__ import annotations

import io
import os
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest

from mlctl.backends.docker.arguments import parse_arguments
from mlctl.backends.docker.client import Engine, open_engine
from mlctl.backends.docker.runner import DockerRunner
from mlctl.backends.supervised.runner import Exit, Launch, Run, Wakeup
from mlctl.errors import UnavailableError
from mlctl.settings import Settings, load

IMAGE = os.environ.get("MLCTL_TEST_IMAGE", "mlctl-test/python:3.11")


def settings_in(home: Path, **overrides: str) -> Settings:
    """Settings of an empty home; `docker__host` stands for docker.host."""
    given = {"home": str(home), **{key.replace("__", "."): value for key, value in overrides.items()}}
    return load(overrides=given, environ=dict(os.environ), cwd=home)


def find_engine(home: Path) -> Engine:
    """The engine that jobs would use; skips without one, fails where one must be there."""
    try:
        return open_engine(settings_in(home))
    except UnavailableError as error:
        if "docker" in os.environ.get("MLCTL_TEST_REQUIRE", "").split(","):
            pytest.fail(f"an engine is required here: {error.message}")
        pytest.skip(f"no Docker engine: {error.message}")


def wanted(**changes: Any) -> dict[str, Any]:
    """The docker part of a payload."""
    arguments = parse_arguments(changes.pop("docker_args", ()))
    return {
        "image": IMAGE, "image_as_written": IMAGE, "build": None, "conda": None, "conversion_error": None,
        "python": None, "packages": [], "origin": "conda.yml", "options": arguments, "shm_size": "64m",
        "resources": {}, "host": None, **changes,
    }  # fmt: skip


@dataclass
class DockerJob:
    """One job on a folder of its own; `mounts` as the supervisor hands them over."""

    home: Path
    name: str = "live_job"
    docker: dict[str, Any] = field(default_factory=wanted)
    mounts: list[dict[str, Any]] = field(default_factory=list)
    settings: Settings | None = None

    def __post_init__(self) -> None:
        self.folder = self.home / "ws" / "jobs" / self.name
        (self.folder / "code").mkdir(parents=True)
        (self.folder / "artifacts" / "user_logs").mkdir(parents=True)
        self.wakeup = Wakeup()
        self.build_log = io.BytesIO()
        self.runner = DockerRunner(
            Run(
                name=self.name,
                payload={"folder": str(self.folder), "docker": self.docker},
                folder=self.folder,
                cache=self.home / "cache",
                settings=self.settings or settings_in(self.home),
                wakeup=self.wakeup,
                facts={"mounts": self.mounts},
            )
        )

    @property
    def log(self) -> bytes:
        """What the job wrote."""
        return self.log_file(0).read_bytes()

    @property
    def built(self) -> str:
        """What was said while the image was made ready."""
        return self.build_log.getvalue().decode()

    def log_file(self, rank: int) -> Path:
        return self.folder / "artifacts" / "user_logs" / f"log_{rank}.txt"

    def launch(self, command: str, rank: int = 0, **variables: str) -> None:
        """Start one rank."""
        self.runner.start(Launch(rank, command, variables, self.log_file(rank), self.folder / "code"))

    def wait(self, count: int = 1, timeout: float = 60.0) -> list[Exit]:
        """The next `count` exits."""
        exits: list[Exit] = []
        until = time.monotonic() + timeout
        while len(exits) < count:
            assert time.monotonic() < until, f"still running after {timeout} s: {exits}"
            self.wakeup.wait(1.0)
            exits += self.runner.collect()
        return exits

    def wait_for_log(self, text: str, timeout: float = 30.0) -> None:
        """Until the log has `text`."""
        until = time.monotonic() + timeout
        while not self.log_file(0).exists() or text.encode() not in self.log:
            assert time.monotonic() < until, f"{text!r} is not in the log"
            time.sleep(0.02)

    def run(self, command: str, **variables: str) -> Exit:
        """Prepare, start one rank and wait for it."""
        self.runner.prepare(self.build_log)
        self.launch(command, **variables)
        return self.wait()[0]


@contextmanager
def docker_job(home: Path, **fields: Any) -> Iterator[DockerJob]:
    """A job that is closed at the end, whatever happens."""
    job = DockerJob(home, **fields)
    try:
        yield job
    finally:
        job.runner.close()
