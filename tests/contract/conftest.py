"""Every known back end in turn, bound to a fresh workspace."""

from __future__ import annotations

import os
from collections.abc import Iterator, Mapping
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
from tests.conftest import end_processes_of
from tests.live.docker_jobs import IMAGE, find_engine

from mlctl import settings
from mlctl.backends import KNOWN, connect
from mlctl.backends.base import Backend, Plan
from mlctl.entities.clock import Clock
from mlctl.entities.compute import Compute
from mlctl.entities.job import JobRecord
from mlctl.operations.jobs import JobDesk, Prepared, prepare, wait
from mlctl.store.workspaces import Workspaces, WorkspaceStore

NAMES = [pytest.param(name, marks=[pytest.mark.docker] if name == "docker" else []) for name in sorted(KNOWN)]


@dataclass
class Bound:
    """A back end and the workspace that it is bound to; `folder` is where specs are written."""

    backend: Backend
    store: WorkspaceStore
    desk: JobDesk
    folder: Path

    @property
    def compute(self) -> Compute:
        """A compute of this back end."""
        return Compute(name=self.backend.name, type=self.backend.name, backend=self.backend.name)

    def prepare(self, spec: Mapping[str, Any], *, name: str | None = "job") -> Prepared:
        """The spec as `job create` prepares it: written to a file with one key a line, read, checked and planned."""
        import json

        path = self.folder / "job.yml"
        path.write_text(json.dumps(spec, indent=1), encoding="utf-8")
        return prepare(self.desk, path, name=name, backend=self.backend.name)

    def plan(self, command: str = "true", *, name: str = "job", **more: Any) -> Plan:
        """The plan of a small job."""
        return self.prepare({"command": command, "environment": {"image": IMAGE}, **more}, name=name).plan

    def run(self, command: str, *, name: str = "job", **more: Any) -> JobRecord:
        """Submit a small job and wait for it."""
        self.backend.jobs.submit(self.plan(command, name=name, **more))
        return wait(self.desk, name, timeout=60)

    def log(self, name: str = "job", **how: Any) -> bytes:
        """The user's lines of a job's log."""
        chunks = self.backend.jobs.logs(name, **how)
        return b"".join(chunk.data for chunk in chunks if chunk.source.startswith("user_logs/"))


@pytest.fixture(params=NAMES)
def planning(request: pytest.FixtureRequest, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Bound]:
    """A back end that is asked for plans only, so that no engine is needed."""
    yield from _bind(request.param, tmp_path, monkeypatch)


@pytest.fixture(params=NAMES)
def running(
    request: pytest.FixtureRequest, tmp_path: Path, cache: Path, monkeypatch: pytest.MonkeyPatch
) -> Iterator[Bound]:
    """A back end that can run jobs now."""
    if request.param == "docker":
        with closing(find_engine(tmp_path)):
            pass
    home = tmp_path / "home"
    home.mkdir()
    (home / "cache").symlink_to(cache)
    yield from _bind(request.param, tmp_path, monkeypatch)
    end_processes_of(home)
    if request.param == "docker":
        _remove_containers(home)


def _bind(name: str, folder: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Bound]:
    """`folder` gets a home and a project; supervisors find the home by its variable."""
    for variable in [found for found in os.environ if found.startswith(("MLCTL_", "AZURE_"))]:
        if not variable.startswith("MLCTL_TEST_"):
            monkeypatch.delenv(variable)
    project = folder / "project"
    project.mkdir()
    monkeypatch.setenv("MLCTL_HOME", str(folder / "home"))
    monkeypatch.chdir(project)
    found = settings.load()
    store = Workspaces(found.home, Clock()).open("default")
    backend = connect(name, found, store)
    desk = JobDesk(store, found, Clock(), {name: backend}.__getitem__)
    yield Bound(backend, store, desk, project)
    store.database.close()


def _remove_containers(home: Path) -> None:
    """What a test left running."""
    with closing(find_engine(home)) as engine:
        for container in engine.containers({"mlctl.workspace": str(home / "workspaces" / "default")}):
            engine.remove(container)
