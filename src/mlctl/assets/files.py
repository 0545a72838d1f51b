"""The files of an asset, brought to where they are wanted."""

from __future__ import annotations

from pathlib import Path

from mlctl.assets.places import local_place
from mlctl.assets.web import fetch_web, is_web, refuse_web_folder
from mlctl.entities.asset import Asset
from mlctl.errors import UsageError
from mlctl.store.workspaces import WorkspaceStore


def fetch_files(store: WorkspaceStore, asset: Asset, folder: Path) -> tuple[str, ...]:
    """Copy the files of an asset into `folder`, which is made. What a folder holds stands directly in it.

    Stored files are copied from the content store. Returns sentences for the user. Raises NotFoundError,
    UnavailableError when stored content is damaged, UsageError for an asset without files or with a link that leads
    out of them, UnsupportedError for a folder of the web.
    """
    from mlctl.storage.addresses import is_elsewhere

    what = f"{asset.kind} '{asset.name}' version '{asset.version}'"
    if asset.content is not None:
        store.content.materialise(asset.content, folder)
        return ()
    if asset.path is None:
        raise UsageError(f"{what} has no files")
    if is_web(asset.path) and not is_elsewhere(asset.path, store, folder=asset.type != "uri_file"):
        from mlctl.settings import load

        refuse_web_folder(what, asset.type, asset.path)
        fetched = fetch_web(asset.path, store, load().home / "cache")
        return (*fetched.warnings, *store_copy(fetched.path, folder, name=fetched.name))
    return store_copy(place_of(asset.path, store), folder)


def place_of(uri: str, store: WorkspaceStore) -> Path:
    """Where the files of an address are on this machine; those in a datastore that is elsewhere are fetched first."""
    from mlctl.storage.addresses import Storage, is_elsewhere, locate

    if not is_elsewhere(uri, store, folder=True):
        return local_place(uri, store)
    from mlctl.settings import load
    from mlctl.storage.fetching import fetch

    settings, address = load(), locate(uri, store)
    assert address is not None
    return fetch(address, Storage(store, settings.environ), settings.home / "cache")


def store_copy(place: Path, folder: Path, *, name: str | None = None) -> tuple[str, ...]:
    """Copy a file into a folder, under its name or another, or what a folder holds; returns sentences for the user.

    Raises UsageError for a link that leads out of the folder.
    """
    import shutil

    from mlctl.store.copies import refuse_leaving_links, without_special

    left_out: list[str] = []
    if place.is_dir():
        refuse_leaving_links(place)
        shutil.copytree(place, folder, symlinks=True, ignore=without_special(left_out))
    else:
        folder.mkdir(parents=True, exist_ok=True)
        shutil.copyfile(place, folder / (name or place.name))
    return tuple(left_out)
