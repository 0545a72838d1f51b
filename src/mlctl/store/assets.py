"""The assets of a workspace: names, versions, labels.

A version is written once. Two who create the same version at once meet in one transaction: the second finds what the
first wrote, and is told so when its own is something else.
"""

from __future__ import annotations

import sqlite3
from collections.abc import Iterable
from dataclasses import replace
from typing import Any

from mlctl.entities.asset import LATEST, Asset, AssetName, differences, number_of
from mlctl.entities.lineage import Link
from mlctl.errors import ConflictError, NotFoundError
from mlctl.store.database import Database, Row
from mlctl.store.links import insert_links
from mlctl.store.rows import did_you_mean, from_json, to_json

_COLUMNS = (
    "kind name version type path content fingerprint stage description tags properties archived created_at created_by "
    "modified_at document"
).split()
_JSON = ("tags", "properties", "document")
_SELECT = (
    "SELECT assets.*, asset_names.anonymous FROM assets JOIN asset_names ON asset_names.kind = assets.kind "
    "AND asset_names.name = assets.name"
)
_UPDATABLE = ("description", "tags", "properties", "stage")
_NEWEST = (
    "SELECT version FROM assets WHERE kind = asset_names.kind AND name = asset_names.name AND archived = 0 "
    "ORDER BY sequence DESC LIMIT 1"
)

Assets = list[Asset]
AssetNames = list[AssetName]


class AssetTable:
    """Assets of one workspace. Every method raises the errors of `Database`."""

    def __init__(self, database: Database) -> None:
        self._database = database

    def add(self, asset: Asset, links: Iterable[Link] = ()) -> Asset:
        """Keep a new version, with its lineage; without a version it gets the next number.

        The same version with the same fingerprint is there already: description, tags, properties and stage that are
        given are taken over. Links may name the asset with version "" when that is given here. Raises ConflictError
        with the differences (`details["differences"]`) for the same version with another fingerprint, and for one that
        was removed with another.
        """
        with self._database.write() as connection:
            number = self._open_name(connection, asset)
            wanted = replace(asset, version=asset.version or str(number))
            row = _find(connection, wanted.kind, wanted.name, wanted.version)
            if row is None:
                _check_removed(connection, wanted)
                _insert(connection, wanted)
                taken = number_of(wanted.version)
                if taken is not None and taken >= number:
                    sql = "UPDATE asset_names SET next_version = ? WHERE kind = ? AND name = ?"
                    connection.execute(sql, (taken + 1, wanted.kind, wanted.name))
            else:
                known = _asset(row)
                if known.fingerprint != wanted.fingerprint:
                    raise version_conflict(known, wanted)
                # a text that is shown alike may stand for a new signature
                renewed = {"path": wanted.path, "document": wanted.document} if wanted.content is None else {}
                _update(connection, known, {**_given(wanted), **renewed}, wanted.modified_at)
            insert_links(connection, [_with_version(link, wanted) for link in links])
            kept = _find(connection, wanted.kind, wanted.name, wanted.version)
            assert kept is not None
            return _asset(kept)

    def get(self, kind: str, name: str, version: str) -> Asset:
        """One version. Raises NotFoundError."""
        found = self.find(kind, name, version)
        if found is None:
            raise self._not_found(kind, name, version)
        return found

    def find(self, kind: str, name: str, version: str) -> Asset | None:
        """One version, or None."""
        rows = self._database.read(
            f"{_SELECT} WHERE assets.kind = ? AND assets.name = ? AND assets.version = ?", (kind, name, version)
        )
        return _asset(rows[0]) if rows else None

    def resolve(self, kind: str, name: str, *, version: str | None = None, label: str | None = None) -> Asset:
        """The version named, else the one that the label points to, else the latest. Raises NotFoundError."""
        if version is None:
            version = self._labelled(kind, name, label or LATEST)
        return self.get(kind, name, version)

    def labels(self, kind: str, name: str) -> dict[str, str]:
        """The labels that users gave, and the versions they point to."""
        sql = "SELECT label, version FROM asset_labels WHERE kind = ? AND name = ? ORDER BY label"
        return {row["label"]: row["version"] for row in self._database.read(sql, (kind, name))}

    def set_label(self, kind: str, name: str, label: str, version: str | None) -> None:
        """Point a label at a version, or take it away (None). Raises NotFoundError."""
        if version is not None:
            self.get(kind, name, version)
        with self._database.write() as connection:
            if version is None:
                sql = "DELETE FROM asset_labels WHERE kind = ? AND name = ? AND label = ?"
                if connection.execute(sql, (kind, name, label)).rowcount == 0:
                    raise NotFoundError(f"{kind} '{name}' has no label '{label}'", details={"label": label})
                return
            sql = "INSERT OR REPLACE INTO asset_labels (kind, name, label, version) VALUES (?, ?, ?, ?)"
            connection.execute(sql, (kind, name, label, version))

    def list_names(self, kind: str, *, view: str = "active", max_results: int | None = None) -> AssetNames:
        """Names with their latest versions, alphabetically, without anonymous ones. `view`: active, archived or all."""
        where = {"active": "AND archived = 0", "archived": "AND archived = 1", "all": ""}[view]
        sql = (
            f"SELECT kind, name, archived, next_version, created_at, ({_NEWEST}) AS latest FROM asset_names "
            f"WHERE kind = ? AND anonymous = 0 {where} ORDER BY name LIMIT ?"
        )
        rows = self._database.read(sql, (kind, -1 if max_results is None else max_results))
        return [_asset_name(row) for row in rows]

    def list_versions(
        self, kind: str, name: str, *, view: str = "active", stage: str | None = None, max_results: int | None = None
    ) -> Assets:
        """The versions of one name, newest first. Raises NotFoundError for an unknown name."""
        conditions, parameters = ["assets.kind = ?", "assets.name = ?"], [kind, name]
        if view != "all":
            conditions.append(f"assets.archived = {int(view == 'archived')}")
        if stage is not None:
            conditions.append("assets.stage = ?")
            parameters.append(stage)
        sql = f"{_SELECT} WHERE {' AND '.join(conditions)} ORDER BY assets.sequence DESC LIMIT ?"
        rows = self._database.read(sql, (*parameters, -1 if max_results is None else max_results))
        if not rows and not self.knows(kind, name):
            raise self._not_found(kind, name, None)
        return [_asset(row) for row in rows]

    def all(self) -> Assets:
        """Every version of every kind, oldest first: for what looks after the whole workspace."""
        return [_asset(row) for row in self._database.read(f"{_SELECT} ORDER BY assets.sequence")]

    def update(self, asset: Asset, changes: dict[str, Any], *, modified_at: float) -> Asset:
        """Change description, tags, properties or stage of a version. Raises NotFoundError."""
        with self._database.write() as connection:
            row = _find(connection, asset.kind, asset.name, asset.version)
            if row is None:
                raise self._not_found(asset.kind, asset.name, asset.version)
            _update(connection, _asset(row), changes, modified_at)
        return self.get(asset.kind, asset.name, asset.version)

    def set_archived(self, kind: str, name: str, version: str | None, *, archived: bool) -> None:
        """Hide a version, or with None the whole name, from lists and from `latest`; or show it again.

        Raises NotFoundError.
        """
        with self._database.write() as connection:
            where, parameters = "kind = ? AND name = ?", [kind, name]
            if version is not None:
                where, parameters = f"{where} AND version = ?", [*parameters, version]
            sql = f"UPDATE assets SET archived = ? WHERE {where}"
            if connection.execute(sql, (int(archived), *parameters)).rowcount == 0:
                raise self._not_found(kind, name, version)
            # a name is archived when all of its versions are
            active = "EXISTS (SELECT 1 FROM assets WHERE kind = ? AND name = ? AND archived = 0)"
            connection.execute(
                f"UPDATE asset_names SET archived = NOT {active} WHERE kind = ? AND name = ?", (kind, name, kind, name)
            )

    def names(self, kind: str, prefix: str = "", limit: int = 50) -> list[str]:
        """Names that begin with `prefix`, alphabetically."""
        where = "kind = ? AND name >= ? AND name < ? AND anonymous = 0"
        sql = f"SELECT name FROM asset_names WHERE {where} ORDER BY name LIMIT ?"
        return [row["name"] for row in self._database.read(sql, (kind, prefix, prefix + "\U0010ffff", limit))]

    def contents(self) -> set[str]:
        """The digests of all files that assets hold."""
        sql = "SELECT DISTINCT content FROM assets WHERE content IS NOT NULL"
        return {row["content"] for row in self._database.read(sql)}

    def _labelled(self, kind: str, name: str, label: str) -> str:
        if label == LATEST:
            sql = (
                "SELECT version FROM assets WHERE kind = ? AND name = ? AND archived = 0 ORDER BY sequence DESC LIMIT 1"
            )
            rows = self._database.read(sql, (kind, name))
        else:
            sql = "SELECT version FROM asset_labels WHERE kind = ? AND name = ? AND label = ?"
            rows = self._database.read(sql, (kind, name, label))
        if rows:
            return str(rows[0]["version"])
        if not self.knows(kind, name):
            raise self._not_found(kind, name, None)
        if label == LATEST:
            raise NotFoundError(
                f"every version of {kind} '{name}' is archived",
                hint=f"mlctl {kind} restore -n {name} shows them again; a version can be named all the same",
            )
        known = ", ".join([LATEST, *self.labels(kind, name)])
        raise NotFoundError(f"{kind} '{name}' has no label '{label}'", hint=f"its labels: {known}")

    def knows(self, kind: str, name: str) -> bool:
        """Whether there is a name, archived or not."""
        return bool(self._database.read("SELECT 1 FROM asset_names WHERE kind = ? AND name = ?", (kind, name)))

    def _open_name(self, connection: sqlite3.Connection, asset: Asset) -> int:
        """The number that the next version gets; the name is made when it is new, and shown again when archived."""
        sql = "INSERT OR IGNORE INTO asset_names (kind, name, anonymous, created_at) VALUES (?, ?, ?, ?)"
        connection.execute(sql, (asset.kind, asset.name, int(asset.anonymous), asset.created_at))
        sql = "UPDATE asset_names SET archived = 0 WHERE kind = ? AND name = ?"
        connection.execute(sql, (asset.kind, asset.name))
        sql = "SELECT next_version FROM asset_names WHERE kind = ? AND name = ?"
        return int(connection.execute(sql, (asset.kind, asset.name)).fetchone()[0])

    def _not_found(self, kind: str, name: str, version: str | None) -> NotFoundError:
        details = {"kind": kind, "name": name, "version": version}
        if version is not None and self.knows(kind, name):
            versions = [found.version for found in self.list_versions(kind, name, view="all", max_results=5)]
            hint = f"its newest versions: {', '.join(versions)}" if versions else "all its versions were removed"
            return NotFoundError(f"{kind} '{name}' has no version '{version}'", hint=hint, details=details)
        otherwise = f"'mlctl {kind} list' shows what this workspace has"
        hint = did_you_mean(name, self.names(kind, limit=1000), otherwise=otherwise)
        return NotFoundError(f"no {kind} named '{name}'", hint=hint, details=details)


def _find(connection: sqlite3.Connection, kind: str, name: str, version: str) -> Row | None:
    sql = f"{_SELECT} WHERE assets.kind = ? AND assets.name = ? AND assets.version = ?"
    row: Row | None = connection.execute(sql, (kind, name, version)).fetchone()
    return row


def _check_removed(connection: sqlite3.Connection, wanted: Asset) -> None:
    """Raises ConflictError when the version was removed, and had other content."""
    sql = "SELECT fingerprint FROM removed_versions WHERE kind = ? AND name = ? AND version = ?"
    row = connection.execute(sql, (wanted.kind, wanted.name, wanted.version)).fetchone()
    if row is not None and row["fingerprint"] != wanted.fingerprint:
        raise ConflictError(
            f"{wanted.kind} '{wanted.name}' version '{wanted.version}' was removed by gc, and had other content",
            hint="a version never changes; leave the version out to get the next one, or take another",
            details={"name": wanted.name, "version": wanted.version},
        )


def _insert(connection: sqlite3.Connection, asset: Asset) -> None:
    marks = ", ".join("?" * len(_COLUMNS))
    values = [_encode(column, getattr(asset, column)) for column in _COLUMNS]
    connection.execute(f"INSERT INTO assets ({', '.join(_COLUMNS)}) VALUES ({marks})", values)


def _given(asset: Asset) -> dict[str, Any]:
    """What a repeated create changes: the fields it gives a value to."""
    return {field: value for field in _UPDATABLE if (value := getattr(asset, field))}


def _update(connection: sqlite3.Connection, asset: Asset, changes: dict[str, Any], modified_at: float) -> None:
    changed = {field: value for field, value in changes.items() if value != getattr(asset, field)}
    if not changed:
        return
    settings = ", ".join(f"{field} = ?" for field in changed)
    values = [_encode(field, value) for field, value in changed.items()]
    sql = f"UPDATE assets SET {settings}, modified_at = ? WHERE sequence = ?"
    connection.execute(sql, (*values, modified_at, asset.sequence))


def _with_version(link: Link, asset: Asset) -> Link:
    def named(node: Any) -> Any:
        is_new = (node.kind, node.name, node.version) == (asset.kind, asset.name, "")
        return replace(node, version=asset.version) if is_new else node

    return replace(link, upstream=named(link.upstream), downstream=named(link.downstream))


def version_conflict(known: Asset, wanted: Asset) -> ConflictError:
    """The error for a version that is there with other content; `details["differences"]` says what differs."""
    changed = differences(known, wanted)
    told = "; ".join(f"{key} is {_short(old)}, not {_short(new)}" for key, (old, new) in changed.items())
    return ConflictError(
        f"{known.kind} '{known.name}' version '{known.version}' exists with other content: {told}",
        hint="a version never changes; leave the version out to get the next one, or take another",
        details={
            "name": known.name,
            "version": known.version,
            "differences": {key: {"existing": old, "given": new} for key, (old, new) in changed.items()},
        },
    )


def _short(value: Any) -> str:
    text = value if isinstance(value, str) else to_json(value)
    return f"{text[:60]}…" if len(text) > 60 else text


def _encode(column: str, value: Any) -> Any:
    if column in _JSON:
        return to_json(value)
    return int(value) if column == "archived" else value


def _asset(row: Row) -> Asset:
    values = {column: row[column] for column in (*_COLUMNS, "sequence")}
    for column in _JSON:
        values[column] = from_json(values[column])
    return Asset(**{**values, "archived": bool(values["archived"]), "anonymous": bool(row["anonymous"])})


def _asset_name(row: Row) -> AssetName:
    return AssetName(
        row["kind"], row["name"], row["latest"], str(row["next_version"]), bool(row["archived"]), row["created_at"]
    )
