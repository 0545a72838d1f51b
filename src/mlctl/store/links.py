"""The lineage of a workspace: links between what was used and what was made."""

from __future__ import annotations

import sqlite3
from collections.abc import Iterable

from mlctl.entities.lineage import Link, Node, node_from_text
from mlctl.store.database import Database

_ROW = "INSERT OR IGNORE INTO links (downstream, upstream, role) VALUES (?, ?, ?)"


class LinkTable:
    """Links of one workspace. Every method raises the errors of `Database`."""

    def __init__(self, database: Database) -> None:
        self._database = database

    def add(self, links: Iterable[Link]) -> None:
        """Keep the links; one that is there already stays."""
        with self._database.write() as connection:
            insert_links(connection, links)

    def upstream(self, node: Node) -> list[Link]:
        """What the node was made from, by role."""
        sql = "SELECT * FROM links WHERE downstream = ? ORDER BY role, upstream"
        return [_link(row) for row in self._database.read(sql, (node.text,))]

    def downstream(self, node: Node) -> list[Link]:
        """What was made with the node."""
        sql = "SELECT * FROM links WHERE upstream = ? ORDER BY downstream, role"
        return [_link(row) for row in self._database.read(sql, (node.text,))]


def insert_links(connection: sqlite3.Connection, links: Iterable[Link]) -> None:
    """Write links as a part of a transaction."""
    connection.executemany(_ROW, [(link.downstream.text, link.upstream.text, link.role) for link in links])


def _link(row: sqlite3.Row) -> Link:
    return Link(node_from_text(row["upstream"]), node_from_text(row["downstream"]), row["role"])
