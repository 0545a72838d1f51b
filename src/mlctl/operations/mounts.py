"""Data assets and datastores shown as files at a path of this machine."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from mlctl.assets.places import local_place
from mlctl.assets.resolver import Resolver
from mlctl.assets.web import fetch_web, is_web, refuse_web_folder
from mlctl.entities.asset import DATA
from mlctl.errors import UnsupportedError
from mlctl.spec.references import ASSET, LOCAL, parse
from mlctl.storage.addresses import Storage, is_elsewhere, locate
from mlctl.storage.fetching import fetch
from mlctl.storage.mounts import RW_MOUNT, show_at
from mlctl.storage.transfer import Progress
from mlctl.store.signed_addresses import printable

DEFAULT_POINT = "~/mount/data"


def mount(
    storage: Storage,
    resolver: Resolver,
    path: str,
    *,
    point: Path,
    mode: str,
    cache: Path,
    progress: Progress | None = None,
) -> tuple[dict[str, Any], tuple[str, ...]]:
    """Show what `path` names at `point`: a data asset, an address in a datastore, the name of a datastore, an address.

    What is on this machine is bound, or copied read-only without the right to mount. What is elsewhere is fetched
    first and shown as it is now. Returns what `mount` prints, and sentences for the user. Raises NotFoundError,
    ConflictError when the point is in use, UnsupportedError for writing to what is elsewhere and for a folder of the
    web, and the errors of a transfer.
    """
    uri, kind = _meant(path, resolver, storage)
    elsewhere = is_elsewhere(uri, storage.store, folder=kind != "uri_file")
    snapshot, name = elsewhere or is_web(uri), None
    warnings: tuple[str, ...] = ()
    if snapshot and mode == RW_MOUNT:
        raise UnsupportedError(
            f"{printable(path)} is not on this machine and can be mounted read-only only",
            hint="a job's output with that path is written there when the job ends",
        )
    if elsewhere:
        address = locate(uri, storage.store)
        assert address is not None
        place = fetch(address, storage, cache, progress=progress)
    elif is_web(uri):
        refuse_web_folder(printable(path), kind, uri)
        fetched = fetch_web(uri, storage.store, cache)
        place, name, warnings = fetched.path, fetched.name, fetched.warnings
    else:
        place = local_place(uri, storage.store)
    shown, how = show_at(place, point, mode=mode, name=name)
    return {
        "path": printable(path),
        "mount_point": str(point),
        "mounted_path": str(shown),
        "mode": mode,
        "kind": how,
        "source": printable(uri),
        "snapshot": snapshot,
    }, warnings


def _meant(path: str, resolver: Resolver, storage: Storage) -> tuple[str, str]:
    """The address that the words after --path mean, and its type when that is known; a bare word names a datastore."""
    reference = parse(path)
    if reference.kind == LOCAL and "/" not in path:
        return f"azureml://datastores/{storage.store.datastores.get(path).name}/paths/", ""
    if reference.kind != ASSET:
        return path, ""
    asset = resolver.get(path, DATA)
    if asset.path is None:
        raise UnsupportedError(f"{path} has no files")
    return asset.path, asset.type
