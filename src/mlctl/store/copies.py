"""Folders that somebody else filled, copied: with their links as links, and without what is no file."""

from __future__ import annotations

import os
import stat
from collections.abc import Callable, Sequence
from pathlib import Path

from mlctl.errors import UsageError


def refuse_leaving_links(folder: Path) -> None:
    """Raise UsageError when a link in a folder would lead out of a copy of it."""
    root = os.path.realpath(folder)
    for place, folders, names in os.walk(root):
        for name in (*folders, *names):
            link = Path(place, name)
            if not link.is_symlink():
                continue
            target = link.readlink()
            end = os.path.realpath(link)
            if target.is_absolute() or (end != root and not end.startswith(f"{root}{os.sep}")):
                raise UsageError(
                    f"{folder}: the link {link.relative_to(root)} leads out of the folder, to {target}",
                    hint="replace it by a copy of what it points to",
                )


def without_special(left_out: list[str], *, follow_links: bool = False) -> Callable[[str, Sequence[str]], set[str]]:
    """What `shutil.copytree` is to ignore: pipes, sockets and devices. A sentence about each is added to `left_out`."""

    def ignore(place: str, names: Sequence[str]) -> set[str]:
        found = set()
        for name in names:
            try:
                mode = Path(place, name).stat(follow_symlinks=follow_links).st_mode
            except OSError:
                continue  # a link to nothing, or what copying will tell of
            if not (stat.S_ISREG(mode) or stat.S_ISDIR(mode) or stat.S_ISLNK(mode)):
                found.add(name)
                left_out.append(f"{place}/{name} is no file and was left out")
        return found

    return ignore


def special_files(place: Path) -> list[str]:
    """The sentences of `without_special` for all below a place, or for the place itself."""
    said: list[str] = []
    look = without_special(said)
    if not place.is_dir():
        look(str(place.parent), [place.name])
    for folder, _, names in os.walk(place):
        look(folder, names)
    return said
