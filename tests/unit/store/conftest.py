"""Fixtures of the store's tests: a workspace in a temporary home, and records to put into it."""

from __future__ import annotations

import multiprocessing
import os
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from mlctl.entities.clock import Clock
from mlctl.entities.job import JobRecord
from mlctl.errors import MlctlError
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


@pytest.fixture
def run_unprivileged() -> Callable[..., tuple[str, str] | None]:
    """Run something as a user for whom file modes count: root may read and write everything."""
    return _run_unprivileged


def job_record(name: str, **fields: Any) -> JobRecord:
    defaults: dict[str, Any] = {"status": "Queued", "compute": "local", "backend": "local", "created_at": 1.0}
    return JobRecord(name=name, **{**defaults, **fields})


NOBODY = 65534


def _run_unprivileged(folder: Path, action: Callable[..., object], *arguments: Any) -> tuple[str, str] | None:
    """Code and message of the MlctlError that `action` raised, else None. `folder` is made reachable for it."""
    if os.getuid() == 0:
        for place in (folder, *folder.parents):
            if place.stat().st_uid == 0 and not place.stat().st_mode & 0o001:
                place.chmod(place.stat().st_mode | 0o011)
    answers = multiprocessing.get_context("fork").SimpleQueue()
    process = multiprocessing.get_context("fork").Process(target=_child, args=(answers, action, arguments))
    process.start()
    answer: tuple[str, str] | None = answers.get()
    process.join()
    assert process.exitcode == 0
    return answer


def _child(answers: Any, action: Callable[..., object], arguments: tuple[Any, ...]) -> None:
    try:
        if os.getuid() == 0:
            os.setgroups([])
            os.setgid(NOBODY)
            os.setuid(NOBODY)
        action(*arguments)
        answers.put(None)
    except MlctlError as error:
        answers.put((error.code, error.message))
    except BaseException as error:
        answers.put(("unexpected", repr(error)))
        raise
