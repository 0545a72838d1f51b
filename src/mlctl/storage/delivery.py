"""Files brought to an address of a datastore, here or elsewhere."""

from __future__ import annotations

import filecmp
import os
import shutil
import time
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path

from mlctl.storage.addresses import Address, Storage, inside
from mlctl.storage.transfer import PARTS, Progress, Transfer, upload
from mlctl.store.durable import bring_to_disk
from mlctl.store.shelves import translated

ABANDONED = 24 * 3600.0
"""Seconds after which nobody writes any more to a file that has no name yet."""


def deliver(source: Path, address: Address, storage: Storage, *, progress: Progress | None = None) -> Transfer | None:
    """Bring a file or what a folder holds to an address; None when it is there by itself (a folder of this machine).

    Raises the errors of `upload`.
    """
    place = storage.open(address.datastore)
    return None if isinstance(place, Path) else upload(source, place, address.path, progress=progress)


def put(source: Path, address: Address, storage: Storage, *, progress: Progress | None = None) -> None:
    """Bring a file or what a folder holds to an address, in a folder of this machine too.

    Every file is there whole or not at all, and one that is there already is not written again; so whoever was killed
    repeats it. Raises the errors of `upload`, and AuthError or UnavailableError for a folder that cannot be written,
    UnsupportedError for a link there that leads out of the datastore.
    """
    place = storage.open(address.datastore)
    if not isinstance(place, Path):
        upload(source, place, address.path, progress=progress)
        return
    target = address.below(place)
    with translated(place):
        if source.is_dir():
            target.mkdir(parents=True, exist_ok=True)
        desk = _Desk(place)
        try:
            bring_to_disk([copy for file, copy in _pairs(source, target) if desk.copy(file, copy)])
        finally:
            desk.clear()


def _pairs(source: Path, target: Path) -> Iterator[tuple[Path, Path]]:
    if not source.is_dir():
        yield source, target
        return
    for folder, _, names in os.walk(source, followlinks=True):
        for name in names:
            file = Path(folder, name)
            yield file, target / file.relative_to(source)


class _Desk:
    """Where files are written before they get their names: a folder in the root, which is nobody's data."""

    def __init__(self, root: Path) -> None:
        self._root = root
        self._folder = root / PARTS
        self._checked: set[Path] = set()

    def copy(self, source: Path, target: Path) -> bool:
        """Whether the file had to be written."""
        if target.parent not in self._checked:
            relative = target.parent.relative_to(self._root)
            inside(self._root, relative.as_posix(), str(target.parent))
            target.parent.mkdir(parents=True, exist_ok=True)
            self._checked.add(target.parent)
        if target.is_file() and filecmp.cmp(source, target, shallow=False):
            return False
        self._folder.mkdir(exist_ok=True)
        fresh = self._folder / os.urandom(8).hex()
        try:
            shutil.copyfile(source, fresh)
            fresh.replace(target)
        finally:
            fresh.unlink(missing_ok=True)
        return True

    def clear(self) -> None:
        """Remove the folder, with what killed processes left in it; what others write to stays."""
        now = time.time()
        with suppress(OSError):
            for left in self._folder.iterdir():
                if now - left.stat().st_mtime > ABANDONED:
                    left.unlink()
            self._folder.rmdir()
