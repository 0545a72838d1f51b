"""One resolver for whatever names an asset: a job's inputs, a model's path, a deployment's model, an environment."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Protocol

from mlctl.entities.asset import AREAS, Asset
from mlctl.errors import NotFoundError, UsageError
from mlctl.spec.references import ASSET, Reference, parse
from mlctl.store.workspaces import WorkspaceStore


class AssetSource(Protocol):
    """Where assets are looked up: the tables of a workspace, or a shared registry."""

    def resolve(self, kind: str, name: str, *, version: str | None = None, label: str | None = None) -> Asset:
        """The version that is meant. Raises NotFoundError."""


@dataclass(frozen=True, slots=True)
class Resolver:
    """Resolves references in one workspace. `registry` opens a shared registry by name; None when there is none."""

    store: WorkspaceStore
    registry: Callable[[str], AssetSource | None] = lambda _name: None

    def find(self, text: str, kind: str) -> Asset | None:
        """The asset that `text` names; None for text that names none (a path, an address, a registry not known here).

        Raises NotFoundError when there is no such asset, UsageError for a reference to another kind of asset.
        """
        reference = parse(text)
        if reference.kind != ASSET:
            return None
        _check_kind(reference, kind)
        source: AssetSource | None = self.store.assets
        if reference.registry is not None:
            source = self.registry(reference.registry)
        elif reference.workspace not in (None, self.store.name):
            raise NotFoundError(
                f"'{text}' is in workspace '{reference.workspace}', not in '{self.store.name}'",
                hint=f"share it through a registry: mlctl {kind} share --help",
            )
        if source is None:
            return None
        return source.resolve(kind, reference.name or "", version=reference.version, label=reference.label)

    def get(self, text: str, kind: str) -> Asset:
        """As `find`; raises NotFoundError for text that names no asset."""
        found = self.find(text, kind)
        registry = parse(text).registry
        if found is None and registry is not None:
            raise NotFoundError(
                f"'{text}': no registry named '{registry}' is known here",
                hint=f"mlctl registry create -n {registry} --path FOLDER_OR_URL makes it known",
            )
        if found is None:
            raise NotFoundError(f"'{text}' names no {kind} that this workspace knows", hint="azureml:<name>:<version>")
        return found


def _check_kind(reference: Reference, kind: str) -> None:
    if reference.asset_type is None or reference.asset_type in (AREAS[kind], kind):
        return
    if kind == "data" and reference.asset_type == "datasets":
        return
    raise UsageError(f"'{reference.text}' names {reference.asset_type}, not {AREAS[kind]}")
