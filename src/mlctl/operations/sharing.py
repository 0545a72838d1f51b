"""Assets of a workspace go into a shared registry."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from typing import Any

from mlctl.assets.files import place_of
from mlctl.assets.registration import ANONYMOUS, keep_files
from mlctl.entities.asset import COMPONENT, Asset
from mlctl.entities.lineage import Link, node_of
from mlctl.errors import UsageError
from mlctl.registry.content import Progress
from mlctl.registry.copying import publish
from mlctl.registry.known import OpenRegistry
from mlctl.spec.references import ASSET, DATASTORE, parse
from mlctl.spec.rules.names import ASSET as ASSET_NAME
from mlctl.storage.hidden_texts import has_hidden
from mlctl.store.workspaces import WorkspaceStore


def put(
    asset: Asset, store: WorkspaceStore, registry: OpenRegistry, *, now: float, progress: Progress | None = None
) -> Asset:
    """Copy an asset of the workspace, or one that is to become one, into a registry; it keeps name and version.

    Data that only points to a datastore of the workspace is stored with its files, as nobody else has the datastore.
    Components without a name that it holds go along. Repeating it changes nothing. Raises ConflictError for a version
    that is there with other content, NotFoundError for files that are gone, UsageError for a link that leads out
    of a datastore's folder.
    """
    if asset.content is None and asset.path is not None and parse(asset.path).kind == DATASTORE:
        # whoever fills the datastore must not have files of this machine brought to everybody
        kept = keep_files(store, place_of(asset.path, store), may_leave=False)
        asset = replace(asset, content=kept.content, path=kept.path)

    def shared_inner(text: str) -> str:
        reference = parse(text)
        if reference.kind != ASSET or reference.registry or reference.name != ANONYMOUS:
            return text
        inner = store.assets.get(COMPONENT, ANONYMOUS, reference.version or "")
        return put(inner, store, registry, now=now).reference

    if asset.kind == COMPONENT:
        asset = replace(asset, document=_with_texts(asset.document, shared_inner))
    return publish(asset, store, registry, now=now, progress=progress)


def share(
    asset: Asset,
    store: WorkspaceStore,
    registry: OpenRegistry,
    *,
    name: str,
    version: str,
    now: float,
    progress: Progress | None = None,
) -> Asset:
    """As `put`, under that name and version, and noted in the lineage. Raises UsageError for what cannot be a name."""
    for word, text in (("name", name), ("version", version)):
        if not ASSET_NAME.takes(text):
            raise UsageError(f"'{text}' cannot be the {word} of an asset", hint=f"use {ASSET_NAME.words}")
    wanted = replace(asset, name=name, version=version, anonymous=False)
    shared = put(wanted, store, registry, now=now, progress=progress)
    store.links.add([Link(node_of(asset), node_of(shared), "shared as")])
    return shared


def hidden_from_others(asset: Asset, store: WorkspaceStore) -> tuple[str, ...]:
    """A sentence when an asset has texts whose secrets stay in the workspace."""
    texts = [asset.path, asset.document, asset.description, asset.tags, asset.properties]
    if not has_hidden(texts, store.secrets):
        return ()
    told = f"secrets in {asset.kind} '{asset.name}' are hidden ('…') and stay in this workspace"
    return (f"{told}: who uses it elsewhere has to register it anew with the whole texts",)


def dangling_references(asset: Asset) -> list[str]:
    """What the spec of an asset names that only its workspace has, sorted: nobody else can follow it."""
    found: set[str] = set()

    def look(text: str) -> str:
        reference = parse(text)
        is_here = reference.registry is None and reference.name != ANONYMOUS
        if is_here and reference.kind in (ASSET, DATASTORE):
            found.add(text)
        return text

    _with_texts(asset.document, look)
    return sorted(found)


def _with_texts(value: Any, change: Callable[[str], str]) -> Any:
    """The value with every text in it changed; keys stay."""
    if isinstance(value, dict):
        return {key: _with_texts(inner, change) for key, inner in value.items()}
    if isinstance(value, list):
        return [_with_texts(inner, change) for inner in value]
    return change(value) if isinstance(value, str) else value
