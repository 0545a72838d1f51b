"""The shelves of a content store: how bytes come to lie under their digest, complete or not at all.

A file is written to `incoming/` and renamed. It is read once: its digest is made of the bytes as they are copied, or of
the copy where the file system can share blocks.
"""

from __future__ import annotations

import errno
import fcntl
import hashlib
import os
import shutil
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import BinaryIO

from mlctl.errors import ConflictError
from mlctl.store.database import translate_os_error
from mlctl.store.durable import bring_to_disk
from mlctl.store.snapshot import CHUNK

FILES, TREES, INCOMING = "files", "trees", "incoming"

Count = Callable[[int], None]
"""Told how many bytes were dealt with; may raise to give up."""

# linux/fs.h: share the blocks of one file with another (btrfs, xfs, …).
_FICLONE = 0x40049409
_CANNOT_CLONE = (errno.EOPNOTSUPP, errno.EXDEV, errno.ENOTTY, errno.EINVAL, errno.ENOSYS, errno.EPERM)
_CANNOT_LINK = (errno.EXDEV, errno.EMLINK, errno.EPERM, errno.EOPNOTSUPP, errno.ENOSYS)


class Shelves:
    """The files below `folder` (made on first use). Any number of processes and threads may add at once.

    Methods raise OSError; a caller's `translated` makes clear errors of it.
    """

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self._may_clone = os.uname().sysname == "Linux"
        self._new: set[Path] = set()

    def place(self, shelf: str, digest: str) -> Path:
        """Where content of this digest lies, or would."""
        return self.folder / shelf / digest[:2] / f"{digest[2:]}{'.json' if shelf == TREES else ''}"

    def holds(self, digest: str, size: int) -> bool:
        """Whether a file is there. Its size tells one that lost its content; it is then stored anew."""
        return has_size(self.place(FILES, digest), size)

    def stored(self, shelf: str) -> Iterator[tuple[str, Path]]:
        """Digest and place of everything on a shelf, in order."""
        for path in sorted((self.folder / shelf).glob("??/*")):
            yield path.parent.name + path.name.removesuffix(".json"), path

    def put_bytes(self, data: bytes, shelf: str) -> str:
        """Store bytes; returns their digest."""
        digest = hashlib.sha256(data).hexdigest()
        place = self.place(shelf, digest)
        if not has_size(place, len(data)):
            with self._incoming() as (path, file):
                file.write(data)
                file.close()
                _move(path, place)
        self._new.add(place)
        return digest

    def put_file(self, path: Path, *, expected: str | None = None, count: Count | None = None) -> tuple[str, int]:
        """Store a file; returns its digest and size.

        `expected`: the digest it probably has. It is then hashed first, and not copied when it is there already.
        """
        try:
            source = path.open("rb")
        except OSError as error:
            raise translate_os_error(error, path, writing=False) from error
        with source:
            size = os.fstat(source.fileno()).st_size
            if size <= CHUNK:
                data = source.read()
                if count is not None:
                    count(len(data))
                return self.put_bytes(data, FILES), len(data)
            if expected is not None and self.holds(expected, size):
                digest = hashlib.sha256()
                read = _feed(digest, source, count)
                if digest.hexdigest() == expected:
                    self._new.add(self.place(FILES, expected))
                    return expected, read
                source.seek(0)
                count = None  # what is read again counts once
            return self._put_large(source, count)

    def bring_to_disk(self) -> None:
        """Make what was put here since the last call survive a power cut, whoever had stored it first."""
        new, self._new = self._new, set()
        bring_to_disk(new)

    def write_out(self, digest: str, target: Path, *, executable: bool = False, link: bool = False) -> None:
        """Make the file `target` of stored content: a copy that shares blocks where it can, or with `link` a hard link.

        Where no hard link can be (another disk, too many links) a copy serves readers as well.
        """
        stored = self.place(FILES, digest)
        if link:
            try:
                target.hardlink_to(stored)
            except OSError as error:
                if error.errno not in _CANNOT_LINK:
                    raise
            else:
                return
        # 0666 and 0777 less the caller's umask, as for any file that the caller makes.
        descriptor = os.open(target, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o777 if executable else 0o666)
        with os.fdopen(descriptor, "wb") as copy, stored.open("rb") as source:
            if not self._clone(source.fileno(), copy.fileno()):
                shutil.copyfileobj(source, copy, CHUNK)

    def _put_large(self, source: BinaryIO, count: Count | None) -> tuple[str, int]:
        # The digest is that of the copy: the source may be written to at this moment.
        digest = hashlib.sha256()
        with self._incoming() as (path, file):
            if self._clone(source.fileno(), file.fileno()):
                size = _feed(digest, file, count)
            else:
                size = _feed(digest, source, count, copy=file)
            file.close()
            place = self.place(FILES, digest.hexdigest())
            if not has_size(place, size):
                _move(path, place)
        self._new.add(place)
        return digest.hexdigest(), size

    @contextmanager
    def _incoming(self) -> Iterator[tuple[Path, BinaryIO]]:
        folder = self.folder / INCOMING
        path = folder / os.urandom(16).hex()
        try:
            file = path.open("w+b")
        except FileNotFoundError:
            folder.mkdir(parents=True, exist_ok=True)
            file = path.open("w+b")
        try:
            with file:
                os.fchmod(file.fileno(), 0o444)
                yield path, file
        finally:
            path.unlink(missing_ok=True)

    def _clone(self, source: int, target: int) -> bool:
        if not self._may_clone:
            return False
        try:
            fcntl.ioctl(target, _FICLONE, source)
        except OSError as error:
            if error.errno not in _CANNOT_CLONE:
                raise
            self._may_clone = False
        return self._may_clone


@contextmanager
def translated(folder: Path, *, whole: bool = True) -> Iterator[None]:
    """Errors of the disk that holds `folder` as clear ones. `whole`: whether nothing half-written can be left."""
    try:
        yield
    except FileExistsError as error:
        raise ConflictError(f"{error.filename2 or error.filename} is there already") from error
    except OSError as error:
        raise translate_os_error(error, folder, whole=whole) from error


def digest_of(path: Path, count: Count | None = None) -> str:
    """The digest of what a file holds."""
    digest = hashlib.sha256()
    with path.open("rb") as file:
        _feed(digest, file, count)
    return digest.hexdigest()


def has_size(path: Path, size: int) -> bool:
    """Whether a file is there and has this many bytes."""
    try:
        return path.stat().st_size == size
    except (FileNotFoundError, NotADirectoryError):
        return False


def _feed(digest: hashlib._Hash, file: BinaryIO, count: Count | None, copy: BinaryIO | None = None) -> int:
    size = 0
    while chunk := file.read(CHUNK):
        digest.update(chunk)
        if copy is not None:
            copy.write(chunk)
        size += len(chunk)
        if count is not None:
            count(len(chunk))
    return size


def _move(path: Path, place: Path) -> None:
    try:
        path.replace(place)
    except FileNotFoundError:
        place.parent.mkdir(parents=True, exist_ok=True)
        path.replace(place)
