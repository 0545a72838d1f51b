"""The files of an input, in one order for ever, and how they are cut into mini batches."""

from __future__ import annotations

import fnmatch
import os
from collections.abc import Iterator, Sequence
from typing import NamedTuple

TABLE = "MLTable"


class InputError(Exception):
    """The input cannot be read; the text is for the user."""


class Item(NamedTuple):
    """One file to score. `name`: its path in the input, with slashes. `size`: bytes."""

    name: str
    path: str
    size: int


class MiniBatch(NamedTuple):
    """Files that go to `run` together. `position`: place of the first one in the whole input."""

    position: int
    items: Sequence[Item]


def list_items(place: str, kind: str) -> list[Item]:
    """The files of a file, a folder or an MLTable folder, sorted by name. Raises InputError when there is none."""
    if kind == "mltable":
        items = _items_of_table(place)
    elif os.path.isfile(place):
        items = [_item(os.path.basename(place), place)]
    elif os.path.isdir(place):
        items = list(_items_of_folder(place, ""))
    else:
        raise InputError(f"there is no input at {place}")
    unique = {item.name: item for item in items}
    if not unique:
        raise InputError(f"the input {place} holds no file")
    return [unique[name] for name in sorted(unique)]


def cut(items: Sequence[Item], size: int, done: Sequence[bool] = ()) -> Iterator[MiniBatch]:
    """Mini batches of up to `size` neighbouring files.

    Files marked in `done` are left out and are neighbours of none: so the order of all mini batches, old and new, is
    the order of the input.
    """
    start = 0
    while start < len(items):
        if done and done[start]:
            start += 1
            continue
        end = start
        while end < len(items) and end - start < size and not (done and done[end]):
            end += 1
        yield MiniBatch(start, items[start:end])
        start = end


def _item(name: str, path: str) -> Item:
    return Item(name.replace(os.sep, "/"), path, os.stat(path).st_size)


def _items_of_folder(root: str, prefix: str) -> Iterator[Item]:
    for place, folders, files in os.walk(root):
        folders.sort()
        for file in files:
            path = os.path.join(place, file)
            if os.path.isfile(path):
                yield _item(os.path.join(prefix, os.path.relpath(path, root)), path)


def _items_of_table(place: str) -> list[Item]:
    """The files that the paths of an MLTable name: `file`, `folder` and `pattern`, relative to its folder."""
    file = os.path.join(place, TABLE)
    try:
        with open(file, encoding="utf-8") as stream:
            paths = table_paths(stream.read())
    except OSError as error:
        raise InputError(f"cannot read {file}: {error.strerror}") from error
    items: list[Item] = []
    for kind, text in paths:
        inner = os.path.normpath(text)
        if "://" in text or os.path.isabs(inner) or inner.split(os.sep)[0] == "..":
            raise InputError(f"{file}: {kind} {text!r} is not inside of the table's folder")
        target = os.path.join(place, inner)
        if kind == "pattern":
            items += [item for item in _items_of_folder(place, "") if _matches(item.name, inner.replace(os.sep, "/"))]
        elif kind == "folder" and os.path.isdir(target):
            items += _items_of_folder(target, "" if inner == "." else inner)
        elif kind == "file" and os.path.isfile(target):
            items.append(_item(inner, target))
        else:
            raise InputError(f"{file}: there is no {kind} {text!r}")
    return [item for item in items if item.name != TABLE]


def table_paths(text: str) -> list[tuple[str, str]]:
    """The list under `paths` of an MLTable file: pairs such as ("file", "./a.csv").

    YAML in the block form that Azure ML writes; the job's environment need not have a YAML parser. Raises InputError.
    """
    found: list[tuple[str, str]] = []
    inside = False
    for number, line in enumerate(text.splitlines(), 1):
        stripped = line.split(" #")[0].strip()
        if not stripped or stripped.startswith("#"):
            continue
        if inside and not line.startswith((" ", "-")):
            break
        if inside:
            kind, colon, value = stripped.lstrip("- ").partition(":")
            if not colon or kind.strip() not in ("file", "folder", "pattern") or not value.strip():
                raise InputError(f"{TABLE}:{number}: {stripped!r} is no file, folder or pattern")
            found.append((kind.strip(), value.strip().strip("'\"")))
        elif stripped.partition(":")[0] == "paths":
            if stripped != "paths:":
                raise InputError(f"{TABLE}, line {number}: write one path in a line, as '  - file: …'")
            inside = True
    if not found:
        raise InputError(f"{TABLE} has no paths")
    return found


def _matches(name: str, pattern: str) -> bool:
    """A glob in which `*` stays inside of a folder and `**` does not."""
    return _match_parts(name.split("/"), pattern.split("/"))


def _match_parts(names: list[str], patterns: list[str]) -> bool:
    if not patterns:
        return not names
    if patterns[0] == "**":
        return any(_match_parts(names[skipped:], patterns[1:]) for skipped in range(len(names) + 1))
    return bool(names) and fnmatch.fnmatchcase(names[0], patterns[0]) and _match_parts(names[1:], patterns[1:])
