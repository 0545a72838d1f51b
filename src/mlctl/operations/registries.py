"""Registries: how one is shown, and what references to its assets mean."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from mlctl.entities.asset import AREAS, Asset
from mlctl.entities.clock import Clock, iso_time
from mlctl.entities.registry import Registry
from mlctl.errors import MlctlError, UsageError
from mlctl.registry.copying import fetch
from mlctl.registry.known import OpenRegistry, Registries
from mlctl.settings import Settings
from mlctl.spec.references import ASSET, Reference
from mlctl.store.workspaces import WorkspaceStore

UPDATABLE = ("description", "display_name", "tags")
"""Fields that `registry update` may change."""

_KINDS = {**{area: kind for kind, area in AREAS.items()}, "datasets": "data"}


@dataclass(frozen=True, slots=True)
class RegistrySource:
    """Assets of a registry with their files brought into a workspace: what a resolver asks."""

    registry: OpenRegistry
    store: WorkspaceStore

    def resolve(self, kind: str, name: str, *, version: str | None = None, label: str | None = None) -> Asset:
        """The version that is meant; its path is in the workspace. Raises NotFoundError, UnavailableError."""
        return fetch(self.registry.assets.resolve(kind, name, version=version, label=label), self.registry, self.store)


def registries_of(settings: Settings, clock: Clock | None = None) -> Registries:
    """The registries that this user knows."""
    return Registries(settings.home, clock or Clock())


def open_registry(settings: Settings, name: str) -> OpenRegistry:
    """A registry by its name: `assets` is its table, `content` its files. Raises NotFoundError."""
    return registries_of(settings).open(name)


def registry_sources(settings: Settings, store: WorkspaceStore) -> Callable[[str], RegistrySource | None]:
    """How a resolver opens registries; one that is not known here is None: `azureml` has curated environments."""
    known = registries_of(settings)

    def open_source(name: str) -> RegistrySource | None:
        return RegistrySource(known.open(name), store) if known.knows(name) else None

    return open_source


def find(settings: Settings, reference: Reference) -> tuple[Asset, OpenRegistry]:
    """The asset that azureml://registries/… names, and its registry, which has the files.

    Raises NotFoundError for an unknown registry, name, version or label, UsageError for another reference.
    """
    if reference.kind != ASSET or reference.registry is None or reference.asset_type not in _KINDS:
        raise UsageError(
            f"'{reference.text}' names no asset of a registry",
            hint="azureml://registries/<registry>/models|data|environments|components/<name>/versions/<version>",
        )
    registry = open_registry(settings, reference.registry)
    kind, name = _KINDS[reference.asset_type], reference.name or ""
    return registry.assets.resolve(kind, name, version=reference.version, label=reference.label), registry


def describe(registry: Registry, settings: Settings) -> dict[str, Any]:
    """A registry in the words of `az ml registry show`, with `path` in place of Azure's resource ids."""
    return {
        "name": registry.name,
        "display_name": registry.display_name or registry.name,
        "description": registry.description or "",
        "tags": registry.tags,
        "location": "local",
        "replication_locations": [],
        "public_network_access": None,
        "resource_group": settings.text("defaults.group"),
        "path": registry.path,
        "creation_context": {"created_at": iso_time(registry.created_at or None)},
    }


def describe_shared(asset: Asset, registry: OpenRegistry) -> dict[str, Any]:
    """One version in a registry, in the words of `az ml … show --registry-name`."""
    from mlctl.operations.assets import describe_asset

    labels = registry.assets.labels(asset.kind, asset.name)
    return describe_asset(asset, asset.reference, [label for label in labels if labels[label] == asset.version])


def describe_known(registries: Registries, settings: Settings) -> list[dict[str, Any]]:
    """All registries that are known; of one that cannot be reached now, `state_reason` says why."""
    shown = []
    for name in registries.names():
        try:
            facts = registries.get(name)
        except MlctlError as error:
            facts = Registry(name, registries.path(name))
            shown.append({**describe(facts, settings), "state": "Unavailable", "state_reason": error.message})
        else:
            shown.append({**describe(facts, settings), "state": "Available"})
    return shown
