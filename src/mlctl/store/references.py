"""What the records of a workspace refer to.

Content is kept when any record mentions it: each 64 hexadecimal digits in any text of any table count. Some of them
name something else, which then keeps nothing. So a new table, or a new field of a document, cannot be forgotten here,
and what is removed was named by nobody.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Any

from mlctl.entities.lineage import JOB, Node
from mlctl.store.database import Database
from mlctl.store.rows import from_json, to_json

_DIGEST = re.compile(r"[0-9a-f]{64}")
_JOB = re.compile(r"jobs/([A-Za-z0-9][A-Za-z0-9_.-]*)/")


def mentioned_digests(database: Database) -> set[str]:
    """Every digest that any record mentions."""
    found: set[str] = set()
    for text in _texts(database):
        found.update(_DIGEST.findall(text))
    return found


def texts_with(database: Database, mark: str) -> Iterator[Any]:
    """Every text of any record that holds a mark; one that is JSON as its value."""
    escaped = to_json(mark).strip('"')
    for text in _texts(database):
        if mark in text or escaped in text:
            try:
                yield from_json(text)
            except ValueError:
                yield text


def existing_nodes(database: Database) -> set[str]:
    """The texts of the nodes (entities/lineage.py) of all assets and jobs."""
    assets = database.each("SELECT kind, name, version FROM assets")
    jobs = database.each("SELECT name FROM jobs")
    return {Node(*row).text for row in assets} | {Node(JOB, row["name"]).text for row in jobs}


def code_of_jobs(database: Database) -> Iterator[tuple[str, str | None]]:
    """Each job, and the digest of its code, None when it has none."""
    for row in database.each("SELECT name, plan FROM jobs JOIN plans ON plans.job = jobs.sequence"):
        yield row["name"], from_json(row["plan"]).get("code_digest")


def jobs_mentioned_by_jobs(database: Database) -> Iterator[tuple[str, set[str]]]:
    """Each job, and the other jobs whose folders or outputs its plan mentions."""
    sql = "SELECT name, plan FROM jobs JOIN plans ON plans.job = jobs.sequence"
    for row in database.each(sql):
        yield row["name"], set(_JOB.findall(row["plan"])) - {row["name"]}


def _texts(database: Database) -> Iterator[str]:
    tables = [row["name"] for row in database.read("SELECT name FROM sqlite_master WHERE type = 'table'")]
    for table in tables:
        columns = [row["name"] for row in database.read(f'PRAGMA table_info("{table}")') if row["type"] == "TEXT"]
        if columns:
            for row in database.each(f'SELECT {", ".join(columns)} FROM "{table}"'):
                yield from (value for value in row if isinstance(value, str))
