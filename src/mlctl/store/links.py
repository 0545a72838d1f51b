"""The lineage of a workspace: links between what was used and what was made."""

from __future__ import annotations

import sqlite3
from collections.abc import Iterable, Iterator, Sequence
from typing import Any

from mlctl.entities.asset import ASSET_KINDS
from mlctl.entities.lineage import JOB, Link, Node, node_from_text
from mlctl.store.database import Database, Row
from mlctl.store.rows import from_json

_AT_ONCE = 500
"""Nodes that one statement asks for."""

_ROW = "INSERT OR IGNORE INTO links (downstream, upstream, role) VALUES (?, ?, ?)"


class LinkTable:
    """Links of one workspace. Every method raises the errors of `Database`."""

    def __init__(self, database: Database) -> None:
        self._database = database

    def add(self, links: Iterable[Link]) -> None:
        """Keep the links; one that is there already stays."""
        with self._database.write() as connection:
            insert_links(connection, links)

    def upstream(self, *nodes: Node) -> list[Link]:
        """What the nodes were made from, by role."""
        sql = "SELECT * FROM links WHERE downstream IN ({}) ORDER BY role, upstream"
        return [_link(row) for row in self._about(sql, [node.text for node in nodes])]

    def downstream(self, *nodes: Node) -> list[Link]:
        """What was made with the nodes."""
        sql = "SELECT * FROM links WHERE upstream IN ({}) ORDER BY downstream, role"
        return [_link(row) for row in self._about(sql, [node.text for node in nodes])]

    def facts(self, nodes: Iterable[Node]) -> dict[Node, dict[str, Any]]:
        """What the workspace knows of jobs and assets among the nodes: their columns that lineage shows."""
        wanted = list(nodes)
        jobs = [node.name for node in wanted if node.kind == JOB]
        sql = (
            "SELECT name, status, experiment_name, display_name, created_at, created_by, properties FROM jobs "
            "WHERE name IN ({})"
        )
        found = {Node(JOB, row["name"]): _values(row) for row in self._about(sql, jobs)}
        for kind in ASSET_KINDS:
            pairs = [part for node in wanted if node.kind == kind for part in (node.name, node.version or "")]
            # a cross join keeps the order: one step in the index for each pair, however many versions there are
            sql = (
                "WITH wanted (name, version) AS (VALUES {}) "
                "SELECT name, version, type, stage, content, archived, created_at, created_by "
                f"FROM wanted CROSS JOIN assets USING (name, version) WHERE kind = '{kind}'"
            )
            rows = self._about(sql, pairs, marks="(?, ?)")
            found |= {Node(kind, row["name"], row["version"]): _values(row) for row in rows}
        return {node: found[node] for node in wanted if node in found}

    def _about(self, sql: str, values: Sequence[str], *, marks: str = "?") -> Iterator[Row]:
        """The rows for all values, which stand for the `marks` of the statement, some at once."""
        step = _AT_ONCE * marks.count("?")
        for start in range(0, len(values), step):
            some = values[start : start + step]
            wanted = ", ".join([marks] * (len(some) // marks.count("?")))
            yield from self._database.read(sql.format(wanted), some)


def insert_links(connection: sqlite3.Connection, links: Iterable[Link]) -> None:
    """Write links as a part of a transaction."""
    connection.executemany(_ROW, [(link.downstream.text, link.upstream.text, link.role) for link in links])


def _values(row: Row) -> dict[str, Any]:
    values = dict(row)
    if "properties" in values:
        values["properties"] = from_json(values["properties"])
    return values


def _link(row: sqlite3.Row) -> Link:
    return Link(node_from_text(row["upstream"]), node_from_text(row["downstream"]), row["role"])
