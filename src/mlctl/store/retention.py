"""Which archived assets and jobs may go, and their removal.

What is not archived stays, and so does what something that stays was made with: lineage is never cut.
"""

from __future__ import annotations

import sqlite3
from collections.abc import Iterable
from dataclasses import dataclass

from mlctl.entities.asset import ASSET_KINDS
from mlctl.entities.job import TERMINAL_STATUSES
from mlctl.entities.lineage import JOB, Node
from mlctl.store.database import Database
from mlctl.store.references import existing_nodes, jobs_mentioned_by_jobs

_ASSETS = "SELECT kind, name, version, created_at FROM assets WHERE archived = 1 ORDER BY kind, name, sequence DESC"
_JOBS = (
    "SELECT name, status, coalesce(ended_at, created_at) AS ended FROM jobs WHERE archived = 1 ORDER BY sequence DESC"
)
_LABELS = (
    "SELECT kind, name, version, label FROM asset_labels WHERE EXISTS (SELECT 1 FROM assets WHERE assets.archived = 1 "
    "AND assets.kind = asset_labels.kind AND assets.name = asset_labels.name AND assets.version = asset_labels.version)"
)


@dataclass(frozen=True, slots=True)
class Archived:
    """Archived things: those that may go, and those that stay with what holds them."""

    removable: tuple[Node, ...]
    held: dict[Node, str]


def archived(database: Database, *, before: float, keep_last: int = 0) -> Archived:
    """The archived assets and ended jobs from before a moment (seconds since the epoch), newest first.

    `keep_last`: so many of the newest archived versions of each name, and of the newest archived jobs, stay.
    """
    candidates = dict.fromkeys([*_old_assets(database, before, keep_last), *_old_jobs(database, before, keep_last)])
    held: dict[Node, str] = {}
    holders = _holders(database, set(candidates))
    changed = True
    while changed:
        # what is held holds what it was made with, and so on
        changed = False
        for node in list(candidates):
            holder = next((holder for holder in holders.get(node, ()) if holder not in candidates), None)
            if holder is not None:
                del candidates[node]
                held[node] = holder.text if isinstance(holder, Node) else holder
                changed = True
    return Archived(tuple(candidates), held)


def remove_records(connection: sqlite3.Connection, nodes: Iterable[Node]) -> list[Node]:
    """Remove, as a part of a transaction, the rows of archived assets and jobs with what belongs to them.

    Returns what was removed: what is not archived any more stays.
    """
    removed = []
    for node in nodes:
        if _remove_job(connection, node) if node.kind == JOB else _remove_asset(connection, node):
            removed.append(node)
            connection.execute("DELETE FROM links WHERE downstream = ?", (node.text,))
    return removed


def _old_assets(database: Database, before: float, keep_last: int) -> list[Node]:
    found: list[Node] = []
    seen: dict[tuple[str, str], int] = {}
    for row in database.read(_ASSETS):
        key = (row["kind"], row["name"])
        seen[key] = seen.get(key, 0) + 1
        if seen[key] > keep_last and row["created_at"] < before:
            found.append(Node(row["kind"], row["name"], row["version"]))
    return found


def _old_jobs(database: Database, before: float, keep_last: int) -> list[Node]:
    rows = [row for row in database.read(_JOBS) if row["status"] in TERMINAL_STATUSES]
    return [Node(JOB, row["name"]) for row in rows[keep_last:] if row["ended"] < before]


def _holders(database: Database, candidates: set[Node]) -> dict[Node, list[Node | str]]:
    """For each candidate, what refers to it: things by their node, labels as text."""
    by_text = {node.text: node for node in candidates}
    holders: dict[Node, list[Node | str]] = {}

    def hold(text: str, holder: Node | str) -> None:
        if text in by_text:
            holders.setdefault(by_text[text], []).append(holder)

    existing = existing_nodes(database)
    for row in database.each("SELECT downstream, upstream FROM links"):
        kind = row["downstream"].partition("/")[0]
        if row["upstream"] in by_text and (kind not in (*ASSET_KINDS, JOB) or row["downstream"] in existing):
            hold(row["upstream"], by_text.get(row["downstream"], row["downstream"]))
    for row in database.read(_LABELS):
        hold(Node(row["kind"], row["name"], row["version"]).text, f"label {row['label']}")
    for row in database.each("SELECT name, parent_job_name FROM jobs WHERE parent_job_name IS NOT NULL"):
        # the jobs of one pipeline stay together
        child, parent = f"{JOB}/{row['name']}", f"{JOB}/{row['parent_job_name']}"
        hold(parent, by_text.get(child, child))
        if parent in existing:
            hold(child, by_text.get(parent, parent))
    if any(node.kind == JOB for node in candidates):
        for name, mentioned in jobs_mentioned_by_jobs(database):
            for other in mentioned:
                hold(f"{JOB}/{other}", by_text.get(f"{JOB}/{name}", f"{JOB}/{name}"))
    return holders


def _remove_asset(connection: sqlite3.Connection, node: Node) -> bool:
    # the name stays, so that no number is given out twice, and the fingerprint, so that none gets other content
    which, parameters = "kind = ? AND name = ? AND version = ? AND archived = 1", (node.kind, node.name, node.version)
    sql = f"INSERT OR REPLACE INTO removed_versions SELECT kind, name, version, fingerprint FROM assets WHERE {which}"
    connection.execute(sql, parameters)
    return connection.execute(f"DELETE FROM assets WHERE {which}", parameters).rowcount > 0


def _remove_job(connection: sqlite3.Connection, node: Node) -> bool:
    marks = ", ".join(f"'{status}'" for status in sorted(TERMINAL_STATUSES))
    sql = f"DELETE FROM jobs WHERE name = ? AND archived = 1 AND status IN ({marks})"
    return connection.execute(sql, (node.name,)).rowcount > 0
