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
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from mlctl.errors import NotFoundError
from mlctl.storage.addresses import Address, Storage
from mlctl.storage.datastores import Remote
from mlctl.storage.remote_files import RemoteFile, find_files, nothing_there
from mlctl.storage.transfer import Progress, download_files
from mlctl.store.database import translate_os_error


def fetch(address: Address, storage: Storage, cache: Path, *, progress: Progress | None = None) -> Path:
    """The file or folder that an address means, on this machine: in the cache, or where it is when it is here.

    Raises NotFoundError when nothing is there, and the errors of `download`.
    """
    place = storage.open(address.datastore)
    if isinstance(place, Path):
        found = address.below(place)
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
            if target.is_dir():
                os.utime(target)  # when it was last used
            else:
                incoming = home / f"{target.name}.incoming"
                download_files(place, address.path, files, incoming, progress=progress)
                _make_read_only(incoming)
                incoming.rename(target)
    except OSError as error:
        raise translate_os_error(error, home) from error
    is_file = len(files) == 1 and files[0].path == address.path
    return target / address.path.rpartition("/")[2] if is_file else target


@dataclass(frozen=True, slots=True)
class CachedCopy:
    """What was fetched from an address, or was begun to be. `last_used`: seconds since the epoch."""

    folder: Path
    last_used: float


def cached_copies(cache: Path) -> list[CachedCopy]:
    """What the cache holds, longest unused first."""
    found = [CachedCopy(folder, folder.stat().st_mtime) for folder in (cache / "datastores").glob("*/")]
    return sorted(found, key=lambda copy: copy.last_used)


def remove_copy(folder: Path) -> None:
    """Remove one, out of sight in one step; waits for who is fetching it. Raises OSError."""
    key = folder.name.partition(".")[0]
    with _locked(folder.with_name(f"{key}.lock")):
        aside = folder.with_name(f"{key}.incoming")
        if folder != aside:
            shutil.rmtree(aside, ignore_errors=True)
            folder.rename(aside)
        shutil.rmtree(aside)


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
