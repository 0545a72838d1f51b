"""Which files make up an asset: the rules of Azure ML's uploads, and what is refused."""

from __future__ import annotations

import threading
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

from mlctl.errors import UsageError
from mlctl.store.snapshot import TreeEntry, walk

Progress = Callable[[int, int], None]
"""Told the bytes done and the bytes in all, again and again; from several threads, one at a time."""

_SHOWN = 3


class Meter:
    """Counts the bytes that several threads deal with, and makes them give up after `stop`."""

    def __init__(self, total: int = 0, progress: Progress | None = None) -> None:
        self._total = total
        self._progress = progress
        self._done = 0
        self._stopped = False
        self._lock = threading.Lock()

    def count(self, size: int) -> None:
        """So many bytes more are done. Raises InterruptedError after `stop`."""
        if self._stopped:
            raise InterruptedError
        if self._progress is not None:
            with self._lock:
                self._done += size
                self._progress(self._done, max(self._total, self._done))

    def stop(self) -> None:
        """Make every further `count` raise."""
        self._stopped = True


def asset_entries(path: Path, warnings: list[str], *, may_leave: bool) -> list[TreeEntry]:
    """The files of an asset, of a folder or a single file; see `ContentStore.add_tree`."""
    skipped: list[str] = []
    leaving: list[tuple[str, str]] = []
    entries = list(walk(path, skipped=skipped, leaving=leaving))
    if skipped:
        raise UsageError(
            f"{path}: {skipped[0].removesuffix('; it was left out')}",
            hint="an asset holds files and folders only: remove it, or name it in .amlignore",
        )
    for entry in entries:
        if entry.kind == "link":
            raise UsageError(
                f"{path}: the link {entry.path} points to {entry.target}, which is not there",
                hint="mend or remove it, or name it in .amlignore",
            )
    if leaving and not may_leave:
        link, target = leaving[0]
        raise UsageError(
            f"{path}: the link {link} leads out of the folder, to {target}",
            hint="replace it by a copy of what it points to",
        )
    if not any(entry.kind == "file" for entry in entries):
        raise UsageError(f"{path} holds no file", hint="an asset needs one file at least; look at its ignore file too")
    warnings += _remarks(path, leaving)
    # blob storage has no modes: the same files are the same asset, whatever they may be used for on this machine
    return [replace(entry, executable=False) if entry.executable else entry for entry in entries]


def _remarks(path: Path, leaving: list[tuple[str, str]]) -> list[str]:
    remarks = []
    if leaving:
        shown = ", ".join(f"{link} -> {target}" for link, target in leaving[:_SHOWN])
        more = f" and {len(leaving) - _SHOWN} more" if len(leaving) > _SHOWN else ""
        remarks.append(f"links lead out of {path}; what they point to was taken: {shown}{more}")
    if (path / ".git").exists():
        remarks.append(f"{path}/.git was left out")
    return remarks
