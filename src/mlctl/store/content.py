"""Files and folder trees, each stored once by its content.

    files/ab/cdef…          one file, by the SHA-256 of its bytes; read-only
    trees/ab/cdef….json     one folder tree: paths, file digests, modes; by the SHA-256 of this text
    stamps/                 what the files of a folder looked like when they were hashed (stamps.py); may be deleted
    incoming/               what is being written; left over only from killed processes

A file appears under its digest by a rename, complete or not at all, so any number of processes may add at once.
"""

from __future__ import annotations

import errno
import fcntl
import hashlib
import json
import os
import shutil
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import BinaryIO

from mlctl.errors import ConflictError, NotFoundError, UnavailableError
from mlctl.store.database import translate_os_error
from mlctl.store.snapshot import CHUNK, TreeEntry, hash_entries, walk
from mlctl.store.stamps import Stamps

# linux/fs.h: share the blocks of one file with another (btrfs, xfs, …).
_FICLONE = 0x40049409
_CANNOT_CLONE = (errno.EOPNOTSUPP, errno.EXDEV, errno.ENOTTY, errno.EINVAL, errno.ENOSYS, errno.EPERM)


@dataclass(frozen=True, slots=True)
class Snapshot:
    """A stored code folder. `digest` is for `materialise`; `folder_hash` is Azure ML's. `size` is bytes.

    `warnings`: a sentence for each thing that could not be taken.
    """

    digest: str
    folder_hash: str
    files: int
    size: int
    warnings: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class StoredEntry:
    """One entry of a stored tree; fields as of `TreeEntry`, with the `digest` of a file's content."""

    path: str
    kind: str
    digest: str = ""
    size: int = 0
    executable: bool = False
    target: str = ""


class ContentStore:
    """Content of one workspace, in `folder` (made on first use).

    Every method raises AuthError for what may not be read or written, and UnavailableError for a full disk.
    """

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._may_clone = hasattr(fcntl, "ioctl") and os.uname().sysname == "Linux"

    def add_folder(self, folder: Path) -> Snapshot:
        """Store a code folder without what its ignore file names. An unchanged folder is not read again."""
        started = time.time_ns()
        warnings: list[str] = []
        entries = list(walk(folder, skipped=warnings))
        stamps = Stamps.load(self._folder / "stamps", folder)
        known = stamps.known_tree(entries)
        if known is not None and self._is_whole(known[0]):
            digest, code_hash = known
        else:
            digest = self._add(entries, stamps)
            code_hash = hash_entries(entries)
            stamps.remember_tree(entries, digest, code_hash)
            with _translated(self._folder):
                stamps.save(entries, hashed_at=started)
        files = [entry.size for entry in entries if entry.kind == "file"]
        return Snapshot(digest, code_hash, len(files), sum(files), tuple(warnings))

    def add_tree(self, path: Path, *, progress: object = None) -> Snapshot:
        del progress
        return self.add_folder(path)

    def put_file(self, path: Path) -> str:
        """Store one file; returns its digest."""
        try:
            source = path.open("rb")
        except OSError as error:
            raise translate_os_error(error, path, writing=False) from error
        with source, _translated(self._folder):
            size = os.fstat(source.fileno()).st_size
            if size <= CHUNK:
                return self._put_bytes(source.read(), "files")
            digest = hashlib.sha256()
            _feed(digest, source)
            if self._holds(digest.hexdigest(), size):
                return digest.hexdigest()
            source.seek(0)
            return self._put_large(source)

    def has(self, digest: str) -> bool:
        """Whether a file or a tree of this digest is stored."""
        return self._place("files", digest).exists() or self._place("trees", digest).exists()

    def entries(self, digest: str) -> list[StoredEntry]:
        """What a stored tree holds. Raises NotFoundError, and UnavailableError when it is damaged."""
        try:
            data = self._place("trees", digest).read_bytes()
        except FileNotFoundError as error:
            raise NotFoundError(f"no snapshot {digest} in {self._folder}") from error
        except OSError as error:
            raise translate_os_error(error, self._folder, writing=False) from error
        if hashlib.sha256(data).hexdigest() != digest:
            raise self._damaged(digest)
        return [StoredEntry(**fields) for fields in json.loads(data)]

    def materialise(self, digest: str, target: Path, *, link: bool = False) -> None:
        """Write a stored tree into the folder `target`, which is made and must not hold any of the tree's files.

        The files are copies (sharing blocks where the file system can), so the stored ones cannot be changed through
        them. `link` makes hard links instead, for readers that never write; executable files are copied all the same.
        Raises NotFoundError, ConflictError when a file is in the way, UnavailableError when the store is damaged.
        """
        entries = self.entries(digest)
        with _translated(target, whole=False):
            target.mkdir(parents=True, exist_ok=True)
            made = {""}
            for entry in entries:
                parent = entry.path.rpartition("/")[0] if entry.kind != "folder" else entry.path
                if parent not in made:
                    (target / parent).mkdir(parents=True, exist_ok=True)
                    made.add(parent)
                if entry.kind == "link":
                    (target / entry.path).symlink_to(entry.target)
                elif entry.kind == "file":
                    self._write_out(entry, target / entry.path, link=link and not entry.executable)

    def file(self, digest: str) -> Path:
        """Where a stored file is, for reading only. Raises NotFoundError."""
        place = self._place("files", digest)
        if not place.exists():
            raise NotFoundError(f"no stored file {digest} in {self._folder}")
        return place

    def verify(self) -> list[str]:
        """The digests of files and trees whose content is not what it was, sorted. Reads everything."""
        broken = []
        for digest, path in self._stored("files"):
            with path.open("rb") as file:
                actual = hashlib.sha256()
                _feed(actual, file)
            if actual.hexdigest() != digest:
                broken.append(digest)
        for digest, path in self._stored("trees"):
            data = path.read_bytes()
            if hashlib.sha256(data).hexdigest() != digest:
                broken.append(digest)
                continue
            files = [fields for fields in json.loads(data) if fields["kind"] == "file"]
            if not all(self._holds(fields["digest"], fields["size"]) for fields in files):
                broken.append(digest)
        return sorted(broken)

    def _is_whole(self, digest: str) -> bool:
        """Whether a tree and all its files are there; a lost file is stored anew and not only missed by the job."""
        try:
            entries = self.entries(digest)
        except (NotFoundError, UnavailableError):
            return False
        return all(self._holds(entry.digest, entry.size) for entry in entries if entry.kind == "file")

    def _add(self, entries: list[TreeEntry], stamps: Stamps) -> str:
        lines = []
        for entry in entries:
            fields = {"path": entry.path, "kind": entry.kind}
            if entry.kind == "file":
                digest = stamps.known_file(entry)
                if digest is None or not self._holds(digest, entry.size):
                    digest = self.put_file(Path(entry.source))
                    stamps.remember_file(entry, digest)
                # The size as stored: the file may have grown since the walk.
                size = self._place("files", digest).stat().st_size
                fields |= {"digest": digest, "size": size, "executable": entry.executable}  # type: ignore[dict-item]
            elif entry.kind == "link":
                fields["target"] = entry.target
            lines.append(json.dumps(fields, sort_keys=True))
        with _translated(self._folder):
            return self._put_bytes(f"[{','.join(sorted(lines))}]".encode("ascii"), "trees")

    def _put_bytes(self, data: bytes, shelf: str) -> str:
        digest = hashlib.sha256(data).hexdigest()
        place = self._place(shelf, digest)
        if not _has_size(place, len(data)):
            with self._incoming() as (path, file):
                file.write(data)
                file.close()
                _move(path, place)
        return digest

    def _put_large(self, source: BinaryIO) -> str:
        # The digest is that of the copy: the source may be written to at this moment.
        digest = hashlib.sha256()
        with self._incoming() as (path, file):
            if self._clone(source.fileno(), file.fileno()):
                _feed(digest, file)
            else:
                while chunk := source.read(CHUNK):
                    digest.update(chunk)
                    file.write(chunk)
            file.close()
            _move(path, self._place("files", digest.hexdigest()))
        return digest.hexdigest()

    @contextmanager
    def _incoming(self) -> Iterator[tuple[Path, BinaryIO]]:
        folder = self._folder / "incoming"
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

    def _write_out(self, entry: StoredEntry, target: Path, *, link: bool) -> None:
        stored = self._place("files", entry.digest)
        if not _has_size(stored, entry.size):
            raise self._damaged(entry.digest)
        if link:
            try:
                target.hardlink_to(stored)
            except OSError as error:
                # Another disk, too many links, or a file system without them; a copy serves readers as well.
                if error.errno not in (errno.EXDEV, errno.EMLINK, errno.EPERM, errno.EOPNOTSUPP):
                    raise
            else:
                return
        # 0666 and 0777 less the caller's umask, as for any file that the caller makes.
        descriptor = os.open(target, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o777 if entry.executable else 0o666)
        with os.fdopen(descriptor, "wb") as copy, stored.open("rb") as source:
            if not self._clone(source.fileno(), copy.fileno()):
                shutil.copyfileobj(source, copy, CHUNK)

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

    def _holds(self, digest: str, size: int) -> bool:
        # The size tells a file that lost its content in a power cut; it is then stored anew.
        return _has_size(self._place("files", digest), size)

    def _place(self, shelf: str, digest: str) -> Path:
        suffix = ".json" if shelf == "trees" else ""
        return self._folder / shelf / digest[:2] / f"{digest[2:]}{suffix}"

    def _stored(self, shelf: str) -> Iterator[tuple[str, Path]]:
        for path in sorted((self._folder / shelf).glob("??/*")):
            yield path.parent.name + path.name.removesuffix(".json"), path

    def _damaged(self, digest: str) -> UnavailableError:
        return UnavailableError(
            f"the stored content {digest} in {self._folder} is damaged",
            hint="submit the job again from its code folder: what is damaged is stored anew",
        )


@contextmanager
def _translated(folder: Path, *, whole: bool = True) -> Iterator[None]:
    try:
        yield
    except FileExistsError as error:
        raise ConflictError(f"{error.filename2 or error.filename} is there already") from error
    except OSError as error:
        raise translate_os_error(error, folder, whole=whole) from error


def _feed(digest: hashlib._Hash, file: BinaryIO) -> None:
    while chunk := file.read(CHUNK):
        digest.update(chunk)


def _has_size(path: Path, size: int) -> bool:
    try:
        return path.stat().st_size == size
    except (FileNotFoundError, NotADirectoryError):
        return False


def _move(path: Path, place: Path) -> None:
    try:
        path.replace(place)
    except FileNotFoundError:
        place.parent.mkdir(parents=True, exist_ok=True)
        path.replace(place)
