"""The datastores of a workspace: the four that are always there, and those that were registered."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import fields, replace
from pathlib import Path
from typing import Any

from mlctl.entities.datastore import BUILT_IN, LOCAL_FOLDER, Datastore
from mlctl.errors import ConflictError, NotFoundError
from mlctl.store.database import Database, Row
from mlctl.store.rows import did_you_mean, from_json, to_json

_COLUMNS = tuple(field.name for field in fields(Datastore))
_JSON = ("tags", "properties", "settings", "credentials")

# In the class below `list` is the method.
Datastores = list[Datastore]


class DatastoreTable:
    """Datastores of one workspace; `folder` holds the built-in ones. Every method raises the errors of `Database`."""

    def __init__(self, database: Database, folder: Path) -> None:
        self._database = database
        self._folder = folder

    def put(self, datastore: Datastore) -> None:
        """Add the datastore, or replace the one of that name. Raises ConflictError for a built-in name."""
        self.check_free(datastore.name)
        marks = ", ".join("?" * len(_COLUMNS))
        values = [_encode(column, getattr(datastore, column)) for column in _COLUMNS]
        with self._database.write() as connection:
            connection.execute(f"INSERT OR REPLACE INTO datastores ({', '.join(_COLUMNS)}) VALUES ({marks})", values)

    def check_free(self, name: str) -> None:
        """Raise ConflictError for the name of a built-in datastore."""
        _refuse_built_in(name, "changed")

    def get(self, name: str) -> Datastore:
        """The datastore. Raises NotFoundError."""
        if name in BUILT_IN:
            return self._built_in(name)
        rows = self._database.read("SELECT * FROM datastores WHERE name = ?", (name,))
        if not rows:
            names = [datastore.name for datastore in self.list()]
            hint = did_you_mean(name, names, otherwise=f"this workspace has {', '.join(names)}")
            raise NotFoundError(f"no datastore named '{name}'", hint=hint, details={"name": name})
        return _datastore(rows[0])

    def find(self, name: str) -> Datastore | None:
        """The datastore, or None when there is none of that name."""
        try:
            return self.get(name)
        except NotFoundError:
            return None

    def list(self) -> Datastores:
        """All datastores, the built-in ones first, then by name."""
        return [*(self._built_in(name) for name in BUILT_IN), *self.registered()]

    def registered(self) -> Iterator[Datastore]:
        """Those that were registered, by name."""
        for row in self._database.read("SELECT * FROM datastores ORDER BY name"):
            yield _datastore(row)

    def delete(self, name: str) -> None:
        """Forget the datastore; its files stay. Raises NotFoundError, and ConflictError for a built-in one."""
        _refuse_built_in(name, "deleted")
        self.get(name)
        with self._database.write() as connection:
            connection.execute("DELETE FROM datastores WHERE name = ?", (name,))

    def _built_in(self, name: str) -> Datastore:
        return Datastore(name=name, type=LOCAL_FOLDER, settings={"path": str(self._folder / name)})


def _refuse_built_in(name: str, what: str) -> None:
    if name in BUILT_IN:
        raise ConflictError(
            f"the datastore '{name}' belongs to the workspace and cannot be {what}", hint="take another name"
        )


def _encode(column: str, value: Any) -> Any:
    return to_json(value) if column in _JSON else value


def _datastore(row: Row) -> Datastore:
    values = {column: row[column] for column in _COLUMNS}
    return replace(Datastore(**values), **{column: from_json(row[column]) for column in _JSON})
