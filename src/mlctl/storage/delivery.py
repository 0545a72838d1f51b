"""Files brought to an address of a datastore, here or elsewhere."""

from __future__ import annotations

import filecmp
import os
import shutil
from collections.abc import Iterator
from pathlib import Path

from mlctl.storage.addresses import Address, Storage
from mlctl.storage.transfer import Progress, Transfer, upload
from mlctl.store.durable import bring_to_disk
from mlctl.store.shelves import translated


def deliver(source: Path, address: Address, storage: Storage, *, progress: Progress | None = None) -> Transfer | None:
    """Bring a file or what a folder holds to an address; None when it is there by itself (a folder of this machine).

    Raises the errors of `upload`.
    """
    place = storage.open(address.datastore)
    return None if isinstance(place, Path) else upload(source, place, address.path, progress=progress)


def put(source: Path, address: Address, storage: Storage, *, progress: Progress | None = None) -> None:
    """Bring a file or what a folder holds to an address, in a folder of this machine too.

    Every file is there whole or not at all, and one that is there already is not written again; so whoever was killed
    repeats it. Raises the errors of `upload`, and AuthError or UnavailableError for a folder that cannot be written.
    """
    place = storage.open(address.datastore)
    if not isinstance(place, Path):
        upload(source, place, address.path, progress=progress)
        return
    target = address.below(place)
    with translated(place):
        if source.is_dir():
            target.mkdir(parents=True, exist_ok=True)
        bring_to_disk([copy for file, copy in _pairs(source, target) if _copy(file, copy)])


def _pairs(source: Path, target: Path) -> Iterator[tuple[Path, Path]]:
    if not source.is_dir():
        yield source, target
        return
    for folder, _, names in os.walk(source, followlinks=True):
        for name in names:
            file = Path(folder, name)
            yield file, target / file.relative_to(source)


def _copy(source: Path, target: Path) -> bool:
    """Whether the file had to be written."""
    if target.is_file() and filecmp.cmp(source, target, shallow=False):
        return False
    target.parent.mkdir(parents=True, exist_ok=True)
    fresh = target.with_name(f".mlctl-{os.urandom(8).hex()}.tmp")
    try:
        shutil.copyfile(source, fresh)
        fresh.replace(target)
    finally:
        fresh.unlink(missing_ok=True)
    return True
