"""Inputs that a job can read and not change, without copying them where the system allows it.

With the right to mount (root), each launch enters a mount namespace of its own in which the input is bound read-only at
its target. Without it, the target is a private copy (cheap where the file system shares blocks) without write rights:
either way the job sees the data at the same path, cannot change the original, and is told so when it tries.
"""

from __future__ import annotations

import os
import shutil
import sys
from collections.abc import Iterable
from pathlib import Path
from typing import Any

from mlctl.backends.supervised.materials import copy

_CLONE_NEWNS = 0x00020000
_MS_RDONLY, _MS_REMOUNT, _MS_BIND, _MS_REC, _MS_PRIVATE = 1, 32, 4096, 16384, 1 << 18


class ReadOnlyView:
    """The read-only inputs of one job. `mounts`: [{"source", "target", "read_only"}]; writable ones need nothing."""

    def __init__(self, mounts: Iterable[dict[str, Any]]) -> None:
        self._pairs = [(Path(m["source"]), Path(m["target"])) for m in mounts if m["read_only"]]
        self._bind = bool(self._pairs) and _may_mount()
        self.enter = self._enter if self._bind else None
        """What a child does between fork and exec; None when there is nothing to do."""

    def prepare(self) -> None:
        """Make the targets: empty places to bind over, or copies. Raises UnavailableError (no space)."""
        for source, target in self._pairs:
            target.parent.mkdir(parents=True, exist_ok=True)
            if not self._bind:
                _copy_read_only(source, target)
            elif source.is_dir():
                target.mkdir(exist_ok=True)
            else:
                target.touch()

    def close(self) -> None:
        """Remove copies."""
        for _source, target in [] if self._bind else self._pairs:
            _make_writable(target)
            if target.is_dir():
                shutil.rmtree(target, ignore_errors=True)
            else:
                target.unlink(missing_ok=True)

    def _enter(self) -> None:
        import ctypes

        libc = ctypes.CDLL(None, use_errno=True)
        _must(libc.unshare(_CLONE_NEWNS))
        _must(libc.mount(None, b"/", None, _MS_REC | _MS_PRIVATE, None))
        for source, target in self._pairs:
            to = os.fsencode(target)
            _must(libc.mount(os.fsencode(source), to, None, _MS_BIND | _MS_REC, None))
            _must(libc.mount(None, to, None, _MS_BIND | _MS_REMOUNT | _MS_RDONLY, None))


def _must(answer: int) -> None:
    if answer != 0:
        import ctypes

        number = ctypes.get_errno()
        raise OSError(number, f"mounting an input read-only: {os.strerror(number)}")


def _may_mount() -> bool:
    """Whether a child of this process may make a mount namespace: tried once, for real."""
    if sys.platform != "linux" or os.geteuid() != 0:
        return False
    import ctypes

    child = os.fork()
    if child == 0:
        code = 1
        try:
            libc = ctypes.CDLL(None)
            made = libc.unshare(_CLONE_NEWNS) == 0 and libc.mount(None, b"/", None, _MS_REC | _MS_PRIVATE, None) == 0
            code = 0 if made else 1
        finally:
            os._exit(code)
    return os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == 0


def _copy_read_only(source: Path, target: Path) -> None:
    copy(source, target, follow_links=True)
    for path in _below(target):
        path.chmod(path.stat().st_mode & ~0o222)


def _make_writable(target: Path) -> None:
    for path in _below(target):
        if path.is_dir():
            path.chmod(path.stat().st_mode | 0o700)


def _below(target: Path) -> Iterable[Path]:
    """The target and what is in it, parents first."""
    if target.is_dir():
        yield from (Path(folder) for folder, _, _ in os.walk(target))
        yield from (Path(folder) / name for folder, _, names in os.walk(target) for name in names)
    elif target.exists():
        yield target
