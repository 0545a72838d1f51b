"""Assets go from a workspace into a registry and the other way, their files by digest.

The record is written last: who is killed on the way leaves content that nothing names, and a repetition goes on.
"""

from __future__ import annotations

from dataclasses import replace

from mlctl.entities.asset import Asset, fingerprint_of
from mlctl.registry.content import Content, copy_tree, tree_entries
from mlctl.registry.files import FolderFiles
from mlctl.registry.known import OpenRegistry
from mlctl.store.assets import version_conflict
from mlctl.store.uploads import address, expose, is_single_file
from mlctl.store.workspaces import WorkspaceStore


def publish(asset: Asset, store: WorkspaceStore, registry: OpenRegistry, *, now: float) -> Asset:
    """Put an asset of a workspace, or one that is to become one, into a registry; name and version are the asset's.

    Without a version it gets the next number. `now`: seconds since the epoch, noted as the time of its creation there.
    Raises ConflictError for a version that is there with other content (before anything is copied), DamagedError for
    stored files that are not what they were.
    """
    wanted = replace(asset, registry="", archived=False, created_at=now, modified_at=now)
    wanted = replace(wanted, fingerprint=fingerprint_of(wanted))
    known = registry.assets.find(wanted.kind, wanted.name, wanted.version) if wanted.version else None
    if known is not None and known.fingerprint != wanted.fingerprint:
        raise version_conflict(known, wanted)
    if wanted.content is not None:
        copy_tree(wanted.content, workspace_content(store), registry.content)
    return registry.assets.add(wanted, root=_root(asset))


def fetch(asset: Asset, registry: OpenRegistry, store: WorkspaceStore) -> Asset:
    """Bring the files of a registry's asset into a workspace; the asset's path is then the one in the workspace.

    No record is written: the asset stays the registry's. Raises DamagedError for files that are not what they were.
    """
    if asset.content is None:
        return asset
    # nothing may remove it before what is made with it is written, such as a job; see `ContentStore`
    store.content.guard.keep()
    content = workspace_content(store)
    copy_tree(asset.content, registry.content, content)
    entries = tree_entries(content.read_tree(asset.content), asset.content)
    root = registry.assets.root(asset)
    name = root.removesuffix("/") or asset.name
    expose(store, asset.content, name)
    end = "" if is_single_file(entries, name) else "/"
    return replace(asset, path=f"{address(asset.content, name)}{end}")


def workspace_content(store: WorkspaceStore) -> Content:
    """The content of a workspace, to copy from or to."""
    return Content(FolderFiles(store.folder / "content"))


def _root(asset: Asset) -> str:
    """The name of the file or folder in a workspace's datastore, with `/` behind a folder's."""
    if asset.content is None or asset.path is None:
        return ""
    name = asset.path.rstrip("/").rpartition("/")[2]
    return f"{name}/" if asset.path.endswith("/") else name
