"""Files and trees by their content, as `store/content.py` lays them out, in any place that keeps files.

So a workspace's content, a registry in a folder and one behind a URL are the same to whoever copies. Nothing that comes
from a registry is trusted: files are checked against their digests, trees also for paths that lead out of them.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterable, Iterator
from pathlib import PurePosixPath
from typing import Any, BinaryIO

from mlctl.errors import NotFoundError, UnavailableError
from mlctl.registry.files import DamagedError, Files, damaged
from mlctl.store import trees
from mlctl.store.snapshot import CHUNK
from mlctl.store.trees import StoredEntry


class Content:
    """Content below an address."""

    def __init__(self, files: Files) -> None:
        self._files = files

    @property
    def address(self) -> str:
        """Where it is, for people."""
        return self._files.address

    def has_file(self, digest: str, size: int) -> bool:
        """Whether a file is there, of that size: one that lost its end in a power cut does not count."""
        return self._files.size(_place("files", digest)) == size

    def has_tree(self, digest: str) -> bool:
        """Whether a tree is there."""
        return self._files.size(_place("trees", digest)) is not None

    def open_file(self, digest: str) -> BinaryIO:
        """A file, to be read; who reads it checks the digest. Raises DamagedError when it is not there."""
        try:
            return self._files.open(_place("files", digest))
        except NotFoundError as error:
            raise damaged(f"content in {self.address}", digest) from error

    def put_file(self, digest: str, chunks: Iterable[bytes]) -> None:
        """Write a file, and read it again to see that it is right. Raises DamagedError; then it has not appeared."""
        self._files.receive(_place("files", digest), chunks, digest)

    def read_tree(self, digest: str) -> bytes:
        """A tree as it is stored, checked. Raises DamagedError."""
        data = self._files.read(_place("trees", digest))
        if data is None or hashlib.sha256(data).hexdigest() != digest:
            raise damaged(f"a tree in {self.address}", digest)
        return data

    def put_tree(self, digest: str, data: bytes) -> None:
        """Write a tree; all of its files are there already."""
        self._files.receive(_place("trees", digest), [data], digest)

    def settle(self, digests: Iterable[str]) -> None:
        """Come back when these files would outlive a power cut."""
        self._files.settle(_place("files", digest) for digest in digests)


def copy_tree(digest: str, source: Content, target: Content) -> None:
    """Copy a tree with its files; what is there already is not read. The tree is written last.

    Raises DamagedError when a file is not what its digest says, before or after it was copied.
    """
    data = source.read_tree(digest)
    sizes = tree_files(data, digest)
    lacking = [found for found, size in sizes.items() if not target.has_file(found, size)]
    for found in lacking:
        with source.open_file(found) as file:
            target.put_file(found, read_checked(file, found, f"content in {source.address}"))
    target.settle(lacking)
    if not target.has_tree(digest):
        target.put_tree(digest, data)


def read_checked(file: BinaryIO, digest: str, what: str) -> Iterator[bytes]:
    """The file in pieces; raises DamagedError in place of the end when they are not what the digest says.

    Raises UnavailableError when it cannot be read, so that nobody takes it for an error of the place they go to.
    """
    actual = hashlib.sha256()
    while chunk := _read(file, what):
        actual.update(chunk)
        yield chunk
    if actual.hexdigest() != digest:
        raise damaged(what, digest)


def _read(file: BinaryIO, what: str) -> bytes:
    try:
        return file.read(CHUNK)
    except OSError as error:
        raise UnavailableError(f"cannot read {what}: {error.strerror or error}", hint="check where it lies") from error


def tree_files(data: bytes, digest: str) -> dict[str, int]:
    """Digest -> size of the files of a stored tree.

    Raises DamagedError for a tree that could write outside of the folder it is put into.
    """
    sizes: dict[str, int] = {}
    kinds: dict[str, str] = {}
    for entry in tree_entries(data, digest):
        if entry.path in kinds:
            raise _unsafe(f"'{entry.path}' stands in it twice", digest)
        _check_path(entry, digest)
        kinds[entry.path] = entry.kind
        if entry.kind == "file":
            sizes[entry.digest] = entry.size
    for path in kinds:
        above = next((str(parent) for parent in PurePosixPath(path).parents if kinds.get(str(parent)) is not None), "")
        if above and kinds[above] != "folder":
            raise _unsafe(f"'{path}' is below '{above}', which is a {kinds[above]}", digest)
    return sizes


def tree_entries(data: bytes, digest: str) -> list[StoredEntry]:
    """What a stored tree holds. Raises DamagedError for data that is none."""
    try:
        entries = [StoredEntry(**fields) for fields in json.loads(data)]
    except (ValueError, TypeError, RecursionError) as error:
        raise _unsafe("it cannot be read", digest) from error
    for entry in entries:
        if not _is_sound(entry):
            raise _unsafe(f"it has an entry that means nothing: {entry.path!r}", digest)
    return entries


def is_digest(value: Any) -> bool:
    """Whether a value is a SHA-256 in hexadecimal digits, as names of files are made of."""
    return isinstance(value, str) and trees.is_digest(value)


def _is_sound(entry: StoredEntry) -> bool:
    facts: tuple[Any, ...] = (entry.path, entry.target, entry.digest, entry.size, entry.executable)
    if [type(fact) for fact in facts] != [str, str, str, int, bool]:
        return False
    if entry.kind == "file":
        return is_digest(entry.digest) and entry.size >= 0
    return entry.kind in ("folder", "link")


def _check_path(entry: StoredEntry, digest: str) -> None:
    if not is_inside(entry.path):
        raise _unsafe(f"the path '{entry.path}' leads out of it", digest)
    if entry.kind == "link":
        # Up first, then down: `..` behind a name could start at another place when that name is a link.
        steps = PurePosixPath(entry.target).parts
        up = next((number for number, step in enumerate(steps) if step != ".."), len(steps))
        if "/" in steps[:1] or ".." in steps[up:] or up > entry.path.count("/"):
            raise _unsafe(f"the link '{entry.path}' leads out of it, to '{entry.target}'", digest)


def is_inside(path: str) -> bool:
    """Whether a relative path stays where it starts, and is written in the plainest way."""
    parts = path.split("/")
    return "\0" not in path and not any(part in ("", ".", "..") for part in parts)


def _unsafe(reason: str, digest: str) -> DamagedError:
    return DamagedError(
        f"the tree {digest[:12]}… is refused: {reason}",
        hint="a shared tree holds files, folders and links that stay inside",
        details={"digest": digest},
    )


def _place(shelf: str, digest: str) -> str:
    if not is_digest(digest):
        raise damaged("a record", str(digest))
    return f"{shelf}/{digest[:2]}/{digest[2:]}{'.json' if shelf == 'trees' else ''}"
