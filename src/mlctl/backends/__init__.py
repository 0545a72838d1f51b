"""Where things run. A back end is a module with `connect`; its name and its place are in the table below.

A name that is not in the table is looked up among the entry points of the group `mlctl.backends`.
"""

from __future__ import annotations

from importlib import import_module
from types import ModuleType
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
    backend: Backend = module_of(name).connect(settings, store)
    return backend


def module_of(name: str) -> ModuleType:
    """The module of a back end. Raises NotFoundError for an unknown name."""
    known = KNOWN.get(name)
    return import_module(known.module) if known else _from_entry_points(name)


def _from_entry_points(name: str) -> ModuleType:
    from importlib.metadata import entry_points

    for entry in entry_points(group="mlctl.backends", name=name):
        module: ModuleType = entry.load()
        return module
    names = ", ".join(sorted(KNOWN))
    raise NotFoundError(f"no back end named {name!r}", hint=f"back ends: {names}")
