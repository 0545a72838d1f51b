"""Data, models, environments and components: making, showing, changing and fetching them."""

from __future__ import annotations

import os
import shutil
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from mlctl.assets.resolver import AssetSource, Resolver
from mlctl.entities.asset import AREAS, COMPONENT, ENVIRONMENT, MODEL, Asset, AssetName
from mlctl.entities.clock import Clock, creation_context, iso_time
from mlctl.errors import ConflictError, MlctlError, UsageError
from mlctl.settings.user import current_user

if TYPE_CHECKING:
    from mlctl.assets.registration import Progress
    from mlctl.registry.known import OpenRegistry
    from mlctl.registry.table import RegistryTable
    from mlctl.store.assets import AssetTable
    from mlctl.store.workspaces import WorkspaceStore


@dataclass(frozen=True, slots=True)
class AssetDesk:
    """What operations on assets need.

    `registry`: the shared registry that they are about, in place of the workspace. `sources` opens those that
    references name; see `Resolver`.
    """

    store: WorkspaceStore
    clock: Clock
    progress: Progress | None = None
    registry: OpenRegistry | None = None
    sources: Callable[[str], AssetSource | None] = lambda _name: None

    @property
    def resolver(self) -> Resolver:
        """Resolves references in the workspace."""
        return Resolver(self.store, self.sources)

    @property
    def assets(self) -> AssetTable | RegistryTable:
        """The table: of the registry when there is one, else of the workspace."""
        return self.store.assets if self.registry is None else self.registry.assets


def create(
    desk: AssetDesk,
    kind: str,
    path: Path | None,
    *,
    overrides: Sequence[str] = (),
    fields: Mapping[str, Any] | None = None,
) -> tuple[Asset, tuple[str, ...]]:
    """Register the asset of a YAML file, of options, or of both; returns it with sentences for the user.

    Raises InvalidSpecError with every problem, ConflictError when the version exists with other content, NotFoundError
    for what a reference names, UsageError without a name.
    """
    from mlctl.assets.registration import Registrar, with_hidden_secrets
    from mlctl.operations.sharing import hidden_from_others, put
    from mlctl.spec.asset import load_asset

    spec = load_asset(kind, path, overrides=overrides, fields=fields)
    if not spec.data.get("name"):
        raise UsageError(f"{_article(kind)} needs a name", hint="add 'name: …' to the file, or give --name")
    registrar = Registrar(desk.store, desk.clock, desk.resolver, desk.progress)
    if desk.registry is None:
        asset, warnings = registrar.register(kind, spec)
    else:
        with desk.store.content.adding():
            draft = registrar.draft(kind, spec)
            made = replace(with_hidden_secrets(draft.asset, desk.store.secrets), created_by=current_user())
            asset = put(made, desk.store, desk.registry, now=desk.clock.now())
            warnings = (*draft.warnings, *hidden_from_others(made, desk.store))
    return asset, (*(f"{problem.location}: {problem.message}" for problem in spec.problems), *warnings)


def describe(desk: AssetDesk, asset: Asset) -> dict[str, Any]:
    """One version in the words of `az ml … show`; null where az has null."""
    place = f"azureml://locations/local/workspaces/{desk.store.name}/{AREAS[asset.kind]}"
    address = f"{place}/{asset.name}/versions/{asset.version}" if desk.registry is None else asset.reference
    labels = desk.assets.labels(asset.kind, asset.name)
    return describe_asset(asset, address, [label for label, version in labels.items() if version == asset.version])


def describe_asset(asset: Asset, address: str, labels: list[str]) -> dict[str, Any]:
    """One version, wherever it is; `address` is its id."""
    shown: dict[str, Any] = {
        "id": address,
        "name": asset.name,
        "version": asset.version,
        "description": asset.description,
        "tags": asset.tags,
        "properties": asset.properties,
        **asset.document,
        "archived": asset.archived,
        "creation_context": creation_context(asset.created_at, asset.created_by, asset.modified_at),
        "labels": labels,
    }
    if asset.kind != ENVIRONMENT:
        shown["type"] = asset.type
    if asset.content:
        shown["content"] = f"sha256:{asset.content}"
    return {**shown, **_KIND_FIELDS.get(asset.kind, _data_fields)(asset)}


def describe_name(found: AssetName) -> dict[str, Any]:
    """All versions of a name, as az lists them."""
    return {
        "name": found.name,
        "latest_version": found.latest_version,
        "next_version": found.next_version,
        "archived": found.archived,
        "creation_context": {"created_at": iso_time(found.created_at)},
    }


def show(desk: AssetDesk, kind: str, name: str, *, version: str | None, label: str | None) -> dict[str, Any]:
    """One version; the latest without version and label. Raises NotFoundError."""
    asset = desk.assets.resolve(kind, name, version=version, label=label)
    shown = {**describe(desk, asset), **_read_from_files(desk.store, asset)}
    if kind == ENVIRONMENT:
        from mlctl.operations.images import image_facts

        shown.update(image_facts(desk.store, asset))
    return shown


def list_assets(
    desk: AssetDesk,
    kind: str,
    name: str | None,
    *,
    view: str,
    stage: str | None = None,
    max_results: int | None = None,
) -> list[dict[str, Any]]:
    """Names, or with a name its versions, newest first. Raises NotFoundError for an unknown name."""
    table = desk.assets
    if name is not None:
        found = table.list_versions(kind, name, view=view, stage=stage, max_results=max_results)
        return [describe(desk, asset) for asset in found]
    names = table.list_names(kind, view=view, max_results=None if stage else max_results)
    if stage is not None:
        names = [one for one in names if table.list_versions(kind, one.name, view=view, stage=stage, max_results=1)]
        names = names if max_results is None else names[:max_results]
    return [describe_name(one) for one in names]


def update(
    desk: AssetDesk,
    asset: Asset,
    changes: Mapping[str, Any],
) -> dict[str, Any]:
    """Change description, tags, properties or stage. Raises UsageError for a value that is no map of texts."""
    from mlctl.storage.hidden_texts import conceal

    changed = conceal({key: _as_stored(key, value) for key, value in changes.items()}, desk.store.secrets)
    return describe(desk, desk.assets.update(asset, changed, modified_at=desk.clock.now()))


def download(desk: AssetDesk, asset: Asset, folder: Path) -> tuple[Path, tuple[str, ...]]:
    """Copy the files of an asset to `folder`/<name>; what is there with the same content stays.

    Returns that place, and sentences for the user. Every file is checked against its digest. Raises ConflictError
    when another file of that path is there, UsageError for an asset without files, AuthError and UnavailableError for
    a folder that cannot be written.
    """
    from mlctl.assets.files import fetch_files
    from mlctl.registry.copying import fetch
    from mlctl.store.shelves import translated

    target = folder / asset.name
    if desk.registry is not None:
        asset = fetch(asset, desk.registry, desk.store)
    if asset.path is None:
        raise UsageError(f"{asset.kind} '{asset.name}' version '{asset.version}' has no files")
    incoming = folder / f".{os.urandom(8).hex()}"
    with translated(folder):
        folder.mkdir(parents=True, exist_ok=True)
        try:
            warnings = fetch_files(desk.store, asset, incoming)
            _put_beside(incoming, target)
        finally:
            shutil.rmtree(incoming, ignore_errors=True)
    return target, warnings


def _put_beside(incoming: Path, target: Path) -> None:
    """Move what was fetched into place; a file that is there already must be the same."""
    if not target.exists():
        incoming.rename(target)
        return
    if not target.is_dir():
        raise ConflictError(f"{target} is there already, and is a file", hint="name another folder, or move it away")
    new = [path.relative_to(incoming) for path in sorted(incoming.rglob("*")) if path.is_file() or path.is_symlink()]
    for path in new:
        if (target / path).exists() and not _same_file(incoming / path, target / path):
            raise ConflictError(
                f"{target / path} is there already, with other content", hint="name another folder, or move it away"
            )
    for path in new:
        if not (target / path).exists():
            (target / path).parent.mkdir(parents=True, exist_ok=True)
            (incoming / path).rename(target / path)


def _same_file(one: Path, other: Path) -> bool:
    import filecmp

    return other.is_file() and filecmp.cmp(one, other, shallow=False)


def _read_from_files(store: WorkspaceStore, asset: Asset) -> dict[str, Any]:
    """What the files of a model say about it: flavors and signature of MLflow. Lists do without."""
    if asset.kind != MODEL or asset.content is None or asset.path is None:
        return {}
    from mlctl.assets.mlflow_model import describe_model
    from mlctl.assets.places import local_place

    try:
        return describe_model(local_place(asset.path, store))
    except MlctlError:
        return {}  # the files are gone; what is recorded can be shown all the same


def _data_fields(asset: Asset) -> dict[str, Any]:
    return {"path": asset.path}


def _model_fields(asset: Asset) -> dict[str, Any]:
    return {
        "path": asset.path,
        "stage": asset.stage,
        "job_name": asset.properties.get("azureml.jobName"),
        "flavors": asset.document.get("flavors", {}),
    }


def _environment_fields(asset: Asset) -> dict[str, Any]:
    build = asset.document.get("build")
    return {"build": {"path": asset.path, **build}} if build and asset.path else {}


def _component_fields(asset: Asset) -> dict[str, Any]:
    return {"code": asset.path or asset.document.get("code")} if asset.path or "code" in asset.document else {}


_KIND_FIELDS: dict[str, Callable[[Asset], dict[str, Any]]] = {
    MODEL: _model_fields,
    ENVIRONMENT: _environment_fields,
    COMPONENT: _component_fields,
}


def _as_stored(key: str, value: Any) -> Any:
    if key not in ("tags", "properties"):
        return None if value is None else str(value)
    if not isinstance(value, Mapping | None):
        raise UsageError(f"{key} cannot be {value!r}", hint=f"--set {key}.<name>=<value>")
    return {str(name): str(text) for name, text in (value or {}).items()}


def _article(kind: str) -> str:
    return {"data": "data", ENVIRONMENT: "an environment"}.get(kind, f"a {kind}")
