"""Local files of an asset, brought to the datastore that `datastore:` or --datastore names."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

from mlctl.assets.places import local_place
from mlctl.entities.asset import Asset
from mlctl.spec.references import parse
from mlctl.store.uploads import UPLOAD_DATASTORE
from mlctl.store.workspaces import WorkspaceStore


def send_files(
    asset: Asset, datastore: str, store: WorkspaceStore, progress: Callable[[int, int], None] | None = None
) -> Asset:
    """The asset with its stored files in another datastore, below `LocalUpload/<digest of the files>`.

    The workspace keeps them, too: `workspace verify`, `gc`, `download` and `share` know them. Files that are there
    already are not sent again. Raises NotFoundError for an unknown datastore, and the errors of a transfer.
    """
    name = _name_of(datastore)
    store.datastores.get(name)
    if name == UPLOAD_DATASTORE or asset.path is None:
        return asset
    from mlctl.settings import load
    from mlctl.storage.addresses import Storage, locate
    from mlctl.storage.delivery import put

    source = local_place(asset.path, store)
    uri = f"azureml://datastores/{name}/paths/{asset.path.partition('/paths/')[2]}"
    address = locate(uri, store)
    assert address is not None
    put(source, address, Storage(store, load().environ), progress=progress)
    return replace(asset, path=uri)


def _name_of(datastore: str) -> str:
    reference = parse(datastore)
    return reference.datastore or reference.name or datastore
