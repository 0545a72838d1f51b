"""Data assets and datastores shown as files at a path of this machine."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from mlctl.assets.places import local_place
from mlctl.assets.resolver import Resolver
from mlctl.entities.asset import DATA
from mlctl.errors import UnsupportedError
from mlctl.spec.references import ASSET, LOCAL, parse
from mlctl.storage.addresses import Storage, is_elsewhere, locate
from mlctl.storage.fetching import fetch
from mlctl.storage.mounts import RW_MOUNT, show_at
from mlctl.storage.transfer import Progress

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
) -> dict[str, Any]:
    """Show what `path` names at `point`: a data asset, an address in a datastore, the name of a datastore, an address.

    What is on this machine is bound, or copied read-only without the right to mount. What is elsewhere is fetched
    first and shown as it is now. Raises NotFoundError, ConflictError when the point is in use, UnsupportedError for
    writing to what is elsewhere, and the errors of a transfer.
    """
    uri = _address(path, resolver, storage)
    elsewhere = is_elsewhere(uri, storage.store, folder=True)
    if elsewhere and mode == RW_MOUNT:
        raise UnsupportedError(
            f"{path} is not on this machine and can be mounted read-only only",
            hint="a job's output with that path is written there when the job ends",
        )
    if elsewhere:
        address = locate(uri, storage.store)
        assert address is not None
        place = fetch(address, storage, cache, progress=progress)
    else:
        place = local_place(uri, storage.store)
    shown, how = show_at(place, point, mode=mode)
    return {
        "path": path,
        "mount_point": str(point),
        "mounted_path": str(shown),
        "mode": mode,
        "kind": how,
        "source": uri,
        "snapshot": elsewhere,
    }


def _address(path: str, resolver: Resolver, storage: Storage) -> str:
    """The address that the words after --path mean; a bare word is the name of a datastore."""
    reference = parse(path)
    if reference.kind == LOCAL and "/" not in path:
        return f"azureml://datastores/{storage.store.datastores.get(path).name}/paths/"
    if reference.kind != ASSET:
        return path
    asset = resolver.get(path, DATA)
    if asset.path is None:
        raise UnsupportedError(f"{path} has no files")
    return asset.path
