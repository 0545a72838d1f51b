"""Files and folder trees, each stored once by its content.

    files/ab/cdef…          one file, by the SHA-256 of its bytes; read-only
    trees/ab/cdef….json     one folder tree: paths, file digests, modes; by the SHA-256 of this text
    stamps/                 what the files of a folder looked like when they were hashed (stamps.py); may be deleted
    incoming/               what is being written; left over only from killed processes
    lock                    held shared by who adds, alone by who removes (guard.py)

A file appears under its digest by a rename, complete or not at all, so any number of processes may add at once.
"""

from __future__ import annotations

import hashlib
import os
import time
from collections.abc import Iterable, Iterator, Sequence
from contextlib import AbstractContextManager, ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path

from mlctl.errors import NotFoundError, UnavailableError
from mlctl.store.asset_files import Meter, Progress, asset_entries
from mlctl.store.database import translate_os_error
from mlctl.store.guard import Guard
from mlctl.store.shelves import FILES, TREES, Shelves, digest_of, translated
from mlctl.store.snapshot import TreeEntry, has_changed, hash_entries, walk
from mlctl.store.stamps import Stamps
from mlctl.store.trees import StoredEntry, decode_tree, encode_tree, is_digest

_WORTH_THREADS = 64 * 1024 * 1024
_AT_ONCE = 256


@dataclass(frozen=True, slots=True)
class Snapshot:
    """A stored folder. `digest` is for `materialise`; `folder_hash` is Azure ML's, of code only. `size` is bytes.

    `warnings`: a sentence for each thing that could not be taken, or that should be known.
    """

    digest: str
    folder_hash: str
    files: int
    size: int
    warnings: tuple[str, ...] = ()


class ContentStore:
    """Content of one workspace, in `folder` (made on first use).

    What was added is safe from `mlctl gc` until `release`, or until the process ends; a block `adding()` says it
    exactly: it goes round the adding and the writing of the record that names the digest. And once an add returns, its
    content survives a power cut.

    Every method raises AuthError for what may not be read or written, and UnavailableError for a full disk.
    """

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self.shelves = Shelves(folder)
        self.guard = Guard(folder / "lock")

    def adding(self) -> AbstractContextManager[None]:
        """A block in which content is added and the record written that names it; see `Guard.adding`."""
        return self._guarded()

    def release(self) -> None:
        """What was added outside of `adding` has its records now."""
        self.guard.release()

    def add_folder(self, folder: Path) -> Snapshot:
        """Store a code folder without what its ignore file names. An unchanged folder is not read again."""
        started = time.time_ns()
        warnings: list[str] = []
        entries = list(walk(folder, skipped=warnings))
        stamps = Stamps.load(self._folder / "stamps", folder)
        self._keep()
        known = stamps.known_tree(entries)
        if known is not None and self.is_whole(known[0]):
            digest, code_hash = known
        else:
            digest = self._add(entries, stamps)
            code_hash = hash_entries(entries)
            self._finish(entries, stamps, digest, code_hash, started)
        return _snapshot(entries, digest, code_hash, warnings)

    def add_tree(self, path: Path, *, progress: Progress | None = None, may_leave: bool = True) -> Snapshot:
        """Store the files of an asset, from a folder or a single file. Unchanged ones are not read again.

        As in Azure ML the root's `.amlignore`, else `.gitignore`, applies, links are followed, and modes do not count.
        With `may_leave` false a link that leads out of the folder is refused: for folders that somebody else, such as
        a job, has filled; otherwise a warning names it. Raises NotFoundError, and UsageError for what cannot be taken.
        """
        started = time.time_ns()
        warnings: list[str] = []
        entries = asset_entries(path, warnings, may_leave=may_leave)
        stamps = Stamps.load(self._folder / "stamps", path, purpose="asset")
        total = sum(entry.size for entry in entries)
        self._keep()
        known = stamps.known_tree(entries)
        if known is not None and self.is_whole(known[0]):
            digest = known[0]
            if progress is not None:
                progress(total, total)
        else:
            digest = self._add(entries, stamps, Meter(total, progress))
            warnings += map(_told_changed, filter(has_changed, entries))
            self._finish(entries, stamps, digest, "", started)
        return _snapshot(entries, digest, "", warnings)

    def put_file(self, path: Path) -> str:
        """Store one file; returns its digest."""
        self._keep()
        with translated(self._folder):
            digest, _ = self.shelves.put_file(path)
            self.shelves.bring_to_disk()
        return digest

    def put_tree(self, entries: Iterable[StoredEntry]) -> str:
        """Store a tree of files that are stored already; returns its digest. Raises NotFoundError for one that is not.

        For trees that come from another store.
        """
        self._keep()
        data = encode_tree(entries)
        for entry in decode_tree(data):
            if entry.kind == "file" and not self.shelves.holds(entry.digest, entry.size):
                raise NotFoundError(f"no file {entry.digest} in {self._folder}, as {entry.path} needs it")
        with translated(self._folder):
            digest = self.shelves.put_bytes(data, TREES)
            self.shelves.bring_to_disk()
        return digest

    def has(self, digest: str) -> bool:
        """Whether a file or a tree of this digest is stored."""
        return is_digest(digest) and any(self.shelves.place(shelf, digest).exists() for shelf in (FILES, TREES))

    def entries(self, digest: str) -> list[StoredEntry]:
        """What a stored tree holds. Raises NotFoundError, and UnavailableError when it is damaged."""
        if not is_digest(digest):
            raise NotFoundError(f"no snapshot {digest} in {self._folder}")
        try:
            data = self.shelves.place(TREES, digest).read_bytes()
        except FileNotFoundError as error:
            raise NotFoundError(f"no snapshot {digest} in {self._folder}") from error
        except OSError as error:
            raise translate_os_error(error, self._folder, writing=False) from error
        if hashlib.sha256(data).hexdigest() != digest:
            raise self._damaged(digest)
        try:
            return decode_tree(data)
        except ValueError as error:
            raise UnavailableError(f"the stored tree {digest} in {self._folder} is refused: {error}") from error

    def materialise(self, digest: str, target: Path, *, link: bool = False) -> None:
        """Write a stored tree into the folder `target`, which is made and must not hold any of the tree's files.

        The files are copies (sharing blocks where the file system can), so the stored ones cannot be changed through
        them. `link` makes hard links instead, for readers that never write; executable files are copied all the same.
        Raises NotFoundError, ConflictError when a file is in the way, UnavailableError when the store is damaged.
        """
        entries = self.entries(digest)
        with translated(target, whole=False):
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
                    self.write_out(entry, target / entry.path, link=link and not entry.executable)

    def write_out(self, entry: StoredEntry, target: Path, *, link: bool = False) -> None:
        """One file of a stored tree as `target`. Raises OSError, and UnavailableError when the store is damaged."""
        if not self.shelves.holds(entry.digest, entry.size):
            raise self._damaged(entry.digest)
        self.shelves.write_out(entry.digest, target, executable=entry.executable, link=link)

    def is_whole(self, digest: str) -> bool:
        """Whether a tree and all its files are there, by their sizes."""
        try:
            entries = self.entries(digest)
        except (NotFoundError, UnavailableError):
            return False
        return all(self.shelves.holds(entry.digest, entry.size) for entry in entries if entry.kind == "file")

    def verify(self) -> list[str]:
        """The digests of files and trees whose content is not what it was, sorted. Reads everything."""
        broken = [digest for digest, path in self.shelves.stored(FILES) if digest_of(path) != digest]
        return sorted(broken + [digest for digest, _ in self.shelves.stored(TREES) if not self.is_whole(digest)])

    def _add(self, entries: list[TreeEntry], stamps: Stamps, meter: Meter | None = None) -> str:
        files = [entry for entry in entries if entry.kind == "file"]
        stored = [StoredEntry(entry.path, entry.kind, target=entry.target) for entry in entries if entry.kind != "file"]
        with translated(self._folder):
            for entry, (digest, size) in zip(files, self._put_all(files, stamps, meter or Meter()), strict=True):
                stamps.remember_file(entry, digest)
                # The size as stored: the file may have grown since the walk.
                stored.append(StoredEntry(entry.path, "file", digest, size, entry.executable))
            return self.shelves.put_bytes(encode_tree(stored), TREES)

    def _put_all(self, files: list[TreeEntry], stamps: Stamps, meter: Meter) -> Iterator[tuple[str, int]]:
        """Digest and size of each file, in order, stored where it is not yet."""

        def put(entry: TreeEntry) -> tuple[str, int]:
            known = stamps.known_file(entry)
            if known is not None and self.shelves.holds(known, entry.size):
                meter.count(entry.size)
                return known, entry.size
            expected = stamps.expected_file(entry)
            return self.shelves.put_file(Path(entry.source), expected=expected, count=meter.count)

        if len(files) == 1 or sum(entry.size for entry in files) < _WORTH_THREADS:
            yield from map(put, files)
            return
        from concurrent.futures import ThreadPoolExecutor

        with ThreadPoolExecutor(min(4, os.cpu_count() or 1)) as pool:
            try:
                # not all at once: what waits needs memory too
                for first in range(0, len(files), _AT_ONCE):
                    yield from pool.map(put, files[first : first + _AT_ONCE])
            except BaseException:
                meter.stop()  # or the pool would go on to the end of files of any size
                raise

    def _finish(self, entries: list[TreeEntry], stamps: Stamps, digest: str, folder_hash: str, started: int) -> None:
        with translated(self._folder):
            # In this order: what the stamps know is on the disk.
            self.shelves.bring_to_disk()
            stamps.remember_tree(entries, digest, folder_hash)
            stamps.save(entries, hashed_at=started)

    def _keep(self) -> None:
        with translated(self._folder):
            self.guard.keep()

    @contextmanager
    def _guarded(self) -> Iterator[None]:
        with ExitStack() as stack:
            with translated(self._folder):
                stack.enter_context(self.guard.adding())
            yield

    def _damaged(self, digest: str) -> UnavailableError:
        return UnavailableError(
            f"the stored content {digest} in {self._folder} is damaged",
            hint="submit the job, or create the asset, again from its files: what is damaged is stored anew; "
            "'mlctl workspace verify' says what else is",
        )


def _told_changed(entry: TreeEntry) -> str:
    return f"{entry.path} was written to while it was read: what is stored may be half old and half new"


def _snapshot(entries: Sequence[TreeEntry], digest: str, folder_hash: str, warnings: list[str]) -> Snapshot:
    files = [entry.size for entry in entries if entry.kind == "file"]
    return Snapshot(digest, folder_hash, len(files), sum(files), tuple(warnings))
