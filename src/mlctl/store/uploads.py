"""What a datastore shows of the content store: the files of assets, where Azure ML puts what is uploaded.

    <datastore>/LocalUpload/<tree digest>/<name>    the files, as hard links that nobody may write
    <datastore>/LocalUpload/.new/                   what is being made; left over only from killed processes

So whatever reads a datastore reads assets. A view appears by a rename, whole or not at all, and can be made again from
the content store at any time.
"""

from __future__ import annotations

import errno
import os
import re
import shutil
from collections.abc import Iterable, Iterator
from pathlib import Path

from mlctl.errors import UsageError
from mlctl.store.content import ContentStore
from mlctl.store.durable import bring_to_disk
from mlctl.store.shelves import translated
from mlctl.store.trees import StoredEntry, is_digest
from mlctl.store.workspaces import WorkspaceStore

UPLOADS = "LocalUpload"
"""The folder of a datastore, as in Azure ML."""

UPLOAD_DATASTORE = "workspaceblobstore"

_NEW = ".new"
_WHOLE = re.compile(rf"azureml://datastores/[^/]+/paths/{UPLOADS}/([0-9a-f]{{64}})/([^/]+)/?")
_ADDRESS = re.compile(rf"{UPLOADS}/([0-9a-f]{{64}})/")


def expose(store: WorkspaceStore, digest: str, name: str) -> Path:
    """Show a stored tree as `LocalUpload/<digest>/<name>`; returns that path. Any number of processes may do so.

    `name` becomes a file when the tree is one file of that name, else a folder. Files are hard links to the content,
    or copies where there can be none; nobody may write them. What is shown already stays as it is. Raises NotFoundError
    and UnavailableError for content that is missing or damaged, UsageError for a name that is none.
    """
    if not is_name(name):
        raise UsageError(f"{name!r} cannot be the name of a file or folder")
    root = uploads_folder(store)
    target = root / digest / name
    if target.exists():
        return target
    entries = store.content.entries(digest)
    temporary = root / _NEW / os.urandom(8).hex()
    with translated(store.folder), store.content.adding():
        temporary.parent.mkdir(parents=True, exist_ok=True)
        try:
            copies = _write(store.content, entries, temporary, name)
            bring_to_disk(copies)
            target.parent.mkdir(exist_ok=True)
            _publish(temporary, target)
        finally:
            _remove(temporary)
    return target


def address(digest: str, name: str) -> str:
    """The address of what `expose` shows."""
    return f"azureml://datastores/{UPLOAD_DATASTORE}/paths/{UPLOADS}/{digest}/{name}"


def shown_content(store: WorkspaceStore, address: str) -> str | None:
    """The digest of the stored tree that an address shows as a whole, as the path that `show` prints does; or None."""
    found = _WHOLE.fullmatch(address)
    return found[1] if found and (uploads_folder(store) / found[1] / found[2]).exists() else None


def uploads_folder(store: WorkspaceStore) -> Path:
    """Where the views of a workspace are, whether or not there are any."""
    return store.folder / "datastores" / UPLOAD_DATASTORE / UPLOADS


def uploads(store: WorkspaceStore) -> Iterator[tuple[str, Path]]:
    """Digest and folder of everything that is shown, in order."""
    root = uploads_folder(store)
    for path in sorted(root.iterdir()) if root.is_dir() else ():
        if is_digest(path.name):
            yield path.name, path


def unfinished_uploads(store: WorkspaceStore) -> list[Path]:
    """What killed processes left, when nobody is adding."""
    folder = uploads_folder(store) / _NEW
    return sorted(folder.iterdir()) if folder.is_dir() else []


def remove_upload(store: WorkspaceStore, digest: str) -> None:
    """Take a view away, out of sight in one step. Raises OSError."""
    aside = uploads_folder(store) / _NEW / os.urandom(8).hex()
    aside.parent.mkdir(parents=True, exist_ok=True)
    (uploads_folder(store) / digest).rename(aside)
    _remove(aside)


def digests_in(text: str) -> set[str]:
    """The digests of the uploads that addresses or paths in a text mean."""
    return set(_ADDRESS.findall(text))


def is_name(name: str) -> bool:
    """Whether a text can be the name of one file."""
    return name not in ("", ".", "..") and "/" not in name and "\0" not in name and len(os.fsencode(name)) <= 255


def is_single_file(entries: Iterable[StoredEntry], name: str) -> bool:
    """Whether a tree is one file of that name, and so an asset that is a file."""
    return [(entry.kind, entry.path) for entry in entries] == [("file", name)]


def _write(content: ContentStore, entries: list[StoredEntry], target: Path, name: str) -> list[Path]:
    """Write the tree; returns the files that became copies."""
    if is_single_file(entries, name):
        places = [(entries[0], target)]
    else:
        target.mkdir()
        places = [(entry, target / entry.path) for entry in entries]
    copies = []
    for entry, place in places:
        if entry.kind == "folder":
            place.mkdir(parents=True, exist_ok=True)
            continue
        place.parent.mkdir(parents=True, exist_ok=True)
        if entry.kind == "link":
            place.symlink_to(entry.target)
            continue
        content.write_out(entry, place, link=not entry.executable)
        status = place.stat()
        if status.st_mode & 0o222:
            place.chmod(0o555 if entry.executable else 0o444)
            copies.append(place)
    return copies


def _publish(temporary: Path, target: Path) -> None:
    try:
        # a folder never takes the place of one that holds something; a file that is replaced is the same file
        temporary.rename(target)
    except OSError as error:
        if error.errno not in (errno.EEXIST, errno.ENOTEMPTY):
            raise  # else another process was faster


def _remove(path: Path) -> None:
    if path.is_dir() and not path.is_symlink():
        shutil.rmtree(path, ignore_errors=True)
    else:
        path.unlink(missing_ok=True)
