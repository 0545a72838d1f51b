"""Local files of an asset, brought to the datastore that `datastore:` or --datastore names."""

from __future__ import annotations

import os
import shutil
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

from mlctl.assets.places import local_place
from mlctl.entities.asset import Asset
from mlctl.spec.references import parse
from mlctl.store.uploads import UPLOAD_DATASTORE
from mlctl.store.workspaces import WorkspaceStore


def send_files(
    asset: Asset, datastore: str, store: WorkspaceStore, progress: Callable[[int, int], None] | None = None
) -> Asset:
    """The asset with its stored files in another datastore, below `LocalUpload/<digest of the files>`.

    Only the address is kept then: what was stored here is left to `mlctl gc`. Files that are there already are not
    sent again. Raises NotFoundError for an unknown datastore, and the errors of a transfer.
    """
    name = _name_of(datastore)
    store.datastores.get(name)
    if name == UPLOAD_DATASTORE or asset.path is None:
        return asset
    from mlctl.settings import load
    from mlctl.storage.addresses import Storage, locate
    from mlctl.storage.fetching import deliver

    source = local_place(asset.path, store)
    uri = f"azureml://datastores/{name}/paths/{asset.path.partition('/paths/')[2]}"
    address = locate(uri, store)
    assert address is not None
    if deliver(source, address, Storage(store, load().environ), progress=progress) is None:
        _copy(source, store.datastore_folder(name) / address.path)
    return replace(asset, path=uri, content=None)


def _name_of(datastore: str) -> str:
    reference = parse(datastore)
    return reference.datastore or reference.name or datastore


def _copy(source: Path, target: Path) -> None:
    """Into a folder of this machine, whole or not at all; its path holds the digest, so what is there is the same."""
    if target.exists():
        return
    target.parent.mkdir(parents=True, exist_ok=True)
    temporary = target.parent / f".{os.urandom(6).hex()}"
    if source.is_dir():
        shutil.copytree(source, temporary, copy_function=shutil.copyfile, symlinks=True)
    else:
        shutil.copyfile(source, temporary)
    temporary.rename(target)
