"""Many processes on one database at once, and processes that are killed at any moment."""

from __future__ import annotations

import multiprocessing
import os
import random
import re
import signal
import time
from pathlib import Path
from typing import Any

from mlctl.entities.clock import Clock
from mlctl.entities.job import HOLDING_STATUSES, JobRecord, ProcessId
from mlctl.store.workspaces import Workspaces, WorkspaceStore

FORK = multiprocessing.get_context("fork")
PROCESSES, JOBS_EACH, LIMIT = 20, 15, 4


def test_many_processes_lose_nothing_and_keep_the_limit_and_the_order(tmp_path: Path) -> None:
    _log_claims(tmp_path)
    claims = FORK.SimpleQueue()
    processes = [FORK.Process(target=_submit_and_run, args=(tmp_path, number, claims)) for number in range(PROCESSES)]
    for process in processes:
        process.start()
    seen: list[tuple[int, list[str], int]] = []
    ended = 0
    while ended < PROCESSES:
        claim = claims.get()
        if claim is None:
            ended += 1
        else:
            seen.append(claim)
    for process in processes:
        process.join()
    assert [process.exitcode for process in processes] == [0] * PROCESSES

    store = Workspaces(tmp_path, Clock()).open("default")
    records = store.jobs.list(ascending=True)
    assert len(records) == PROCESSES * JOBS_EACH
    assert {record.status for record in records} == {"Completed"}
    assert sorted(path.name for path in (store.folder / "jobs").iterdir()) == sorted(record.name for record in records)
    claimed = [name for _, names, _ in seen for name in names]
    assert sorted(claimed) == sorted(record.name for record in records)  # each once
    assert max(holding for _, _, holding in seen) <= LIMIT
    rows = store.database.read("SELECT job, holding FROM claim_log ORDER BY number")
    assert [row["job"] for row in rows] == [record.sequence for record in records]
    assert max(row["holding"] for row in rows) <= LIMIT
    store.database.close()


def test_a_killed_process_leaves_each_row_with_its_folder(tmp_path: Path) -> None:
    store = Workspaces(tmp_path, Clock()).open("default")
    for attempt in range(25):
        store.database.close()  # sqlite must not be open across a fork
        process = FORK.Process(target=_insert_for_ever, args=(tmp_path, attempt))
        process.start()
        time.sleep(random.uniform(0.005, 0.03))
        os.kill(process.pid or 0, signal.SIGKILL)
        process.join()
        for record in store.jobs.list(max_results=5):
            assert (store.job_folder(record.name) / "job.yml").read_text() == record.name
    records = store.jobs.list()
    assert len(records) > 25
    named = {record.name for record in records}
    for folder in (store.folder / "jobs").iterdir():
        if re.match(r"\.(?:new|old)-", folder.name) or folder.name in named:
            continue
        # A folder without a row: its name is free.
        _insert(store, folder.name)
        assert (folder / "job.yml").read_text() == folder.name
    assert store.database.read("PRAGMA integrity_check")[0][0] == "ok"


def _submit_and_run(home: Path, number: int, claims: Any) -> None:
    store = Workspaces(home, Clock()).open("default")
    me = ProcessId(os.getpid(), "test")
    for job in range(JOBS_EACH):
        _insert(store, f"job-{number}-{job}")
        _run_what_is_claimed(store, me, claims)
    while store.jobs.list(statuses={"Queued"}, max_results=1):
        _run_what_is_claimed(store, me, claims)
    store.database.close()
    claims.put(None)


def _run_what_is_claimed(store: WorkspaceStore, me: ProcessId, claims: Any) -> None:
    names = store.jobs.claim("local", LIMIT, me)
    if not names:
        return
    holding = len(store.jobs.list(statuses=HOLDING_STATUSES))
    claims.put((os.getpid(), names, holding))
    for name in names:
        assert store.jobs.transition(name, "Running", allowed_from={"Starting"}, started_at=time.time()) is not None
        assert store.jobs.transition(name, "Completed", allowed_from={"Running"}, exit_code=0) is not None


def _log_claims(home: Path) -> None:
    # A trigger sees each claim in the order in which sqlite makes it, whatever the processes believe.
    database = Workspaces(home, Clock()).open("default").database
    with database.write() as connection:
        connection.execute("CREATE TABLE claim_log (number INTEGER PRIMARY KEY, job INTEGER, holding INTEGER)")
        connection.execute(
            """
            CREATE TRIGGER log_claims AFTER UPDATE OF status ON jobs WHEN new.status = 'Starting' BEGIN
              INSERT INTO claim_log (job, holding)
              SELECT new.sequence, count(*) FROM jobs WHERE status IN ('Starting', 'Running');
            END"""
        )
    database.close()


def _insert_for_ever(home: Path, attempt: int) -> None:
    store = Workspaces(home, Clock()).open("default")
    number = 0
    while True:
        number += 1
        _insert(store, f"job-{attempt}-{number}")


def _insert(store: WorkspaceStore, name: str) -> None:
    folder = store.jobs.new_folder()
    (folder / "job.yml").write_text(name)
    record = JobRecord(name=name, status="Queued", compute="local", backend="local", created_at=time.time())
    store.jobs.insert(record, plan={"name": name}, folder=folder)
