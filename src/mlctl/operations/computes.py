"""Computes: how one is made and changed, and how it is shown."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import replace
from typing import Any

from mlctl.backends.base import Backend
from mlctl.entities.clock import Clock, iso_time
from mlctl.entities.compute import Compute
from mlctl.entities.job import NOT_STARTED, QUEUED
from mlctl.errors import UsageError
from mlctl.store.workspaces import WorkspaceStore

UPDATABLE = ("description", "tags", "max_concurrent", "host")
"""Fields that `compute update` may change."""


def create(store: WorkspaceStore, clock: Clock, wanted: Compute) -> Compute:
    """Add a checked compute to the workspace, or change the one of that name, as az does.

    Raises UsageError for fields that do not fit the type, ConflictError for `local` as something else.
    """
    check_fields(wanted)
    known = store.computes.find(wanted.name)
    compute = replace(wanted, created_at=(known.created_at if known else 0.0) or clock.now())
    store.computes.put(compute)
    return compute


def check_fields(compute: Compute) -> None:
    """Raise UsageError for fields that do not fit each other or the type."""
    if compute.max_concurrent is not None and compute.max_concurrent < 1:
        raise UsageError(f"max_concurrent is {compute.max_concurrent}", hint="at least 1; leave it out for no limit")
    if compute.settings.get("host") and compute.type != "docker":
        raise UsageError(f"compute {compute.name!r} has type {compute.type}, which has no host", hint="--type docker")


def update(store: WorkspaceStore, name: str, changes: Mapping[str, Any], connect: Callable[[str], Backend]) -> Compute:
    """Change a compute; `changes` maps names from `UPDATABLE` to values. A higher limit takes effect at once.

    Raises NotFoundError and as `create`.
    """
    before = store.computes.get(name)
    fields = {key: value for key, value in changes.items() if key != "host"}
    fields["max_concurrent"] = _limit(fields.get("max_concurrent", before.max_concurrent))
    settings = dict(before.settings)
    if "host" in changes:
        settings.pop("host", None)
        settings.update({"host": changes["host"]} if changes["host"] else {})
    after = replace(before, settings=settings, **fields)
    check_fields(after)
    store.computes.put(after)
    if name in store.jobs.queued_computes():
        connect(after.backend).jobs.look_after()
    return after


def describe(store: WorkspaceStore, compute: Compute) -> dict[str, Any]:
    """A compute in the words of `az ml compute show`, with what runs and waits on it."""
    return {
        "name": compute.name,
        "type": compute.type,
        "backend": compute.backend,
        "description": compute.description or "",
        "tags": compute.tags,
        "max_concurrent": compute.max_concurrent,
        "provisioning_state": compute.provisioning_state,
        "state": compute.provisioning_state,
        "running_jobs": sum(record.status != NOT_STARTED for record, _ in store.jobs.held(compute.name)),
        "queued_jobs": len(store.jobs.list(max_results=None, statuses=(QUEUED,), compute=compute.name, view="all")),
        "creation_context": {"created_at": iso_time(compute.created_at or None)},
        **compute.settings,
    }


def describe_with_health(store: WorkspaceStore, compute: Compute, connect: Callable[[str], Backend]) -> dict[str, Any]:
    """As `describe`; `state` says whether the back end can be used now, `state_reason` why not."""
    health = connect(compute.backend).health(compute)
    shown = describe(store, compute)
    shown["state"] = "Available" if health.ok else "Unavailable"
    if not health.ok:
        shown["state_reason"] = f"{health.reason}; {health.hint}" if health.hint else health.reason
    return shown


def _limit(value: Any) -> int | None:
    if value in (None, ""):
        return None
    try:
        return int(value)
    except (TypeError, ValueError):
        raise UsageError(f"max_concurrent is {value!r}", hint="a whole number, or empty for no limit") from None
