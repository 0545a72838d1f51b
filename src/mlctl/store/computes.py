"""The computes of a workspace."""

from __future__ import annotations

from dataclasses import fields
from typing import Any

from mlctl.entities.compute import LOCAL_COMPUTE, Compute
from mlctl.entities.job import HOLDING_STATUSES, WAITING_STATUSES
from mlctl.errors import ConflictError, NotFoundError
from mlctl.store.database import Database, Row
from mlctl.store.rows import did_you_mean, from_json, to_json

_COLUMNS = tuple(field.name for field in fields(Compute))
_BUSY = ", ".join(f"'{status}'" for status in sorted(HOLDING_STATUSES | WAITING_STATUSES))

# In the class below `list` is the method.
Computes = list[Compute]
Names = list[str]


class ComputeTable:
    """Computes of one workspace. `local` is always there. Every method raises the errors of `Database`."""

    def __init__(self, database: Database) -> None:
        self._database = database

    def put(self, compute: Compute) -> None:
        """Add the compute, or replace the one of that name. Raises ConflictError for a `local` that is not local."""
        if compute.name == LOCAL_COMPUTE and (compute.type, compute.backend) != ("local", "local"):
            raise ConflictError(
                f"the compute '{LOCAL_COMPUTE}' is this machine and cannot have type '{compute.type}'",
                hint="take another name for it",
            )
        marks = ", ".join("?" * len(_COLUMNS))
        values = [_encode(column, getattr(compute, column)) for column in _COLUMNS]
        with self._database.write() as connection:
            connection.execute(f"INSERT OR REPLACE INTO computes ({', '.join(_COLUMNS)}) VALUES ({marks})", values)

    def get(self, name: str) -> Compute:
        """The compute. Raises NotFoundError."""
        rows = self._database.read("SELECT * FROM computes WHERE name = ?", (name,))
        if rows:
            return _compute(rows[0])
        if name == LOCAL_COMPUTE:
            return _local()
        raise self._not_found(name)

    def find(self, name: str) -> Compute | None:
        """The compute, or None when there is none of that name."""
        try:
            return self.get(name)
        except NotFoundError:
            return None

    def list(self) -> Computes:
        """All computes by name, `local` first."""
        computes = [_compute(row) for row in self._database.read("SELECT * FROM computes ORDER BY name")]
        local = next((compute for compute in computes if compute.name == LOCAL_COMPUTE), _local())
        return [local, *(compute for compute in computes if compute.name != LOCAL_COMPUTE)]

    def delete(self, name: str) -> None:
        """Remove the compute. Raises NotFoundError, and ConflictError for `local` or while jobs run or wait there."""
        if name == LOCAL_COMPUTE:
            raise ConflictError(f"the compute '{LOCAL_COMPUTE}' is always there and cannot be deleted")
        with self._database.write() as connection:
            sql = f"SELECT name FROM jobs WHERE compute = ? AND status IN ({_BUSY}) ORDER BY sequence"
            jobs = [row["name"] for row in connection.execute(sql, (name,))]
            if jobs:
                raise ConflictError(
                    f"jobs run or wait on the compute '{name}': {', '.join(jobs[:10])}{' …' if jobs[10:] else ''}",
                    hint="cancel them, or wait for them, and try again",
                    details={"jobs": jobs},
                )
            if connection.execute("DELETE FROM computes WHERE name = ?", (name,)).rowcount == 0:
                raise self._not_found(name)

    def names(self, prefix: str = "") -> Names:
        """Names that begin with `prefix`."""
        return [compute.name for compute in self.list() if compute.name.startswith(prefix)]

    def _not_found(self, name: str) -> NotFoundError:
        hint = did_you_mean(name, self.names(), otherwise="'mlctl compute list' shows the computes of this workspace")
        return NotFoundError(f"no compute named '{name}'", hint=hint, details={"name": name})


def _local() -> Compute:
    return Compute(name=LOCAL_COMPUTE, type="local", backend="local")


def _encode(column: str, value: Any) -> Any:
    return to_json(value) if column in ("tags", "settings") else value


def _compute(row: Row) -> Compute:
    values = {column: row[column] for column in _COLUMNS}
    return Compute(**{**values, "tags": from_json(row["tags"]), "settings": from_json(row["settings"])})
