"""The few things a registry asks of a place that keeps files, and the folder that does them.

Many machines write to one place at once, and any of them may be killed. So a file appears complete or not at all, and
of two who create the same file one is told that it is there.
"""

from __future__ import annotations

import errno
import hashlib
import os
import stat
from collections.abc import Iterable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import BinaryIO, Protocol

from mlctl.errors import NotFoundError, UnavailableError
from mlctl.store.database import translate_os_error
from mlctl.store.durable import bring_to_disk, fsync
from mlctl.store.snapshot import CHUNK

_NO_LINKS = (errno.EPERM, errno.EOPNOTSUPP, errno.ENOSYS, errno.EMLINK, errno.EXDEV, errno.EINVAL)
# linux/fs.h and fcntl.h: rename only when nothing is there under the new name.
_RENAME_NOREPLACE = 1
_AT_FDCWD = -100


ABANDONED = 24 * 3600.0
"""Seconds without a byte after which nobody writes to a file in `incoming` any more."""


class Files(Protocol):
    """Files below one address, named by relative paths with `/`.

    Every method raises AuthError for what may not be read or written, and UnavailableError for a full disk or a server
    that cannot be reached.
    """

    @property
    def address(self) -> str:
        """The folder or URL, as people know it."""

    def read(self, path: str) -> bytes | None:
        """The content of a small file, None when there is none."""

    def open(self, path: str) -> BinaryIO:
        """A file, to be read from the beginning. Raises NotFoundError."""

    def size(self, path: str) -> int | None:
        """Bytes of a file, None when there is none."""

    def names(self, folder: str) -> list[str]:
        """What stands in a folder, in any order; nothing when there is no such folder."""

    def create(self, path: str, data: bytes) -> bool:
        """Write a small file that is not there yet, complete or not at all. False when it was there."""

    def put(self, path: str, data: bytes) -> None:
        """Write a small file, or put it in place of the one that is there."""

    def receive(self, path: str, chunks: Iterable[bytes], digest: str) -> None:
        """Write a file of any size whose SHA-256 must be `digest`: it is read again after it was written.

        Raises DamagedError; then nothing has appeared.
        """

    def settle(self, paths: Iterable[str]) -> None:
        """Come back when what was received under these names would outlive a power cut."""

    def remove(self, path: str) -> None:
        """Take a file, or a folder with all that is in it, away; nothing happens when there is none."""


class DamagedError(UnavailableError):
    """Content that does not match its digest."""


class FolderFiles:
    """Files in a folder, of this machine or of a network share. What is being written is in its folder `incoming`.

    What a killed process left there is removed a day later, by whoever writes next.

    Who may do what is said by the rights of the folder: folders in it get the same, and files can be read by all who
    get there. So those who share a folder may have any umask.
    """

    def __init__(self, folder: Path, *, incoming: str = "incoming") -> None:
        self._folder = folder
        self._incoming_folder = folder / incoming
        self._is_swept = False

    @property
    def address(self) -> str:
        """The folder."""
        return str(self._folder)

    def read(self, path: str) -> bytes | None:
        """As `Files.read`."""
        with self._translated(writing=False):
            try:
                return (self._folder / path).read_bytes()
            except (FileNotFoundError, NotADirectoryError):
                return None

    def open(self, path: str) -> BinaryIO:
        """As `Files.open`."""
        with self._translated(writing=False):
            try:
                return (self._folder / path).open("rb")
            except (FileNotFoundError, NotADirectoryError) as error:
                raise NotFoundError(f"there is no {path} in {self._folder}") from error

    def size(self, path: str) -> int | None:
        """As `Files.size`."""
        with self._translated(writing=False):
            try:
                return (self._folder / path).stat().st_size
            except (FileNotFoundError, NotADirectoryError):
                return None

    def names(self, folder: str) -> list[str]:
        """As `Files.names`."""
        with self._translated(writing=False):
            try:
                return os.listdir(self._folder / folder)  # noqa: PTH208  a Path for each of 10,000 names costs
            except (FileNotFoundError, NotADirectoryError):
                return []

    def create(self, path: str, data: bytes) -> bool:
        """As `Files.create`."""
        with self._translated(), self._incoming([data]) as new:
            target = self._target(path)
            fsync(new)
            try:
                target.hardlink_to(new)
            except FileExistsError:
                # NFS may have lost the answer to the call that made the link
                return new.stat().st_nlink > 1
            except OSError as error:
                if error.errno not in _NO_LINKS:
                    raise
                return _rename_if_free(new, target)
            return True

    def put(self, path: str, data: bytes) -> None:
        """As `Files.put`."""
        with self._translated(), self._incoming([data]) as new:
            fsync(new)
            new.replace(self._target(path))

    def receive(self, path: str, chunks: Iterable[bytes], digest: str) -> None:
        """As `Files.receive`."""
        with self._translated(), self._incoming(chunks) as new:
            with new.open("rb") as written:
                check_digest(written, digest, f"{path} in {self._folder}")
            new.chmod(0o444)
            new.replace(self._target(path))

    def settle(self, paths: Iterable[str]) -> None:
        """As `Files.settle`."""
        with self._translated():
            bring_to_disk([self._folder / path for path in paths])

    def remove(self, path: str) -> None:
        """As `Files.remove`."""
        import shutil

        with self._translated():
            place = self._folder / path
            try:
                place.unlink()
            except (FileNotFoundError, NotADirectoryError):
                return
            except (IsADirectoryError, PermissionError):
                if not place.is_dir():
                    raise
                shutil.rmtree(place)

    @contextmanager
    def _incoming(self, chunks: Iterable[bytes]) -> Iterator[Path]:
        """A new file with that content, which is gone afterwards unless it was renamed."""
        self._make_folder(self._incoming_folder)
        new = self._incoming_folder / os.urandom(16).hex()
        try:
            with new.open("xb") as file:
                file.writelines(chunks)
                os.fchmod(file.fileno(), 0o644)
            self._sweep(now=new.stat().st_mtime)
            yield new
        finally:
            new.unlink(missing_ok=True)

    def _sweep(self, *, now: float) -> None:
        """Remove, once for each object, what killed processes left. `now` is by the clock of the file system."""
        if self._is_swept:
            return
        self._is_swept = True
        with suppress(OSError):  # whoever may not remove it leaves it to others
            for left in self._incoming_folder.iterdir():
                with suppress(OSError):
                    if now - left.stat().st_mtime > ABANDONED:
                        left.unlink()

    def _target(self, path: str) -> Path:
        target = self._folder / path
        self._make_folder(target.parent)
        return target

    def _make_folder(self, folder: Path) -> None:
        if folder.is_dir():
            return
        if not self._folder.is_dir():
            self._folder.mkdir(parents=True, exist_ok=True)
        if folder != self._folder:
            self._make_folder(folder.parent)
            folder.mkdir(exist_ok=True)
            with suppress(PermissionError):  # somebody else was quicker, or the file system has no modes
                folder.chmod(stat.S_IMODE(self._folder.stat().st_mode))

    @contextmanager
    def _translated(self, *, writing: bool = True) -> Iterator[None]:
        try:
            yield
        except OSError as error:
            raise translate_os_error(error, self._folder, writing=writing) from error


def check_digest(file: BinaryIO, digest: str, what: str) -> None:
    """Read a file to its end and raise DamagedError when its SHA-256 is another one."""
    actual = hashlib.sha256()
    while chunk := file.read(CHUNK):
        actual.update(chunk)
    if actual.hexdigest() != digest:
        raise damaged(what, digest)


def damaged(what: str, digest: str) -> DamagedError:
    """The error for content that is not what its digest says."""
    return DamagedError(
        f"{what} is damaged: it does not match its digest {digest[:12]}…",
        hint="share or import it again from where it is whole",
        details={"digest": digest},
    )


def _rename_if_free(new: Path, target: Path) -> bool:
    """For file systems without hard links (SMB, exFAT): renameat2(2) takes no name that is taken."""
    import ctypes

    rename = getattr(ctypes.CDLL(None, use_errno=True), "renameat2", None)
    if rename is None:
        raise OSError(errno.EOPNOTSUPP, "neither hard links nor exclusive renames are possible here", str(target))
    if rename(_AT_FDCWD, os.fsencode(new), _AT_FDCWD, os.fsencode(target), _RENAME_NOREPLACE) == 0:
        return True
    number = ctypes.get_errno()
    if number == errno.EEXIST:
        return False
    raise OSError(number, os.strerror(number), str(target))
