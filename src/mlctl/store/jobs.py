"""The jobs of a workspace: records, plans, the queue of each compute.

Everything that decides on a status happens inside one write transaction, so that two processes never both win.
"""

from __future__ import annotations

import contextlib
import os
import shutil
import sqlite3
from collections.abc import Callable, Collection, Iterable, Sequence
from dataclasses import fields
from pathlib import Path
from typing import Any

from mlctl.entities.job import HOLDING_STATUSES, NOT_STARTED, QUEUED, STARTING, JobRecord, ProcessId
from mlctl.entities.lineage import DEPLOYMENT, Link, Node
from mlctl.entities.metric import Metric
from mlctl.errors import ConflictError, MlctlError, NotFoundError
from mlctl.store.database import Database, Row, translate_os_error
from mlctl.store.links import insert_links
from mlctl.store.rows import did_you_mean, from_json, process_from_json, process_to_json, to_json, to_json_or_null

KEEP: Any = object()
"""Stands for "leave this field as it is"."""

_COLUMNS = tuple(field.name for field in fields(JobRecord))
_SELECT = "SELECT " + ", ".join(f"jobs.{column}" for column in _COLUMNS)
_ENCODERS: dict[str, Callable[[Any], Any]] = {
    "tags": to_json,
    "properties": to_json,
    "document": to_json,
    "error": to_json_or_null,
    "usage": to_json_or_null,
    "supervisor": process_to_json,
    "archived": int,
}
_DECODERS: dict[str, Callable[[Any], Any]] = {
    "tags": from_json,
    "properties": from_json,
    "document": from_json,
    "error": from_json,
    "usage": from_json,
    "supervisor": process_from_json,
    "archived": bool,
}
_VIEWS = {"active": (0,), "archived": (1,), "all": (0, 1)}
_HOLDING = ", ".join(f"'{status}'" for status in sorted(HOLDING_STATUSES))


# In the class below `list` is the method.
Names = list[str]
Records = list[JobRecord]
Holders = list[tuple[JobRecord, ProcessId | None]]
Metrics = list[Metric]


class JobTable:
    """Jobs of one workspace. `folder` is where each job's folder is, under the job's name.

    Every method raises the errors of `Database`; those that take a name raise NotFoundError for an unknown one.
    """

    def __init__(self, database: Database, folder: Path) -> None:
        self._database = database
        self._folder = folder

    def new_folder(self) -> Path:
        """An empty folder, on the same disk as the job folders, to prepare for `insert`."""
        folder = self._folder / f".new-{os.urandom(8).hex()}"
        try:
            folder.mkdir(parents=True)
        except OSError as error:
            raise translate_os_error(error, self._folder) from error
        return folder

    def insert(self, record: JobRecord, *, plan: dict[str, Any], folder: Path, links: Iterable[Link] = ()) -> JobRecord:
        """Keep a new job with its lineage, and rename its prepared `folder` to the job's; all together or not at all.

        A folder of that name without a row is what a killed process left, and is replaced. Returns the record with
        its sequence. Raises ConflictError when the name is taken; the prepared folder is then still there.
        """
        target = self._folder / record.name
        aside = self._folder / f".old-{os.urandom(8).hex()}"
        try:
            with self._database.write() as connection:
                sequence = _insert_row(connection, record, plan)
                insert_links(connection, links)
                # The row is not to be seen before the commit: killed between here and there, only a folder stays.
                if os.path.lexists(target):
                    target.rename(aside)
                folder.rename(target)
        except sqlite3.IntegrityError as error:
            raise ConflictError(
                f"a job named '{record.name}' exists already",
                hint="take another name, or leave the name out and one is made",
                details={"name": record.name},
            ) from error
        except BaseException:
            self._put_back(record.name, target, folder)
            raise
        if aside.exists():
            shutil.rmtree(aside, ignore_errors=True)
        return _replace_sequence(record, sequence)

    def get(self, name: str) -> JobRecord:
        """The job."""
        found = self.find(name)
        if found is None:
            raise self._not_found(name)
        return found

    def find(self, name: str) -> JobRecord | None:
        """The job, or None."""
        rows = self._database.read(f"{_SELECT} FROM jobs WHERE name = ?", (name,))
        return _record(rows[0]) if rows else None

    def plan(self, name: str) -> dict[str, Any]:
        """The plan that the job was submitted with."""
        sql = "SELECT plan FROM jobs JOIN plans ON plans.job = jobs.sequence WHERE name = ?"
        rows = self._database.read(sql, (name,))
        if not rows:
            raise self._not_found(name)
        plan: dict[str, Any] = from_json(rows[0]["plan"])
        return plan

    def list(
        self,
        *,
        max_results: int | None = None,
        view: str = "active",
        parent: str | None = None,
        statuses: Collection[str] | None = None,
        compute: str | None = None,
        metric: str | None = None,
        ascending: bool = False,
    ) -> Records:
        """Jobs, newest first; with `metric` by its value, highest first, jobs without a number for it left out.

        `view`: active, archived or all. `ascending` turns the order round. `max_results` None means all.
        """
        filters = {"parent_job_name": parent, "compute": compute}
        equal = {column: value for column, value in filters.items() if value is not None}
        limit = -1 if max_results is None else max_results
        if metric is not None:
            sql, parameters = _metric_query(metric, equal, _VIEWS[view], statuses, ascending)
        else:
            sql, parameters = _recency_query(equal, _VIEWS[view], statuses, limit, ascending)
        return [_record(row) for row in self._database.read(f"{sql} LIMIT ?", (*parameters, limit))]

    def of_deployments(self, endpoint: str, deployment: str | None = None) -> Records:
        """The scoring jobs of a batch endpoint, or of one of its deployments, newest first."""
        first = Node(DEPLOYMENT, f"{endpoint}/{deployment or ''}").text
        # one range of an index: all names below endpoint/, or this very name
        last = first if deployment else f"{first}\U0010ffff"
        sql = f"""
            {_SELECT} FROM links CROSS JOIN jobs ON jobs.name = substr(links.downstream, 5)
            WHERE links.upstream BETWEEN ? AND ? AND links.downstream LIKE 'job/%' ORDER BY jobs.sequence DESC"""
        return [_record(row) for row in self._database.read(sql, (first, last))]

    def transition(self, name: str, to: str, *, allowed_from: Collection[str], **changes: Any) -> JobRecord | None:
        """Set the status (and the given fields), if the status is one of `allowed_from`; else None and no change."""
        with self._database.write() as connection:
            record = self._in_transaction(connection, name)
            if record.status not in allowed_from:
                return None
            return _change(connection, record, {"status": to, **changes})

    def update(
        self,
        name: str,
        *,
        display_name: str | None = KEEP,
        description: str | None = KEEP,
        tags: dict[str, str] = KEEP,
        properties: dict[str, str] = KEEP,
        archived: bool = KEEP,
        supervisor: ProcessId | None = KEEP,
        usage: dict[str, Any] | None = KEEP,
    ) -> JobRecord:
        """Change fields that do not depend on the status; a field not given keeps its value."""
        given = {
            "display_name": display_name,
            "description": description,
            "tags": tags,
            "properties": properties,
            "archived": archived,
            "supervisor": supervisor,
            "usage": usage,
        }
        with self._database.write() as connection:
            record = self._in_transaction(connection, name)
            return _change(connection, record, {key: value for key, value in given.items() if value is not KEEP})

    def claim(self, compute: str, limit: int | None, claimer: ProcessId) -> Names:
        """Take queued jobs of a compute for starting, earliest first, while fewer than `limit` jobs hold it.

        The jobs go from Queued to Starting and belong to `claimer` from then on. Returns their names in order.
        """
        # A look without the write lock: mostly there is nothing to do. Whoever queues a job or frees a slot claims
        # after that, so what this look misses is taken by them.
        if not self._claimable(self._database.read(*_queue_query(compute, limit)), limit):
            return []
        with self._database.write() as connection:
            sql, parameters = _queue_query(compute, limit)
            rows = self._claimable(connection.execute(sql, parameters).fetchall(), limit)
            connection.executemany(
                "UPDATE jobs SET status = ?, claimer = ? WHERE sequence = ?",
                [(STARTING, process_to_json(claimer), row["sequence"]) for row in rows],
            )
        return [row["name"] for row in rows]

    def held(self, compute: str | None = None) -> Holders:
        """The jobs that hold a compute or are about to be queued, with who claimed them; oldest first."""
        where, parameters = ("compute = ? AND", (compute,)) if compute is not None else ("", ())
        sql = f"{_SELECT}, claimer FROM jobs WHERE {where} status IN ('{NOT_STARTED}', {_HOLDING}) ORDER BY sequence"
        return [(_record(row), process_from_json(row["claimer"])) for row in self._database.read(sql, parameters)]

    def queued_computes(self) -> Names:
        """The computes that have queued jobs."""
        sql = "SELECT DISTINCT compute FROM jobs WHERE status = ? ORDER BY compute"
        return [row["compute"] for row in self._database.read(sql, (QUEUED,))]

    def backends_at_work(self) -> Names:
        """The back ends that have jobs which wait or run."""
        sql = f"SELECT DISTINCT backend FROM jobs WHERE status IN ('{NOT_STARTED}', '{QUEUED}', {_HOLDING})"
        return sorted(row["backend"] for row in self._database.read(sql))

    def queue_position(self, name: str) -> tuple[int, int] | None:
        """The place in the compute's queue, from 1, and how many jobs hold the compute; None when not queued."""
        sql = f"""
            SELECT me.status,
              (SELECT count(*) FROM jobs
                WHERE compute = me.compute AND status = '{QUEUED}' AND sequence <= me.sequence) AS place,
              (SELECT count(*) FROM jobs WHERE compute = me.compute AND status IN ({_HOLDING})) AS holding
            FROM jobs AS me WHERE me.name = ?"""
        rows = self._database.read(sql, (name,))
        if not rows:
            raise self._not_found(name)
        return (rows[0]["place"], rows[0]["holding"]) if rows[0]["status"] == QUEUED else None

    def put_metrics(self, name: str, metrics: Sequence[Metric]) -> None:
        """Keep the last value of each key: the highest step wins, then the latest time (as MLflow has it)."""
        with self._database.write() as connection:
            sequence = self._in_transaction(connection, name).sequence
            connection.executemany(
                """
                INSERT INTO metrics (job, key, value, step, time) VALUES (?, ?, ?, ?, ?)
                ON CONFLICT (job, key) DO UPDATE SET value = excluded.value, step = excluded.step, time = excluded.time
                WHERE excluded.step > step OR (excluded.step = step AND excluded.time >= time)""",
                [(sequence, metric.key, metric.value, metric.step, metric.time) for metric in metrics],
            )

    def metrics(self, name: str) -> Metrics:
        """The last value of each metric of the job, by key."""
        sql = "SELECT key, value, step, time FROM metrics WHERE job = ? ORDER BY key"
        rows = self._database.read(sql, (self.get(name).sequence,))
        return [Metric(row["key"], _number(row["value"]), row["step"], row["time"]) for row in rows]

    def names(self, prefix: str = "", limit: int = 50) -> Names:
        """Job names that begin with `prefix`, newest first without one, else in alphabetical order."""
        if not prefix:
            rows = self._database.read("SELECT name FROM jobs ORDER BY sequence DESC LIMIT ?", (limit,))
        else:
            sql = "SELECT name FROM jobs WHERE name >= ? AND name < ? ORDER BY name LIMIT ?"
            rows = self._database.read(sql, (prefix, prefix + "\U0010ffff", limit))
        return [row["name"] for row in rows]

    def _in_transaction(self, connection: sqlite3.Connection, name: str) -> JobRecord:
        row = connection.execute(f"{_SELECT} FROM jobs WHERE name = ?", (name,)).fetchone()
        if row is None:
            raise self._not_found(name)
        return _record(row)

    def _not_found(self, name: str) -> NotFoundError:
        hint = did_you_mean(name, self.names(limit=1000), otherwise="'mlctl job list' shows the jobs of this workspace")
        return NotFoundError(f"no job named '{name}'", hint=hint, details={"name": name})

    def _put_back(self, name: str, target: Path, folder: Path) -> None:
        # The commit failed after the rename (a full disk): give the caller the prepared folder back.
        with contextlib.suppress(MlctlError, OSError):  # the error that led here is the one to show
            taken = self._database.read("SELECT 1 FROM jobs WHERE name = ?", (name,))
            if not taken and target.exists() and not folder.exists():
                target.rename(folder)

    @staticmethod
    def _claimable(rows: Sequence[Row], limit: int | None) -> Sequence[Row]:
        if limit is None or not rows:
            return rows
        return rows[: max(0, limit - rows[0]["holding"])]


def _insert_row(connection: sqlite3.Connection, record: JobRecord, plan: dict[str, Any]) -> int:
    columns = [column for column in _COLUMNS if column != "sequence"]
    marks = ", ".join("?" * len(columns))
    values = [_encode(column, getattr(record, column)) for column in columns]
    cursor = connection.execute(f"INSERT INTO jobs ({', '.join(columns)}) VALUES ({marks})", values)
    sequence = cursor.lastrowid
    connection.execute("INSERT INTO plans (job, plan) VALUES (?, ?)", (sequence, to_json(plan)))
    return sequence or 0


def _recency_query(
    equal: dict[str, str], archived: tuple[int, ...], statuses: Collection[str] | None, limit: int, ascending: bool
) -> tuple[str, list[Any]]:
    """One index range for each status and archived value, each in order and cut at the limit, then merged.

    `status IN (…) ORDER BY sequence` would sort every job of these statuses; this reads at most `limit` of each.
    """
    direction = "ASC" if ascending else "DESC"
    if statuses is None and len(archived) > 1:
        archived_values: tuple[int | None, ...] = (None,)  # the primary key is in order already
    else:
        archived_values = archived
    parts: list[str] = []
    parameters: list[Any] = []
    for status in sorted(set(statuses)) if statuses is not None else (None,):
        for value in archived_values:
            exact = {**equal, "status": status, "archived": value}
            used = {column: wanted for column, wanted in exact.items() if wanted is not None}
            where = f"WHERE {' AND '.join(f'{column} = ?' for column in used)}" if used else ""
            parts.append(f"SELECT * FROM (SELECT sequence FROM jobs {where} ORDER BY sequence {direction} LIMIT ?)")
            parameters += [*used.values(), limit]
    wanted = " UNION ALL ".join(parts) or "SELECT NULL"
    return f"{_SELECT} FROM jobs WHERE sequence IN ({wanted}) ORDER BY sequence {direction}", parameters


def _metric_query(
    metric: str, equal: dict[str, str], archived: tuple[int, ...], statuses: Collection[str] | None, ascending: bool
) -> tuple[str, list[Any]]:
    # CROSS JOIN keeps the order of the tables: the index of the metric is walked in the order of its values.
    direction = "ASC" if ascending else "DESC"
    conditions = ["key = ?", "value IS NOT NULL", *(f"{column} = ?" for column in equal)]
    conditions.append(f"archived IN ({', '.join('?' * len(archived))})")
    parameters: list[Any] = [metric, *equal.values(), *archived]
    if statuses is not None:
        conditions.append(f"status IN ({', '.join('?' * len(statuses))})")
        parameters += sorted(statuses)
    source = "metrics CROSS JOIN jobs ON jobs.sequence = metrics.job"
    order = f"metrics.value {direction}, metrics.job {direction}"
    return f"{_SELECT} FROM {source} WHERE {' AND '.join(conditions)} ORDER BY {order}", parameters


def _queue_query(compute: str, limit: int | None) -> tuple[str, list[Any]]:
    sql = f"""
        SELECT name, sequence,
          (SELECT count(*) FROM jobs WHERE compute = ? AND status IN ({_HOLDING})) AS holding
        FROM jobs WHERE compute = ? AND status = '{QUEUED}' ORDER BY sequence LIMIT ?"""
    return sql, [compute, compute, -1 if limit is None else limit]


def _change(connection: sqlite3.Connection, record: JobRecord, changes: dict[str, Any]) -> JobRecord:
    if not changes:
        return record
    settings = ", ".join(f"{column} = ?" for column in changes)
    values = [_encode(column, value) for column, value in changes.items()]
    connection.execute(f"UPDATE jobs SET {settings} WHERE sequence = ?", (*values, record.sequence))
    row = connection.execute(f"{_SELECT} FROM jobs WHERE sequence = ?", (record.sequence,)).fetchone()
    return _record(row)


def _encode(column: str, value: Any) -> Any:
    encoder = _ENCODERS.get(column)
    return encoder(value) if encoder else value


def _record(row: Row) -> JobRecord:
    values = {column: row[column] for column in _COLUMNS}
    for column, decode in _DECODERS.items():
        values[column] = decode(values[column])
    return JobRecord(**values)


def _replace_sequence(record: JobRecord, sequence: int) -> JobRecord:
    values = {column: getattr(record, column) for column in _COLUMNS}
    return JobRecord(**{**values, "sequence": sequence})


def _number(value: float | None) -> float:
    return float("nan") if value is None else value
