"""The endpoints of a workspace, their deployments, and the history of both."""

from __future__ import annotations

import sqlite3
from collections.abc import Iterable
from dataclasses import fields, replace
from typing import Any

from mlctl.entities.endpoint import ONLINE, Deployment, Endpoint, EndpointChange
from mlctl.entities.lineage import Link, node_of_deployment
from mlctl.errors import ConflictError, NotFoundError
from mlctl.store.database import Database, Row
from mlctl.store.links import insert_links
from mlctl.store.rows import did_you_mean, from_json, to_json

_JSON = ("tags", "properties", "traffic", "mirror_traffic", "document", "error", "deployments")
_ENDPOINT = tuple(field.name for field in fields(Endpoint))
_FORGET_LINKS = "DELETE FROM links WHERE downstream = ?"
_DEPLOYMENT = tuple(field.name for field in fields(Deployment))
_CHANGE = tuple(field.name for field in fields(EndpointChange))
_PUT = tuple(name for name in _DEPLOYMENT if name not in ("endpoint", "name", "active", "created_at", "created_by"))

_FORGET_PLANS = """
DELETE FROM deployment_plans WHERE endpoint = ?1 AND deployment = ?2 AND generation NOT IN
(SELECT generation FROM deployments WHERE endpoint = ?1 AND name = ?2
 UNION SELECT active FROM deployments WHERE endpoint = ?1 AND name = ?2)
"""

Endpoints = list[Endpoint]
Deployments = list[Deployment]
History = list[EndpointChange]


class EndpointTable:
    """Endpoints of one workspace. Every method raises the errors of `Database`."""

    def __init__(self, database: Database) -> None:
        self._database = database

    def insert(self, endpoint: Endpoint) -> None:
        """Keep a new endpoint. Raises ConflictError when the name or the port is taken."""
        with self._database.write() as connection:
            known = connection.execute("SELECT kind FROM endpoints WHERE name = ?", (endpoint.name,)).fetchone()
            if known is not None:
                raise ConflictError(
                    f"{known['kind']}-endpoint '{endpoint.name}' exists already",
                    hint=f"change it with: mlctl {known['kind']}-endpoint update -n {endpoint.name}",
                    details={"name": endpoint.name},
                )
            taken = connection.execute("SELECT name FROM endpoints WHERE port = ? AND port > 0", (endpoint.port,))
            if (other := taken.fetchone()) is not None:
                raise ConflictError(
                    f"port {endpoint.port} belongs to the endpoint '{other['name']}'", details={"port": endpoint.port}
                )
            _insert(connection, "endpoints", _ENDPOINT, endpoint)

    def get(self, kind: str, name: str) -> Endpoint:
        """The endpoint. Raises NotFoundError."""
        rows = self._database.read("SELECT * FROM endpoints WHERE name = ? AND kind = ?", (name, kind))
        if not rows:
            raise self._not_found(kind, name)
        return Endpoint(**_values(rows[0], _ENDPOINT))

    def list(self, kind: str) -> Endpoints:
        """The endpoints of that kind, by name."""
        rows = self._database.read("SELECT * FROM endpoints WHERE kind = ? ORDER BY name", (kind,))
        return [Endpoint(**_values(row, _ENDPOINT)) for row in rows]

    def update(self, endpoint: Endpoint, what: str, *, by: str, at: float, **changes: Any) -> Endpoint:
        """Change fields of an endpoint, and note in its history what was done; the endpoint as it is then.

        Fields that are not named stay as others left them. Raises NotFoundError, also for a deployment in the traffic
        that is gone by now.
        """
        given = {**changes, "modified_at": at}
        with self._database.write() as connection:
            for deployment in {**changes.get("traffic", {}), **changes.get("mirror_traffic", {})}:
                sql = "SELECT 1 FROM deployments WHERE endpoint = ? AND name = ?"
                if not connection.execute(sql, (endpoint.name, deployment)).fetchone():
                    raise NotFoundError(f"endpoint '{endpoint.name}' has no deployment '{deployment}' any more")
            settings = ", ".join(f"{column} = ?" for column in given)
            values = [_encode(column, value) for column, value in given.items()]
            sql = f"UPDATE endpoints SET {settings} WHERE name = ?"
            if connection.execute(sql, (*values, endpoint.name)).rowcount == 0:
                raise self._not_found(endpoint.kind, endpoint.name)
            _note(connection, endpoint.name, what, by=by, at=at)
        return self.get(endpoint.kind, endpoint.name)

    def delete(self, kind: str, name: str) -> None:
        """Forget an endpoint with its deployments and its history. Raises NotFoundError."""
        with self._database.write() as connection:
            for row in connection.execute("SELECT name FROM deployments WHERE endpoint = ?", (name,)).fetchall():
                connection.execute(_FORGET_LINKS, (node_of_deployment(name, row["name"]).text,))
            if connection.execute("DELETE FROM endpoints WHERE name = ? AND kind = ?", (name, kind)).rowcount == 0:
                raise self._not_found(kind, name)
            connection.execute("DELETE FROM endpoint_changes WHERE endpoint = ?", (name,))

    def put_deployment(
        self,
        deployment: Deployment,
        plan: dict[str, Any],
        what: str,
        *,
        by: str,
        at: float,
        links: Iterable[Link] | None = None,
    ) -> None:
        """Keep a new deployment, or a new generation of one, with its plan; what answers now stays what it is.

        `links`: what it was made from, in the place of what was noted before; None changes nothing there.
        Raises NotFoundError for no endpoint, ConflictError unless the generation is `next_generation`.
        """
        with self._database.write() as connection:
            sql = "SELECT kind FROM endpoints WHERE name = ?"
            endpoint = connection.execute(sql, (deployment.endpoint,)).fetchone()
            if endpoint is None:
                raise self._not_found(ONLINE, deployment.endpoint)
            known = connection.execute(
                "SELECT generation FROM deployments WHERE endpoint = ? AND name = ?",
                (deployment.endpoint, deployment.name),
            ).fetchone()
            if self.next_generation(deployment.endpoint, deployment.name) != deployment.generation:
                raise _changed_meanwhile(deployment, endpoint["kind"], exists=known is not None)
            if known:
                # the keeper may have let a generation take over since `deployment` was read
                _update_deployment(connection, deployment, _PUT)
            else:
                _insert(connection, "deployments", _DEPLOYMENT, deployment)
            key = (deployment.endpoint, deployment.name, deployment.generation)
            sql = "INSERT OR REPLACE INTO deployment_plans (endpoint, deployment, generation, plan) VALUES (?, ?, ?, ?)"
            connection.execute(sql, (*key, to_json(plan)))
            connection.execute(_FORGET_PLANS, (deployment.endpoint, deployment.name))
            if links is not None:
                connection.execute(_FORGET_LINKS, (node_of_deployment(deployment.endpoint, deployment.name).text,))
                insert_links(connection, links)
            _note(connection, deployment.endpoint, what, by=by, at=at)

    def next_generation(self, endpoint: str, name: str) -> int:
        """The number of a deployment's next generation. Numbers do not come back when a deployment is deleted and made
        anew: processes and folders of the old one may still be there.
        """
        rows = self._database.read("SELECT deployments FROM endpoint_changes WHERE endpoint = ?", (endpoint,))
        used = (from_json(row["deployments"]).get(name, {}).get("generation", 0) for row in rows)
        return max(used, default=0) + 1

    def deployment(self, endpoint: str, name: str, kind: str | None = None) -> Deployment:
        """One deployment. Raises NotFoundError, also when its endpoint is not of the `kind` given."""
        if kind is not None:
            self.get(kind, endpoint)
        found = self.find_deployment(endpoint, name)
        if found is None:
            names = [one.name for one in self.deployments(endpoint)]
            otherwise = f"deployments of '{endpoint}': {', '.join(names) or 'none yet'}"
            raise NotFoundError(
                f"endpoint '{endpoint}' has no deployment '{name}'",
                hint=did_you_mean(name, names, otherwise=otherwise),
                details={"endpoint": endpoint, "name": name},
            )
        return found

    def find_deployment(self, endpoint: str, name: str) -> Deployment | None:
        """One deployment, or None."""
        rows = self._database.read("SELECT * FROM deployments WHERE endpoint = ? AND name = ?", (endpoint, name))
        return Deployment(**_values(rows[0], _DEPLOYMENT)) if rows else None

    def deployments(self, endpoint: str) -> Deployments:
        """The deployments of an endpoint, by name."""
        rows = self._database.read("SELECT * FROM deployments WHERE endpoint = ? ORDER BY name", (endpoint,))
        return [Deployment(**_values(row, _DEPLOYMENT)) for row in rows]

    def plan(self, endpoint: str, deployment: str, generation: int) -> dict[str, Any]:
        """The plan of one generation. Raises NotFoundError."""
        sql = "SELECT plan FROM deployment_plans WHERE endpoint = ? AND deployment = ? AND generation = ?"
        rows = self._database.read(sql, (endpoint, deployment, generation))
        if not rows:
            raise NotFoundError(f"deployment '{deployment}' of '{endpoint}' has no generation {generation}")
        plan: dict[str, Any] = from_json(rows[0]["plan"])
        return plan

    def update_deployment(self, deployment: Deployment, **changes: Any) -> bool:
        """Change fields of a deployment as long as it is of the same generation; whether it was."""
        changed = replace(deployment, **changes)
        with self._database.write() as connection:
            return _update_deployment(connection, changed, tuple(changes), generation=deployment.generation)

    def delete_deployment(self, endpoint: str, name: str, *, by: str, at: float) -> None:
        """Forget a deployment. Raises NotFoundError, and ConflictError while it has traffic."""
        self.deployment(endpoint, name)
        with self._database.write() as connection:
            row = connection.execute("SELECT traffic, mirror_traffic FROM endpoints WHERE name = ?", (endpoint,))
            traffic, mirror = (from_json(text) for text in row.fetchone())
            if live := traffic.pop(name, 0) or mirror.pop(name, 0):
                raise ConflictError(
                    f"deployment '{name}' gets {live} % of the traffic of '{endpoint}'",
                    hint=f'move it first: mlctl online-endpoint update -n {endpoint} --traffic "{name}=0 …"',
                )
            connection.execute("DELETE FROM deployments WHERE endpoint = ? AND name = ?", (endpoint, name))
            connection.execute(_FORGET_LINKS, (node_of_deployment(endpoint, name).text,))
            sql = "UPDATE endpoints SET traffic = ?, mirror_traffic = ? WHERE name = ?"
            mirror.pop(name, 0)
            connection.execute(sql, (to_json(traffic), to_json(mirror), endpoint))
            _note(connection, endpoint, f"delete {name}", by=by, at=at)

    def history(self, endpoint: str) -> History:
        """What was changed, oldest first."""
        rows = self._database.read("SELECT * FROM endpoint_changes WHERE endpoint = ? ORDER BY sequence", (endpoint,))
        return [EndpointChange(**_values(row, _CHANGE)) for row in rows]

    def ports(self) -> set[int]:
        """The ports that endpoints of this workspace have."""
        return {row["port"] for row in self._database.read("SELECT port FROM endpoints")}

    def _not_found(self, kind: str, name: str) -> NotFoundError:
        names = [endpoint.name for endpoint in self.list(kind)]
        otherwise = f"'mlctl {kind}-endpoint list' shows the endpoints of this workspace"
        return NotFoundError(
            f"no {kind}-endpoint named '{name}'",
            hint=did_you_mean(name, names, otherwise=otherwise),
            details={"name": name},
        )


def _changed_meanwhile(deployment: Deployment, kind: str, *, exists: bool) -> ConflictError:
    if exists and deployment.generation == 1:
        return ConflictError(
            f"deployment '{deployment.name}' of '{deployment.endpoint}' exists already",
            hint=f"change it with: mlctl {kind}-deployment update -n {deployment.name} -e {deployment.endpoint} -f …",
            details={"endpoint": deployment.endpoint, "name": deployment.name},
        )
    return ConflictError(
        f"deployment '{deployment.name}' of '{deployment.endpoint}' was changed or deleted by somebody else meanwhile",
        hint="look at it and try again",
    )


def _insert(connection: sqlite3.Connection, table: str, columns: tuple[str, ...], entity: Any) -> None:
    marks = ", ".join("?" * len(columns))
    values = [_encode(column, getattr(entity, column)) for column in columns]
    connection.execute(f"INSERT INTO {table} ({', '.join(columns)}) VALUES ({marks})", values)


def _update_deployment(
    connection: sqlite3.Connection, deployment: Deployment, columns: tuple[str, ...], *, generation: int | None = None
) -> bool:
    settings = ", ".join(f"{column} = ?" for column in columns)
    values = [_encode(column, getattr(deployment, column)) for column in columns]
    where, parameters = "endpoint = ? AND name = ?", [deployment.endpoint, deployment.name]
    if generation is not None:
        where, parameters = f"{where} AND generation = ?", [*parameters, str(generation)]
    return connection.execute(f"UPDATE deployments SET {settings} WHERE {where}", (*values, *parameters)).rowcount > 0


def _note(connection: sqlite3.Connection, endpoint: str, what: str, *, by: str, at: float) -> None:
    row = connection.execute("SELECT traffic, mirror_traffic FROM endpoints WHERE name = ?", (endpoint,)).fetchone()
    sql = "SELECT name, generation, document, properties FROM deployments WHERE endpoint = ? ORDER BY name"
    deployments = {
        found["name"]: {"generation": found["generation"], **from_json(found["properties"])}
        for found in connection.execute(sql, (endpoint,))
    }
    connection.execute(
        "INSERT INTO endpoint_changes (endpoint, at, by, what, traffic, mirror_traffic, deployments) "
        "VALUES (?, ?, ?, ?, ?, ?, ?)",
        (endpoint, at, by, what, row["traffic"], row["mirror_traffic"], to_json(deployments)),
    )


def _encode(column: str, value: Any) -> Any:
    if column in _JSON:
        return None if value is None else to_json(value)
    return int(value) if isinstance(value, bool) else value


def _values(row: Row, columns: tuple[str, ...]) -> dict[str, Any]:
    values = {column: row[column] for column in columns}
    for column in _JSON:
        if column in values:
            values[column] = from_json(values[column])
    if "stopped" in values:
        values["stopped"] = bool(values["stopped"])
    return values
