"""`mlctl gc`: removes what nothing refers to, and only when asked for it archived things and caches.

Content is found by reachability (store/sweep.py). While something is removed nobody can add (store/guard.py), so a job
or an asset that is being created keeps its files.
"""

from __future__ import annotations

import json
import math
from collections.abc import Callable, Iterable, Iterator
from contextlib import suppress
from dataclasses import dataclass
from functools import partial
from pathlib import Path

from mlctl.entities.hidden import HIDDEN
from mlctl.entities.job import STATUSES, TERMINAL_STATUSES
from mlctl.entities.lineage import Node
from mlctl.environments.builder import cached_environments, remove_environment
from mlctl.store.downloads import HttpCache
from mlctl.store.references import texts_with
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
    downloads, copies from datastores and environments of this machine.
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
            rubbish, secrets = find_rubbish(store), _unused_secrets(store)
            raise _Undone
    else:
        rubbish, secrets = find_rubbish(store), _unused_secrets(store)
    caches = (
        [finding for finding, _ in _caches(stores, cache, _before(store, rules, CACHE_AGE))] if rules.caches else []
    )
    return [*records, *_rubbish(rubbish), *_secrets(secrets), *caches]


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
        secrets = _unused_secrets(store)
        for name in secrets:
            store.secrets.remove(name)
    findings = [*records, *_rubbish(rubbish), *_secrets(secrets)]
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


def _unused_secrets(store: WorkspaceStore) -> list[str]:
    """Signatures and passwords of texts that no record and no deployment has any more."""
    from mlctl.storage.hidden_texts import secrets_of, unused_secrets

    used = secrets_of(list(texts_with(store.database, HIDDEN)))
    for launch in (store.folder / "endpoints").glob("*/deployments/*/*/launch.json"):
        used |= secrets_of(json.loads(launch.read_bytes()))
    return unused_secrets(store.secrets, used)


def _secrets(names: list[str]) -> list[Finding]:
    count = len(names)
    return [Finding("secret", f"{count} text{'s' * (count > 1)}", count, 0, _WHY[CONTENT])] if names else []


def _caches(
    stores: Iterable[WorkspaceStore], cache: Path, before: float
) -> Iterator[tuple[Finding, Callable[[], None]]]:
    """What was not used since then, each with its removal. What a job that has not ended may use stays."""
    from mlctl.storage.fetching import cached_copies, remove_copy

    # whatever a job uses it took up after it was created
    not_ended = frozenset(STATUSES) - TERMINAL_STATUSES
    before = min(
        [before, *(job.created_at for store in stores for job in store.jobs.list(view="all", statuses=not_ended))]
    )
    why = "not used lately"
    downloads = HttpCache(cache / "downloads")
    for file in downloads.cached():
        if file.last_used < before:
            yield Finding("download", file.address, 1, file.size, why), partial(downloads.remove, file.key)
    for copy in cached_copies(cache):
        if copy.last_used < before:
            size = folder_size(copy.folder)
            yield Finding("datastore copy", copy.folder.name, 1, size, why), partial(remove_copy, copy.folder)
    for environment in cached_environments(cache):
        folder = environment.folder
        if environment.last_used < before:
            yield Finding("environment", folder.name, 1, folder_size(folder), why), partial(remove_environment, folder)


def _name(node: Node) -> str:
    return node.name if node.version is None else f"{node.name}:{node.version}"
