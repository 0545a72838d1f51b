"""What the files of a folder looked like when they were hashed, so that unchanged ones need not be read again.

One JSON file for each source folder. It is a cache: it may be deleted, and of two writers the last wins.
"""

from __future__ import annotations

import hashlib
import json
import os
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from mlctl.files import replace_file
from mlctl.store.snapshot import TreeEntry

RACY = 2_000_000_000
"""Nanoseconds: a file changed so shortly before it was hashed may change again with the same time stamp."""

_UNSETTLED = (0, 0, 0, 0)


class Stamps:
    """The stamps of one source folder. `load`, ask or remember, `save`."""

    def __init__(self, path: Path, known: dict[str, Any]) -> None:
        self._path = path
        self._source: str = known.get("source", "")
        self._tree: list[str] | None = known.get("tree")
        self._files: dict[str, list[Any]] = known.get("files", {})
        self._changed = False

    @classmethod
    def load(cls, folder: Path, source: Path, *, purpose: str = "") -> Stamps:
        """The stamps of `source` kept in `folder`; empty ones when there are none or they cannot be read.

        `purpose` tells two uses of one source apart that take different files of it.
        """
        name = hashlib.sha256(os.fsencode(source.absolute()) + purpose.encode()).hexdigest()[:32]
        path = folder / f"{name}.json"
        try:
            known = json.loads(path.read_bytes())
        except (OSError, ValueError):
            known = {}
        return cls(path, {**known, "source": os.fspath(source.absolute())})

    def known_tree(self, entries: Sequence[TreeEntry]) -> tuple[str, str] | None:
        """Digest and folder hash of exactly these entries, when all of them look as they did."""
        if self._tree is None or self._tree[0] != _signature(entries):
            return None
        return self._tree[1], self._tree[2]

    def known_file(self, entry: TreeEntry) -> str | None:
        """The digest of a file that looks as it did."""
        known = self._files.get(entry.path)
        if known is None or known[:-1] != [entry.size, *entry.stamp]:
            return None
        return str(known[-1])

    def expected_file(self, entry: TreeEntry) -> str | None:
        """The digest that a file probably has: it was hashed so shortly after a change that only reading it tells."""
        known = self._files.get(entry.path)
        return str(known[-1]) if known is not None and known[:-1] == [entry.size, *_UNSETTLED] else None

    def remember_tree(self, entries: Sequence[TreeEntry], digest: str, folder_hash: str) -> None:
        """Keep what `known_tree` answers."""
        self._tree = [_signature(entries), digest, folder_hash]
        self._changed = True

    def remember_file(self, entry: TreeEntry, digest: str) -> None:
        """Keep what `known_file` answers."""
        self._files[entry.path] = [entry.size, *entry.stamp, digest]
        self._changed = True

    def save(self, entries: Sequence[TreeEntry], *, hashed_at: int) -> None:
        """Write what was remembered of `entries`, as doubtful what changed within `RACY` of `hashed_at` (ns)."""
        if not self._changed:
            return
        files = {entry.path: self._files[entry.path] for entry in entries if entry.path in self._files}
        unsettled = [entry for entry in entries if max(entry.stamp[2:]) >= hashed_at - RACY]
        for entry in unsettled:
            if entry.path in files:
                files[entry.path] = [entry.size, *_UNSETTLED, files[entry.path][-1]]
        known = {"source": self._source, "tree": None if unsettled else self._tree, "files": files}
        self._path.parent.mkdir(parents=True, exist_ok=True)
        replace_file(self._path, json.dumps(known).encode("ascii"))


def forgotten_stamps(folder: Path) -> list[Path]:
    """The stamps in `folder` of sources that are not there any more, and what cannot be read."""
    return [path for path in sorted(folder.glob("*")) if not _has_source(path)]


def _has_source(path: Path) -> bool:
    try:
        return path.suffix == ".json" and Path(json.loads(path.read_bytes())["source"]).exists()
    except (OSError, ValueError, KeyError, TypeError):
        return False


def _signature(entries: Sequence[TreeEntry]) -> str:
    facts = [[entry.path, entry.kind, entry.size, entry.executable, entry.target, *entry.stamp] for entry in entries]
    return hashlib.sha256(json.dumps(facts).encode("ascii")).hexdigest()
