"""Finds and removes what no record of a workspace refers to.

What is seen first goes first, and each thing in one step: a view before its tree, a tree before its files. A process
that is killed on the way leaves things that nobody refers to, for the next time, and never half of one that is in use.
"""

from __future__ import annotations

import os
import shutil
import time
from collections.abc import Iterator
from contextlib import suppress
from dataclasses import dataclass
from glob import escape
from pathlib import Path

from mlctl.errors import UnavailableError
from mlctl.store.references import mentioned_digests
from mlctl.store.shelves import FILES, INCOMING, TREES, translated
from mlctl.store.stamps import forgotten_stamps
from mlctl.store.uploads import remove_upload, unfinished_uploads, uploads
from mlctl.store.workspaces import WorkspaceStore

UPLOAD, CONTENT, JOB_FOLDER, LEFTOVER, STAMPS = "upload", "content", "job folder", "leftover", "stamps"

_PREPARED = (".new-", ".old-")
_SAFE_AGE = 3600.0
"""Seconds: a folder that a job is prepared in lives for a fraction of one."""


@dataclass(frozen=True, slots=True)
class Rubbish:
    """One thing that nobody refers to. `size`: bytes that become free with it."""

    kind: str
    path: Path
    size: int
    digest: str = ""


def find_rubbish(store: WorkspaceStore) -> list[Rubbish]:
    """What would be removed, in that order. Things that are being added at this moment may be among it.

    Raises UnavailableError when a tree in use is damaged: its files are then
    not known.
    """
    kept = mentioned_digests(store.database)
    return [
        *_uploads(store, kept),
        *_content(store, kept),
        *_job_folders(store),
        *_leftovers(store),
        *(Rubbish(STAMPS, path, _size(path)) for path in forgotten_stamps(store.folder / "content" / "stamps")),
    ]


def remove_rubbish(store: WorkspaceStore, rubbish: list[Rubbish]) -> None:
    """Remove what `find_rubbish` found, while nobody may add (`Guard.alone`)."""
    with translated(store.folder):
        for thing in rubbish:
            if thing.kind == UPLOAD:
                remove_upload(store, thing.digest)
            elif thing.kind == JOB_FOLDER:
                _remove_job_folder(store, thing.path)
            elif thing.path.is_dir():
                remove_folder(thing.path)
            else:
                thing.path.unlink(missing_ok=True)


def folder_size(folder: Path) -> int:
    """Bytes that become free with a folder: files that are linked from elsewhere stay."""
    return sum(_size(Path(place, name)) for place, _, names in os.walk(folder) for name in names)


def remove_folder(folder: Path) -> None:
    """Remove a folder with all it holds, also what its owner may not write. Raises OSError."""
    for place, folders, _ in os.walk(folder):
        for name in (*folders, ""):
            with suppress(OSError):
                path = Path(place, name)
                if not path.is_symlink():
                    path.chmod(0o700)
    shutil.rmtree(folder)


def _uploads(store: WorkspaceStore, kept: set[str]) -> Iterator[Rubbish]:
    for digest, path in uploads(store):
        if digest not in kept:
            yield Rubbish(UPLOAD, path, folder_size(path), digest)


def _content(store: WorkspaceStore, kept: set[str]) -> Iterator[Rubbish]:
    shelves = store.content.shelves
    needed = set(kept)
    trees = []
    for digest, path in shelves.stored(TREES):
        if digest not in kept:
            trees.append(Rubbish(CONTENT, path, path.stat().st_size, digest))
            continue
        try:
            needed.update(entry.digest for entry in store.content.entries(digest))
        except UnavailableError as error:
            error.hint = "nothing was removed; 'mlctl workspace verify' says what to do"
            raise
    yield from trees
    for digest, path in shelves.stored(FILES):
        if digest not in needed:
            yield Rubbish(CONTENT, path, path.stat().st_size, digest)


def _job_folders(store: WorkspaceStore) -> Iterator[Rubbish]:
    folder = store.folder / "jobs"
    names = {row["name"] for row in store.database.each("SELECT name FROM jobs")}
    for path in sorted(folder.iterdir()) if folder.is_dir() else ():
        prepared = path.name.startswith(_PREPARED)
        if (prepared and time.time() - path.lstat().st_mtime > _SAFE_AGE) or (not prepared and path.name not in names):
            yield Rubbish(LEFTOVER if prepared else JOB_FOLDER, path, folder_size(path))


def _leftovers(store: WorkspaceStore) -> Iterator[Rubbish]:
    incoming = store.folder / "content" / INCOMING
    damaged = store.folder / "content" / "damaged"  # put aside by a repair
    for path in (*sorted(incoming.glob("*")), *sorted(damaged.glob("*")), *unfinished_uploads(store)):
        yield Rubbish(LEFTOVER, path, folder_size(path) if path.is_dir() else path.lstat().st_size)


def _remove_job_folder(store: WorkspaceStore, path: Path) -> None:
    """A folder without its job, and what MLflow kept of it."""
    aside = path.with_name(f".old-{os.urandom(8).hex()}")
    # whoever stores a job moves its folder within one transaction: so the folder is really nobody's
    with store.database.write() as connection:
        if connection.execute("SELECT 1 FROM jobs WHERE name = ?", (path.name,)).fetchone():
            return
        for run in (store.folder / "mlruns").glob(f"*/{escape(path.name)}/meta.yaml"):
            remove_folder(run.parent)
        path.rename(aside)
    remove_folder(aside)


def _size(path: Path) -> int:
    with suppress(OSError):
        status = path.lstat()
        return status.st_size if status.st_nlink == 1 else 0
    return 0
