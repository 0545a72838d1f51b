"""Proves that a workspace is whole: every stored file is what its digest says, every record finds what it names.

Leftovers of killed processes are no problem: `mlctl gc` removes them.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

from mlctl.entities.asset import ASSET_KINDS, Asset
from mlctl.entities.lineage import JOB
from mlctl.errors import MlctlError, NotFoundError, UnavailableError
from mlctl.store.references import code_of_jobs, existing_nodes
from mlctl.store.shelves import FILES, TREES, digest_of, has_size, translated
from mlctl.store.uploads import UPLOADS, expose, is_single_file, remove_upload, uploads, uploads_folder
from mlctl.store.workspaces import WorkspaceStore

DATABASE, FILE, TREE, UPLOAD, LABEL, LINK = "database", "file", "tree", "upload", "label", "link"
"""Kinds of problems beside the kinds of assets, and `job`."""

_AGAIN = "create what needs it again from its files: what is missing is stored anew"


@dataclass(frozen=True, slots=True)
class Problem:
    """Something that is not as it should be. `fix`: what to do. `repairable`: whether `repair` mends it or helps."""

    kind: str
    name: str
    problem: str
    fix: str
    repairable: bool = False


class Inspection:
    """One look at a whole workspace. `quick`: by size only, without reading what files hold.

    `progress` is told the bytes that were read so far. Content that is added meanwhile is not looked at.
    """

    def __init__(
        self, store: WorkspaceStore, *, quick: bool = False, progress: Callable[[int], None] | None = None
    ) -> None:
        self._store = store
        self._content = store.content
        self._quick = quick
        self._progress = progress
        self._damaged: set[str] = set()
        self.files = 0
        self.bytes = 0

    def problems(self) -> Iterator[Problem]:
        """Every problem, the database's first. Raises AuthError for what may not be read."""
        yield from self._database()
        with translated(self._store.folder):
            yield from self._files()
            yield from self._trees()
            yield from self._assets()
            yield from self._jobs()
            yield from self._uploads()
        yield from self._names()

    def _database(self) -> Iterator[Problem]:
        fix = "restore the workspace's folder from a backup"
        for row in self._store.database.read("PRAGMA quick_check" if self._quick else "PRAGMA integrity_check"):
            if row[0] != "ok":
                yield Problem(DATABASE, self._store.database.path.name, str(row[0]), fix)
        for row in self._store.database.read("PRAGMA foreign_key_check"):
            yield Problem(DATABASE, str(row[0]), f"row {row[1]} belongs to a row of {row[2]} that is not there", fix)

    def _files(self) -> Iterator[Problem]:
        for digest, path in self._content.shelves.stored(FILES):
            self.files += 1
            if self._quick:
                continue
            if not self._holds(path, digest):
                self._damaged.add(digest)
                fix = f"with --repair it is put aside; then {_AGAIN}; {self._users(digest)}"
                yield Problem(FILE, digest, "its content has changed", fix, repairable=True)

    def _trees(self) -> Iterator[Problem]:
        for digest, _ in self._content.shelves.stored(TREES):
            try:
                entries = self._content.entries(digest)
            except NotFoundError:
                continue  # removed meanwhile
            except UnavailableError as error:
                yield Problem(TREE, digest, error.message, f"with --repair it is put aside; then {_AGAIN}", True)
                continue
            lost = [e.path for e in entries if e.kind == "file" and not self._content.shelves.holds(e.digest, e.size)]
            if lost:
                shown = ", ".join(lost[:3]) + (f" and {len(lost) - 3} more" if len(lost) > 3 else "")
                yield Problem(
                    TREE, digest, f"files are missing or cut off: {shown}", f"{_AGAIN}; {self._users(digest)}"
                )

    def _assets(self) -> Iterator[Problem]:
        for asset in self._store.assets.all():
            if asset.content is None:
                continue
            if not self._content.has(asset.content):
                yield Problem(asset.kind, _name(asset), f"its files, tree {asset.content}, are missing", _AGAIN)
            elif (place := shown_place(self._store, asset)) is not None and not place.exists():
                fix = "with --repair they are shown again"
                yield Problem(asset.kind, _name(asset), f"its files are not shown in {place}", fix, repairable=True)

    def _jobs(self) -> Iterator[Problem]:
        for name, digest in code_of_jobs(self._store.database):
            if digest is not None and not self._content.has(digest):
                yield Problem(JOB, name, f"its code, tree {digest}, is missing", "submit it again from its code folder")
            if not self._store.job_folder(name).is_dir():
                yield Problem(JOB, name, "its folder is missing", "restore it from a backup, or archive the job")

    def _uploads(self) -> Iterator[Problem]:
        for digest, folder in uploads(self._store):
            with suppress(NotFoundError, UnavailableError):  # a tree's own problem was told
                for shown in sorted(folder.iterdir()):
                    wrong = self._wrong_in(digest, shown)
                    if wrong:
                        yield Problem(UPLOAD, f"{digest}/{shown.name}", wrong, "with --repair it is made again", True)

    def _wrong_in(self, digest: str, shown: Path) -> str | None:
        entries = self._content.entries(digest)
        single = is_single_file(entries, shown.name)
        for entry in (entry for entry in entries if entry.kind == "file"):
            place = shown if single else shown / entry.path
            stored = self._content.shelves.place(FILES, entry.digest)
            if not has_size(place, entry.size):
                return f"{entry.path} is missing or has another size"
            if entry.digest in self._damaged or self._quick:
                continue
            if not (stored.exists() and place.samefile(stored)) and not self._holds(place, entry.digest):
                return f"{entry.path} holds something else"
        known = {entry.path for entry in entries}
        for path, _, names in os.walk(shown):
            for name in names:
                inner = os.path.relpath(Path(path, name), shown)
                if inner not in known:
                    return f"{inner} does not belong there"
        return None

    def _names(self) -> Iterator[Problem]:
        existing = existing_nodes(self._store.database)
        for row in self._store.database.each("SELECT downstream, upstream FROM links"):
            for node in (row["downstream"], row["upstream"]):
                if node.partition("/")[0] in (*ASSET_KINDS, JOB) and node not in existing:
                    told = f"{row['downstream']} was made with {row['upstream']}, but {node} is not there"
                    yield Problem(LINK, node, told, "restore the workspace's folder from a backup, or live without it")
        for row in self._store.database.each("SELECT kind, name, label, version FROM asset_labels"):
            if f"{row['kind']}/{row['name']}/{row['version']}" not in existing:
                told = f"points to version {row['version']}, which is not there"
                fix = f"point it to another version, or remove it: mlctl {row['kind']} label"
                yield Problem(LABEL, f"{row['kind']} {row['name']}@{row['label']}", told, fix)

    def _holds(self, path: Path, digest: str) -> bool:
        def count(size: int) -> None:
            self.bytes += size
            if self._progress is not None:
                self._progress(self.bytes)

        try:
            return digest_of(path, count) == digest
        except FileNotFoundError:
            return True  # removed meanwhile; a tree that misses it says so

    def _users(self, digest: str) -> str:
        """Which assets and jobs a file or a tree belongs to."""
        trees = {digest}
        for tree, _ in self._content.shelves.stored(TREES):
            with suppress(MlctlError):
                trees.update(tree for entry in self._content.entries(tree) if entry.digest == digest)
        users = [f"{asset.kind} {_name(asset)}" for asset in self._store.assets.all() if asset.content in trees]
        users += [f"job {name}" for name, code in code_of_jobs(self._store.database) if code in trees]
        if not users:
            return "nothing needs it, 'mlctl gc' removes it"
        return f"needed by {', '.join(users[:5])}{' …' if len(users) > 5 else ''}"


def repair(store: WorkspaceStore) -> list[str]:
    """Mend what can be mended; returns a sentence for each thing done.

    Damaged content is put aside, so that it can be stored anew; it is, where the files of an asset are still shown.
    Then assets are shown again whose files are not shown right. Waits for those who add.
    """
    found = list(Inspection(store).problems())
    done = []
    with translated(store.folder), store.content.guard.alone():
        for problem in found:
            if problem.kind in (FILE, TREE) and problem.repairable:
                _put_aside(store, FILES if problem.kind == FILE else TREES, problem.name)
                done.append(f"{problem.kind} {problem.name} was put aside in {store.folder / 'content' / 'damaged'}")
    for digest, folder in uploads(store):
        for shown in sorted(folder.iterdir()):
            if not store.content.is_whole(digest) and _stored_anew(store, shown, digest):
                done.append(f"tree {digest} was stored anew from {shown}")
    with translated(store.folder), store.content.guard.alone():
        for digest in {problem.name.partition("/")[0] for problem in found if problem.kind == UPLOAD}:
            if store.content.is_whole(digest):
                remove_upload(store, digest)
    for asset in store.assets.all():
        place = shown_place(store, asset)
        if place is not None and not place.exists() and store.content.is_whole(asset.content or ""):
            done.append(f"{asset.kind} {_name(asset)} is shown in {expose(store, asset.content or '', place.name)}")
    store.content.release()
    return done


def shown_place(store: WorkspaceStore, asset: Asset) -> Path | None:
    """Where the files of an asset are shown, None when it has no own ones."""
    name = (asset.path or "").rstrip("/").rpartition("/")[2]
    if not asset.content or f"/paths/{UPLOADS}/{asset.content}/" not in (asset.path or ""):
        return None
    return uploads_folder(store) / asset.content / name


def _stored_anew(store: WorkspaceStore, shown: Path, digest: str) -> bool:
    """Whether what is shown is the tree of that digest; it is stored then."""
    try:
        return store.content.add_tree(shown, may_leave=False).digest == digest
    except MlctlError:
        return False


def _put_aside(store: WorkspaceStore, shelf: str, digest: str) -> None:
    place = store.content.shelves.place(shelf, digest)
    aside = store.folder / "content" / "damaged" / digest
    aside.parent.mkdir(exist_ok=True)
    with suppress(FileNotFoundError):
        place.rename(aside)


def _name(asset: Asset) -> str:
    return f"{asset.name}:{asset.version}"
