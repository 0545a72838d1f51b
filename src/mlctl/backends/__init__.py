"""Where things run. A back end is a module with `connect`; its name and its place are in the table below.

A name that is not in the table is looked up among the entry points of the group `mlctl.backends`.
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, NamedTuple

from mlctl.errors import NotFoundError

if TYPE_CHECKING:
    from mlctl.backends.base import Backend
    from mlctl.settings import Settings
    from mlctl.store.workspaces import WorkspaceStore


class KnownBackend(NamedTuple):
    """Module that has `connect(settings, store) -> Backend`, and the install extra it needs (empty for none)."""

    module: str
    extra: str


KNOWN: dict[str, KnownBackend] = {
    "docker": KnownBackend("mlctl.backends.docker", "docker"),
    "local": KnownBackend("mlctl.backends.local", ""),
}


def connect(name: str, settings: Settings, store: WorkspaceStore) -> Backend:
    """The back end called `name`, bound to a workspace. Does not reach out to any service.

    Raises NotFoundError for an unknown name.
    """
    known = KNOWN.get(name)
    module = import_module(known.module) if known else _from_entry_points(name)
    backend: Backend = module.connect(settings, store)
    return backend


def _from_entry_points(name: str):  # type: ignore[no-untyped-def]  # a plug-in's module; its shape is the contract
    from importlib.metadata import entry_points

    for entry in entry_points(group="mlctl.backends", name=name):
        return entry.load()
    names = ", ".join(sorted(KNOWN))
    raise NotFoundError(f"no back end named {name!r}", hint=f"back ends: {names}")
