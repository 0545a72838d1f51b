"""Files of the web, as data and inputs name them by an address."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from mlctl.errors import UnsupportedError
from mlctl.store.workspaces import WorkspaceStore

if TYPE_CHECKING:
    from mlctl.store.downloads import Fetched

_WEB = ("http://", "https://", "wasb://", "wasbs://", "abfs://", "abfss://")
_FOLDERS = ("uri_folder", "mltable")


def is_web(uri: str) -> bool:
    """Whether the address is read over the web, unless a datastore is registered for it."""
    return uri.startswith(_WEB)


def refuse_web_folder(what: str, kind: str, uri: str) -> None:
    """Raise UnsupportedError when `kind`, such as uri_folder, is no single file. `what` is named in the message."""
    if kind in _FOLDERS:
        from mlctl.store.signed_addresses import printable

        address = printable(uri).partition("?")[0]  # what follows may be a signature
        raise UnsupportedError(
            f"{what}: a folder cannot be read over the web ({address})",
            hint="use type: uri_file, register its container as a datastore, or copy the folder to this machine",
        )


def fetch_web(uri: str, store: WorkspaceStore, cache: Path) -> Fetched:
    """The file at an address that `is_web`, with the signature it was given with. Raises as `HttpCache.fetch`."""
    from mlctl.storage.hidden_texts import reveal
    from mlctl.store.downloads import HttpCache, public_url

    return HttpCache(cache / "downloads").fetch(public_url(str(reveal(uri, store.secrets))))
