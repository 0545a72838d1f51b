"""The files of a code folder, as a job gets them, and Azure ML's own hash of them.

What is taken is what Azure ML takes: everything that the root's ignore file does not name, symbolic links as the
files and folders that they point to. `.git` is never taken: the facts about the commit are kept with the job (git.py).
"""

from __future__ import annotations

import errno
import hashlib
import os
import stat
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path

from mlctl.errors import NotFoundError
from mlctl.store.database import translate_os_error
from mlctl.store.ignore import IgnoreRules, read_ignore_rules

CHUNK = 1024 * 1024
"""Bytes read at once: files may be larger than the memory."""

FOLDER_HASH_VERSION = "202208"
"""Azure ML's number for the algorithm of `folder_hash`."""


@dataclass(frozen=True, slots=True)
class TreeEntry:
    """One file, empty folder or broken link of a tree.

    `path`: relative, with `/` (odd bytes as surrogates). `source`: where the content is, links resolved by the system.
    `kind`: file, folder (an empty one) or link (one that points nowhere; `target` is its text). Sizes are bytes.
    """

    path: str
    source: str
    kind: str = "file"
    size: int = 0
    executable: bool = False
    target: str = ""
    stamp: tuple[int, int, int, int] = (0, 0, 0, 0)
    """Device, inode, mtime and ctime in nanoseconds: a change of the content changes one of them."""


def walk(
    folder: Path, *, skipped: list[str] | None = None, leaving: list[tuple[str, str]] | None = None
) -> Iterator[TreeEntry]:
    """The tree of a folder in a fixed order. Ignored folders are not entered. `folder` may also be a single file.

    What cannot be taken (devices, pipes, sockets, links that lead back into themselves) is left out, and a sentence
    about it is added to `skipped`. Links that lead out of the folder are added to `leaving`, with where they lead.
    Raises NotFoundError and AuthError.
    """
    sentences = skipped if skipped is not None else []
    root = os.fspath(folder.absolute())
    try:
        status = Path(root).stat()
    except FileNotFoundError as error:
        raise NotFoundError(f"there is no folder {folder}", hint="check the path") from error
    except OSError as error:
        raise translate_os_error(error, folder, writing=False) from error
    if not stat.S_ISREG(status.st_mode) and not stat.S_ISDIR(status.st_mode):
        sentences.append(_not_taken(folder.name, status))
        return
    if not stat.S_ISDIR(status.st_mode):
        yield _file_entry(folder.absolute().name, root, status)
        return
    rules = read_ignore_rules(folder)
    # A stack instead of recursion: folders may be nested deeper than Python's limit.
    waiting = [("", root, frozenset({(status.st_dev, status.st_ino)}))]
    while waiting:
        prefix, place, above = waiting.pop()
        folders: list[tuple[str, str, frozenset[tuple[int, int]]]] = []
        empty = True
        for name, is_link in _names(place, prefix, rules):
            entry = _look(prefix + name, f"{place}/{name}", is_link, rules, sentences)
            if entry is None:
                continue
            empty = False
            if is_link and leaving is not None and (target := _outside(f"{place}/{name}", root)):
                leaving.append((prefix + name, target))
            if isinstance(entry, TreeEntry):
                yield entry
                continue
            identity = (entry.st_dev, entry.st_ino)
            if identity in above:
                sentences.append(f"the link {prefix}{name} leads back into a folder that holds it; it was left out")
            else:
                folders.append((f"{prefix}{name}/", f"{place}/{name}", above | {identity}))
        if empty and prefix:
            yield TreeEntry(prefix[:-1], place, kind="folder")
        waiting += reversed(folders)


def has_changed(entry: TreeEntry) -> bool:
    """Whether a file is no longer what it was when the tree was walked."""
    if entry.kind != "file":
        return False
    try:
        status = Path(entry.source).stat()
    except OSError:
        return True
    return (status.st_size, status.st_mtime_ns) != (entry.size, entry.stamp[2])


def folder_hash(folder: Path) -> str:
    """Azure ML's content hash of a code folder (`azureml.codeHash` version 202208), 64 hexadecimal digits.

    The contract is `get_content_hash` of azure-ai-ml 1.35, `_utils/_asset_utils.py`. Raises as `walk`.
    """
    return hash_entries(walk(folder))


def hash_entries(entries: Iterable[TreeEntry]) -> str:
    """`folder_hash` of a tree that was walked already.

    SHA-256 of: the number of files; for each file by lower-case path `#path#` and its size; then every content in the
    same order. Empty folders do not count.
    """
    files = sorted((entry for entry in entries if entry.kind == "file"), key=lambda entry: entry.path)
    files.sort(key=lambda entry: entry.path.lower())
    digest = hashlib.sha256(str(len(files)).encode())
    for entry in files:
        digest.update(os.fsencode(f"#{entry.path}#") + str(entry.size).encode())
    for entry in files:
        try:
            with Path(entry.source).open("rb") as file:
                while chunk := file.read(CHUNK):
                    digest.update(chunk)
        except OSError as error:
            raise translate_os_error(error, Path(entry.source), writing=False) from error
    return digest.hexdigest()


def _names(place: str, prefix: str, rules: IgnoreRules) -> list[tuple[str, bool]]:
    """Name and whether it is a link, sorted, of what is not ignored; costs no look at the files themselves."""
    try:
        with os.scandir(place) as entries:
            kept = [
                (entry.name, entry.is_symlink())
                for entry in entries
                # What a link points to decides whether `name/` means it; that is looked at later.
                if entry.name != ".git"
                and not rules.ignores(prefix + entry.name, is_folder=entry.is_dir(follow_symlinks=False))
            ]
    except OSError as error:
        raise translate_os_error(error, Path(place), writing=False) from error
    return sorted(kept)


def _look(
    path: str, place: str, is_link: bool, rules: IgnoreRules, sentences: list[str]
) -> TreeEntry | os.stat_result | None:
    """An entry, or the facts of a folder to enter, or None for what is not taken."""
    try:
        status = Path(place).stat()
    except OSError as error:
        if not is_link or error.errno not in (errno.ENOENT, errno.ENOTDIR, errno.ELOOP):
            raise translate_os_error(error, Path(place), writing=False) from error
        return TreeEntry(path, place, kind="link", target=str(Path(place).readlink()))
    if stat.S_ISDIR(status.st_mode):
        return None if is_link and rules.ignores(path, is_folder=True) else status
    if stat.S_ISREG(status.st_mode):
        return _file_entry(path, place, status)
    sentences.append(_not_taken(path, status))
    return None


def _not_taken(path: str, status: os.stat_result) -> str:
    return f"{path} is not a file but a {_kind(status.st_mode)}; it was left out"


def _outside(place: str, root: str) -> str | None:
    """Where a link leads, when that is outside of the root."""
    target, inside = os.path.realpath(place), os.path.realpath(root)
    return None if target == inside or target.startswith(inside.rstrip("/") + "/") else target


def _file_entry(path: str, place: str, status: os.stat_result) -> TreeEntry:
    stamp = (status.st_dev, status.st_ino, status.st_mtime_ns, status.st_ctime_ns)
    return TreeEntry(path, place, size=status.st_size, executable=bool(status.st_mode & 0o100), stamp=stamp)


def _kind(mode: int) -> str:
    if stat.S_ISFIFO(mode):
        return "named pipe"
    return "socket" if stat.S_ISSOCK(mode) else "device"
