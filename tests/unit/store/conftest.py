"""Fixtures of the store's tests: a workspace in a temporary home, and records to put into it."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from mlctl.entities.clock import Clock
from mlctl.entities.job import JobRecord
from mlctl.store.workspaces import Workspaces, WorkspaceStore


@pytest.fixture
def workspaces(tmp_path: Path) -> Workspaces:
    return Workspaces(tmp_path / "home", Clock(now=lambda: 1000.0))


@pytest.fixture
def store(workspaces: Workspaces) -> Iterator[WorkspaceStore]:
    store = workspaces.open("default")
    yield store
    store.database.close()


@pytest.fixture
def add(store: WorkspaceStore) -> Callable[..., JobRecord]:
    """Insert a job with a folder of its own; keyword arguments are fields of the record."""

    def insert(name: str, **fields: Any) -> JobRecord:
        record = job_record(name, **fields)
        folder = store.jobs.new_folder()
        (folder / "job.yml").write_text(name)
        return store.jobs.insert(record, plan={"name": name}, folder=folder)

    return insert


def job_record(name: str, **fields: Any) -> JobRecord:
    defaults: dict[str, Any] = {"status": "Queued", "compute": "local", "backend": "local", "created_at": 1.0}
    return JobRecord(name=name, **{**defaults, **fields})
