"""`mlctl gc`: removes what nothing refers to, and only when asked for it archived things and caches.

Content is found by reachability (store/sweep.py). While something is removed nobody can add (store/guard.py), so a job
or an asset that is being created keeps its files.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable, Iterator
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

from mlctl.entities.job import STATUSES, TERMINAL_STATUSES
from mlctl.entities.lineage import Node
from mlctl.environments.builder import cached_environments, remove_environment
from mlctl.errors import MlctlError
from mlctl.store.downloads import HttpCache
from mlctl.store.retention import archived, remove_records
from mlctl.store.shelves import translated
from mlctl.store.sweep import CONTENT, LEFTOVER, STAMPS, Rubbish, find_rubbish, folder_size, remove_rubbish
from mlctl.store.workspaces import WorkspaceStore

CACHE_AGE = 30 * 86400.0
"""Seconds for which a download or an environment that nobody uses stays, when nothing else was said."""

_WHY = {CONTENT: "nothing refers to it", LEFTOVER: "left by a process that was killed", STAMPS: "its source is gone"}
_GROUPED = (CONTENT, LEFTOVER, STAMPS)


@dataclass(frozen=True, slots=True)
class Rules:
    """What may go besides what nothing refers to. `older_than`: seconds since it was made, ended or last used.

    `archived`: archived assets and jobs. `keep_last`: so many of the newest of these stay, of each name. `caches`:
    downloads and environments of this machine.
    """

    archived: bool = False
    caches: bool = False
    older_than: float | None = None
    keep_last: int = 0


@dataclass(frozen=True, slots=True)
class Finding:
    """One thing, or several of one kind. `removed`: whether it goes; else `reason` says why it stays."""

    kind: str
    name: str
    count: int
    bytes: int
    reason: str
    removed: bool = True


def plan_cleaning(store: WorkspaceStore, stores: Iterable[WorkspaceStore], cache: Path, rules: Rules) -> list[Finding]:
    """What `clean` would remove, and what of the archived things would stay. Changes nothing.

    `stores`: all workspaces that share the cache.
    """
    records: list[Finding] = []
    if rules.archived:
        candidates = archived(store.database, before=_before(store, rules, 0.0), keep_last=rules.keep_last)
        records = _records(candidates.removable, candidates.held)
        # tried out: what goes with the records is seen by what refers to it afterwards
        with suppress(_Undone), store.database.write() as connection:
            remove_records(connection, candidates.removable)
            rubbish = find_rubbish(store)
            raise _Undone
    else:
        rubbish = find_rubbish(store)
    caches = (
        [finding for finding, _ in _caches(stores, cache, _before(store, rules, CACHE_AGE))] if rules.caches else []
    )
    return [*records, *_rubbish(rubbish), *caches]


def clean(
    store: WorkspaceStore,
    stores: Iterable[WorkspaceStore],
    cache: Path,
    rules: Rules,
    *,
    waiting: Callable[[], None] | None = None,
) -> list[Finding]:
    """Remove it; returns what was removed, and what of the archived things stays.

    Killed at any moment, it harms nothing. `waiting` is called once when others are adding. Raises UnavailableError
    when they go on for too long.
    """
    records: list[Finding] = []
    with translated(store.folder), store.content.guard.alone(waiting=waiting):
        if rules.archived:
            candidates = archived(store.database, before=_before(store, rules, 0.0), keep_last=rules.keep_last)
            with store.database.write() as connection:
                removed = remove_records(connection, candidates.removable)
            records = _records(removed, candidates.held)
        # a removal that a power cut takes back must not find its content gone
        store.database.bring_to_disk()
        rubbish = find_rubbish(store)
        remove_rubbish(store, rubbish)
    findings = [*records, *_rubbish(rubbish)]
    if rules.caches:
        for finding, remove in _caches(stores, cache, _before(store, rules, CACHE_AGE)):
            with translated(cache):
                remove()
            findings.append(finding)
    return findings


class _Undone(Exception):  # noqa: N818  # no error: the way to leave a transaction without a trace
    pass


def _before(store: WorkspaceStore, rules: Rules, default: float) -> float:
    age = default if rules.older_than is None else rules.older_than
    return store.clock.now() - age if age else math.inf


def _records(removable: Iterable[Node], held: dict[Node, str]) -> list[Finding]:
    return [
        *(Finding(node.kind, _name(node), 1, 0, "archived") for node in removable),
        *(Finding(node.kind, _name(node), 1, 0, f"held by {holder}", removed=False) for node, holder in held.items()),
    ]


def _rubbish(rubbish: list[Rubbish]) -> list[Finding]:
    findings = [
        Finding(thing.kind, thing.path.name, 1, thing.size, "nothing refers to it")
        for thing in rubbish
        if thing.kind not in _GROUPED
    ]
    for kind in _GROUPED:
        sizes = [thing.size for thing in rubbish if thing.kind == kind]
        if sizes:
            findings.append(
                Finding(kind, f"{len(sizes)} file{'s' * (len(sizes) > 1)}", len(sizes), sum(sizes), _WHY[kind])
            )
    return findings


def _caches(
    stores: Iterable[WorkspaceStore], cache: Path, before: float
) -> Iterator[tuple[Finding, Callable[[], None]]]:
    """What was not used since then, each with its removal. What a job that has not ended uses is in use."""
    used = list(_used_by_jobs(stores))
    downloads = HttpCache(cache / "downloads")
    for file in downloads.cached():
        if file.last_used < before and not any(file.key in text for text in used):
            finding = Finding("download", file.address, 1, file.size, "not used lately")
            yield finding, lambda key=file.key: downloads.remove(key)  # type: ignore[misc]
    for environment in cached_environments(cache):
        folder = environment.folder
        if environment.last_used < before and not any(folder.name in text for text in used):
            finding = Finding("environment", folder.name, 1, folder_size(folder), "not used lately")
            yield finding, lambda folder=folder: remove_environment(folder)  # type: ignore[misc]


def _used_by_jobs(stores: Iterable[WorkspaceStore]) -> Iterator[str]:
    """Texts that name what jobs which have not ended use of the cache."""
    for store in stores:
        with suppress(MlctlError):  # a workspace that cannot be read runs no jobs either
            for job in store.jobs.list(view="all", statuses=frozenset(STATUSES) - TERMINAL_STATUSES):
                folder = store.job_folder(job.name)
                for place in folder.glob("environment/lib/*/site-packages/_mlctl_base.pth"):
                    yield place.read_text(encoding="utf-8", errors="replace")
                yield from (str(place.resolve()) for place in folder.glob("inputs/*") if place.is_symlink())


def _name(node: Node) -> str:
    return node.name if node.version is None else f"{node.name}:{node.version}"
