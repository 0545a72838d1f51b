"""Files of datastores that are elsewhere, in a cache of this machine that all jobs share.

    cache/datastores/<key>/     what was at an address, by the names, sizes and versions (ETag) of its files; read-only

A key is made of the listing, so an address whose files changed gets another folder, and one that did not is not
fetched again. Only the owner may look into it.
"""

from __future__ import annotations

import fcntl
import hashlib
import json
import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from mlctl.errors import NotFoundError
from mlctl.storage.addresses import Address, Storage
from mlctl.storage.datastores import Remote
from mlctl.storage.remote_files import RemoteFile, find_files, nothing_there
from mlctl.storage.transfer import Progress, Transfer, download_files, upload
from mlctl.store.database import translate_os_error


def fetch(address: Address, storage: Storage, cache: Path, *, progress: Progress | None = None) -> Path:
    """The file or folder that an address means, on this machine: in the cache, or where it is when it is here.

    Raises NotFoundError when nothing is there, and the errors of `download`.
    """
    place = storage.open(address.datastore)
    if isinstance(place, Path):
        found = place / address.path
        if not found.exists():
            raise NotFoundError(f"datastore '{address.datastore.name}' has nothing at '{address.path}'")
        return found
    files = find_files(place, address.path)
    if not files:
        raise nothing_there(place, address.path)
    home = cache / "datastores"
    target = home / _key(place, address.path, files)
    try:
        home.mkdir(parents=True, exist_ok=True, mode=0o700)
        with _locked(home / f"{target.name}.lock"):
            if not target.is_dir():
                incoming = home / f"{target.name}.incoming"
                download_files(place, address.path, files, incoming, progress=progress)
                _make_read_only(incoming)
                incoming.rename(target)
    except OSError as error:
        raise translate_os_error(error, home) from error
    is_file = len(files) == 1 and files[0].path == address.path
    return target / address.path.rpartition("/")[2] if is_file else target


def deliver(source: Path, address: Address, storage: Storage, *, progress: Progress | None = None) -> Transfer | None:
    """Bring a file or what a folder holds to an address; None when it is there by itself (a folder of this machine).

    Raises the errors of `upload`.
    """
    place = storage.open(address.datastore)
    return None if isinstance(place, Path) else upload(source, place, address.path, progress=progress)


def _key(remote: Remote, path: str, files: list[RemoteFile]) -> str:
    listing = [remote.identity, path, [(file.path, file.size, file.etag) for file in files]]
    return hashlib.sha256(json.dumps(listing).encode()).hexdigest()


def _make_read_only(folder: Path) -> None:
    for place, _, names in os.walk(folder):
        for name in names:
            Path(place, name).chmod(0o444)


@contextmanager
def _locked(path: Path) -> Iterator[None]:
    descriptor = os.open(path, os.O_RDWR | os.O_CREAT, 0o600)
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX)
        yield
    finally:
        os.close(descriptor)
