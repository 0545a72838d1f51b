"""Files are watched: whoever iterates over `changes` learns which files changed, as sets of paths.

By looking at sizes, times and inodes every now and then: that works on every disk, network drives and mounts into
containers included, where notices of the kernel do not.
"""

from __future__ import annotations

import os
import time
from collections.abc import Callable, Iterable, Iterator
from functools import partial
from pathlib import Path

POLL = 0.5
"""Seconds between two looks."""

SETTLE = 0.1
"""Seconds without a change after which a change is told: editors save in several steps."""

MOST_LOOKS = 20
"""A file that never rests is told after so many looks."""

SKIPPED = frozenset({"__pycache__", "node_modules", "site-packages"})
"""Folders that are not looked into; nor are those whose name starts with a dot."""

_Stamp = tuple[int, int, int]
_State = dict[Path, dict[Path, _Stamp]]
_Look = Callable[[], _State]


def is_yaml(name: str) -> bool:
    """Whether a file in a watched folder counts, by its name."""
    return name.lower().endswith((".yml", ".yaml")) and not name.startswith(".#")


def changes(
    paths: Iterable[Path],
    *,
    poll: float = POLL,
    settle: float = SETTLE,
    wanted: Callable[[str], bool] = is_yaml,
    sleep: Callable[[float], object] = time.sleep,
) -> Iterator[frozenset[Path]]:
    """Files that changed, appeared or vanished, each time some did; ends with Ctrl-C, and never by itself.

    Changes count from the call on, not from the first step of the iteration: call it before the files are read. What
    changes while the caller works on a set is in the next one.

    `paths`: files, watched whatever they are called and whether they are there or not, and folders, in which those with
    a `wanted` name are. It is gone through at every look, so that a list may get new members meanwhile; what a new
    member holds at the next look is where its changes start.
    """
    look = partial(_look, paths, wanted)
    return _changes(look, look(), poll, settle, sleep)


def _changes(
    look: _Look, before: _State, poll: float, settle: float, sleep: Callable[[float], object]
) -> Iterator[frozenset[Path]]:
    try:
        while True:
            sleep(poll)
            after = look()
            if _differing(before, after):
                after = _settled(look, after, settle, sleep)
            changed = _differing(before, after)
            before = after
            if changed:
                yield changed
    except KeyboardInterrupt:
        return


def _settled(look: _Look, seen: _State, settle: float, sleep: Callable[[float], object]) -> _State:
    """What is there once nothing has changed for a while."""
    for _ in range(MOST_LOOKS):
        sleep(settle)
        now = look()
        if now == seen:
            return now
        seen = now
    return seen


def _look(paths: Iterable[Path], wanted: Callable[[str], bool]) -> _State:
    """The stamps of all files, by the path that leads to them."""
    return {path: dict(_walk(path, wanted)) for path in list(paths)}


def _differing(before: _State, after: _State) -> frozenset[Path]:
    """Files whose stamps differ, below paths that were watched both times."""
    return frozenset(
        file
        for path in before.keys() & after.keys()
        for file in before[path].keys() | after[path].keys()
        if before[path].get(file) != after[path].get(file)
    )


def _walk(path: Path, wanted: Callable[[str], bool]) -> Iterator[tuple[Path, _Stamp]]:
    """The file at a path, or the wanted files in that folder and below; nothing where nothing is."""
    root = os.fspath(path)
    waiting = [root]
    while waiting:
        here = waiting.pop()
        try:
            with os.scandir(here) as entries:
                for entry in entries:
                    if entry.is_dir(follow_symlinks=False):
                        if not entry.name.startswith(".") and entry.name not in SKIPPED:
                            waiting.append(entry.path)
                    elif wanted(entry.name):
                        yield from _stamp(entry.path)
        except NotADirectoryError:
            if here is root:
                yield from _stamp(root)
        except OSError:
            continue  # it vanished meanwhile, or may not be looked into


def _stamp(path: str) -> Iterator[tuple[Path, _Stamp]]:
    try:
        found = os.stat(path)  # noqa: PTH116 - the entries of a scan are text
    except OSError:
        return
    yield Path(path), (found.st_mtime_ns, found.st_size, found.st_ino)
