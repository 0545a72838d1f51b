from __future__ import annotations

import errno
import math
import sqlite3
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import replace
from typing import Any

import pytest

from mlctl.entities.job import JobRecord, ProcessId
from mlctl.entities.metric import Metric
from mlctl.errors import ConflictError, NotFoundError, UnavailableError
from mlctl.store.database import Database
from mlctl.store.jobs import JobTable
from mlctl.store.workspaces import WorkspaceStore

Add = Callable[..., JobRecord]
CLAIMER = ProcessId(pid=7, started="boot:1")


def test_a_job_comes_back_as_it_was_put_in(store: WorkspaceStore, add: Add) -> None:
    record = add(
        "full",
        status="Running",
        experiment_name="e",
        display_name="näme",
        description="d",
        parent_job_name="p",
        tags={"a": "b"},
        properties={"odd": "\udcff"},
        archived=True,
        started_at=2.0,
        ended_at=3.0,
        exit_code=9,
        error={"code": "UserError", "message": "m"},
        usage={"peak_memory_bytes": 1, "cpu_seconds": 0.5},
        supervisor=ProcessId(pid=5, started="x"),
        document={"inputs": {"lr": 0.1}},
        created_by="me",
    )
    assert record.sequence == 1
    assert store.jobs.get("full") == record
    assert store.jobs.plan("full") == {"name": "full"}
    assert (store.job_folder("full") / "job.yml").read_text() == "full"


def test_a_taken_name_is_refused_and_changes_nothing(store: WorkspaceStore, add: Add) -> None:
    first = add("twice")
    folder = store.jobs.new_folder()
    with pytest.raises(ConflictError, match="twice"):
        store.jobs.insert(replace(first, compute="other"), plan={}, folder=folder)
    assert store.jobs.get("twice") == first
    assert folder.is_dir()
    assert (store.job_folder("twice") / "job.yml").read_text() == "twice"


def test_a_folder_without_a_row_is_replaced(store: WorkspaceStore, add: Add) -> None:
    leftover = store.job_folder("again")
    (leftover / "deep").mkdir(parents=True)
    (leftover / "deep/old").write_text("old")
    add("again")
    assert [entry.name for entry in leftover.iterdir()] == ["job.yml"]
    assert [entry.name for entry in leftover.parent.iterdir()] == ["again"]


def test_a_failed_commit_gives_the_prepared_folder_back(store: WorkspaceStore, add: Add) -> None:
    record = replace(add("first"), name="second")
    folder = store.jobs.new_folder()
    (folder / "big").write_text("x")
    full = JobTable(_FullDisk(store.database.path), store.folder / "jobs")
    with pytest.raises(UnavailableError, match="full"):
        full.insert(record, plan={}, folder=folder)
    assert (folder / "big").read_text() == "x"
    assert not store.job_folder("second").exists()
    with pytest.raises(NotFoundError):
        store.jobs.get("second")
    assert store.jobs.insert(record, plan={}, folder=folder).name == "second"


def test_a_prepared_folder_that_is_not_there_leaves_no_row(store: WorkspaceStore, add: Add) -> None:
    record = replace(add("first"), name="second")
    with pytest.raises(UnavailableError, match="missing"):
        store.jobs.insert(record, plan={}, folder=store.folder / "missing")
    with pytest.raises(NotFoundError):
        store.jobs.get("second")


def test_unknown_names_say_what_is_meant(store: WorkspaceStore, add: Add) -> None:
    add("olive_boat_1")
    for ask in (store.jobs.get, store.jobs.plan, store.jobs.queue_position, store.jobs.metrics):
        with pytest.raises(NotFoundError, match="no job named 'olive_boat_2'") as caught:
            ask("olive_boat_2")
        assert caught.value.hint == "did you mean 'olive_boat_1'?"
    with pytest.raises(NotFoundError):
        store.jobs.transition("olive_boat_2", "Failed", allowed_from={"Queued"})
    with pytest.raises(NotFoundError):
        store.jobs.update("olive_boat_2", archived=True)


def test_the_newest_come_first(store: WorkspaceStore, add: Add) -> None:
    for number in range(5):
        add(f"job{number}")
    assert _names(store.jobs.list()) == ["job4", "job3", "job2", "job1", "job0"]
    assert _names(store.jobs.list(max_results=2)) == ["job4", "job3"]
    assert _names(store.jobs.list(max_results=2, ascending=True)) == ["job0", "job1"]
    assert store.jobs.list(max_results=0) == []


def test_lists_are_filtered(store: WorkspaceStore, add: Add) -> None:
    add("a", status="Running", parent_job_name="p")
    add("b", status="Failed", archived=True)
    add("c", status="Completed", compute="gpu", parent_job_name="p")
    add("d", status="Running")
    assert _names(store.jobs.list()) == ["d", "c", "a"]
    assert _names(store.jobs.list(view="archived")) == ["b"]
    assert _names(store.jobs.list(view="all")) == ["d", "c", "b", "a"]
    assert _names(store.jobs.list(parent="p")) == ["c", "a"]
    assert _names(store.jobs.list(parent="p", statuses={"Running"})) == ["a"]
    assert _names(store.jobs.list(compute="gpu")) == ["c"]
    assert _names(store.jobs.list(statuses={"Running", "Completed"})) == ["d", "c", "a"]
    assert _names(store.jobs.list(statuses={"Running", "Failed"}, view="all", max_results=2)) == ["d", "b"]
    assert store.jobs.list(statuses=[]) == []


def test_lists_by_metric_leave_out_jobs_without_a_number(store: WorkspaceStore, add: Add) -> None:
    for name, value in (("a", 0.5), ("b", 0.9), ("c", math.nan), ("d", 0.1), ("e", 0.7)):
        add(name, archived=name == "e", status="Failed" if name == "d" else "Completed")
        store.jobs.put_metrics(name, [Metric("accuracy", value), Metric("loss", 1 - value)])
    add("none")
    assert _names(store.jobs.list(metric="accuracy")) == ["b", "a", "d"]
    assert _names(store.jobs.list(metric="accuracy", ascending=True, max_results=2)) == ["d", "a"]
    assert _names(store.jobs.list(metric="loss", view="all")) == ["d", "a", "e", "b"]
    assert _names(store.jobs.list(metric="accuracy", statuses={"Completed"}, compute="local")) == ["b", "a"]
    assert store.jobs.list(metric="f1") == []


def test_of_each_metric_the_last_step_stays(store: WorkspaceStore, add: Add) -> None:
    add("job")
    store.jobs.put_metrics("job", [Metric("loss", 3.0, 1, 10.0), Metric("loss", 2.0, 2, 11.0), Metric("a", math.inf)])
    store.jobs.put_metrics("job", [Metric("loss", 9.0, 1, 99.0), Metric("n", math.nan)])
    a, loss, n = store.jobs.metrics("job")
    assert (a, loss) == (Metric("a", math.inf), Metric("loss", 2.0, 2, 11.0))
    assert math.isnan(n.value)


def test_a_transition_happens_only_from_where_it_may(store: WorkspaceStore, add: Add) -> None:
    add("job", status="Running")
    changed = store.jobs.transition(
        "job", "Failed", allowed_from={"Running"}, ended_at=5.0, exit_code=1, error={"code": "x", "message": "y"}
    )
    assert changed is not None
    assert (changed.status, changed.ended_at, changed.error) == ("Failed", 5.0, {"code": "x", "message": "y"})
    assert store.jobs.transition("job", "Canceled", allowed_from={"Running", "Queued"}, exit_code=2) is None
    assert store.jobs.get("job") == changed


def test_update_changes_only_what_is_given(store: WorkspaceStore, add: Add) -> None:
    before = add("job", display_name="old", tags={"a": "1"}, description="d")
    after = store.jobs.update("job", display_name=None, tags={"b": "2"}, archived=True)
    assert after == replace(before, display_name=None, tags={"b": "2"}, archived=True)
    assert store.jobs.update("job") == after


def test_claims_keep_the_order_and_the_limit(store: WorkspaceStore, add: Add) -> None:
    for name in ("z", "m", "a", "k"):
        add(name)
    add("elsewhere", compute="gpu")
    assert store.jobs.queue_position("a") == (3, 0)
    assert store.jobs.claim("local", 2, CLAIMER) == ["z", "m"]
    assert store.jobs.claim("local", 2, CLAIMER) == []
    assert store.jobs.queue_position("a") == (1, 2)
    assert store.jobs.queue_position("z") is None
    assert store.jobs.get("z").status == "Starting"
    store.jobs.transition("z", "Completed", allowed_from={"Starting"})
    assert store.jobs.claim("local", 2, CLAIMER) == ["a"]
    assert store.jobs.claim("local", None, CLAIMER) == ["k"]
    assert store.jobs.claim("local", None, CLAIMER) == []


def test_held_jobs_name_their_claimer(store: WorkspaceStore, add: Add) -> None:
    add("waits", status="NotStarted")
    add("first")
    add("done", status="Completed")
    add("other", status="Running", compute="gpu")
    store.jobs.claim("local", 1, CLAIMER)
    assert [(record.name, claimer) for record, claimer in store.jobs.held()] == [
        ("waits", None),
        ("first", CLAIMER),
        ("other", None),
    ]
    assert [record.name for record, _ in store.jobs.held("gpu")] == ["other"]


def test_names_complete_a_prefix(store: WorkspaceStore, add: Add) -> None:
    for name in ("ab1", "b", "ab2", "a%"):
        add(name)
    assert store.jobs.names() == ["a%", "ab2", "b", "ab1"]
    assert store.jobs.names("ab") == ["ab1", "ab2"]
    assert store.jobs.names("ab", limit=1) == ["ab1"]
    assert store.jobs.names("%") == []


@pytest.mark.parametrize(
    "filters",
    [
        {},
        {"view": "all"},
        {"view": "archived"},
        {"parent": "p"},
        {"compute": "c"},
        {"statuses": {"Running", "Failed"}},
        {"statuses": {"Running"}, "view": "all"},
        {"metric": "accuracy"},
        {"metric": "accuracy", "ascending": True},
    ],
)
def test_every_list_is_read_from_an_index_in_its_order(store: WorkspaceStore, filters: dict[str, Any]) -> None:
    watched = _Watched(store.database)
    JobTable(watched, store.folder / "jobs").list(max_results=50, **filters)  # type: ignore[arg-type]
    steps = [row["detail"] for row in store.database.read(f"EXPLAIN QUERY PLAN {watched.sql}", watched.parameters)]
    scans = [step for step in steps if step.startswith("SCAN") and "jobs" in step]
    # The primary key is in order of submission; any other scan would read every job.
    assert scans in ([], ["SCAN jobs"]), steps
    assert not scans or filters == {"view": "all"}
    assert not [step for step in steps if "TEMP B-TREE" in step], steps


class _FullDisk(Database):
    """A database on a disk that is full when the transaction is to be committed."""

    @contextmanager
    def write(self) -> Iterator[sqlite3.Connection]:
        with super().write() as connection:
            yield connection
            raise OSError(errno.ENOSPC, "No space left on device")


class _Watched:
    """A database that remembers the last SELECT."""

    def __init__(self, database: Database) -> None:
        self._database = database
        self.sql = ""
        self.parameters: Any = ()

    def read(self, sql: str, parameters: Any = ()) -> Any:
        self.sql, self.parameters = sql, parameters
        return self._database.read(sql, parameters)


def _names(records: list[JobRecord]) -> list[str]:
    return [record.name for record in records]
