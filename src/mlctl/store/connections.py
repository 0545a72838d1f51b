"""The connections of a workspace."""

from __future__ import annotations

from dataclasses import fields, replace
from typing import Any

from mlctl.entities.connection import Connection
from mlctl.errors import NotFoundError
from mlctl.store.database import Database, Row
from mlctl.store.rows import did_you_mean, from_json, to_json

_COLUMNS = tuple(field.name for field in fields(Connection))
_JSON = ("tags", "settings", "credentials")

# In the class below `list` is the method.
Connections = list[Connection]


class ConnectionTable:
    """Connections of one workspace. Every method raises the errors of `Database`."""

    def __init__(self, database: Database) -> None:
        self._database = database

    def put(self, connection: Connection) -> None:
        """Add the connection, or replace the one of that name."""
        marks = ", ".join("?" * len(_COLUMNS))
        values = [_encode(column, getattr(connection, column)) for column in _COLUMNS]
        with self._database.write() as cursor:
            cursor.execute(f"INSERT OR REPLACE INTO connections ({', '.join(_COLUMNS)}) VALUES ({marks})", values)

    def get(self, name: str) -> Connection:
        """The connection. Raises NotFoundError."""
        rows = self._database.read("SELECT * FROM connections WHERE name = ?", (name,))
        if not rows:
            names = [connection.name for connection in self.list()]
            hint = did_you_mean(name, names, otherwise="'mlctl connection list' shows those of this workspace")
            raise NotFoundError(f"no connection named '{name}'", hint=hint, details={"name": name})
        return _connection(rows[0])

    def find(self, name: str) -> Connection | None:
        """The connection, or None when there is none of that name."""
        try:
            return self.get(name)
        except NotFoundError:
            return None

    def list(self) -> Connections:
        """All connections by name."""
        return [_connection(row) for row in self._database.read("SELECT * FROM connections ORDER BY name")]

    def delete(self, name: str) -> None:
        """Forget the connection. Raises NotFoundError."""
        self.get(name)
        with self._database.write() as cursor:
            cursor.execute("DELETE FROM connections WHERE name = ?", (name,))


def _encode(column: str, value: Any) -> Any:
    return to_json(value) if column in _JSON else value


def _connection(row: Row) -> Connection:
    values = {column: row[column] for column in _COLUMNS}
    return replace(Connection(**values), **{column: from_json(row[column]) for column in _JSON})
