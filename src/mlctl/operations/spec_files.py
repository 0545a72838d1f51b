"""Which files are meant: by files, folders, globs, or standard input; and what is in them."""

from __future__ import annotations

import glob
import os
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import NamedTuple

from mlctl.errors import AuthError, NotFoundError
from mlctl.spec.document import Document
from mlctl.spec.library import Library
from mlctl.spec.reader import read_bytes, read_file

SUFFIXES = (".yml", ".yaml")
STDIN = "-"
STDIN_NAME = "<stdin>"

_NEVER = frozenset({"node_modules", "__pycache__", "site-packages", "venv"})


class SpecFile(NamedTuple):
    """A file to look at. `source`: its name for messages, as the user would write it. `found`: in a folder or by a
    glob, not named itself. `content`: what standard input held; `path` is then the folder where its relative paths
    start.
    """

    path: str
    source: str
    found: bool = False
    content: bytes | None = None


def find_spec_files(paths: Sequence[str], *, stdin: bytes | None = None) -> list[SpecFile]:
    """The YAML files that the paths mean, each once, those of a folder in order of their names.

    `-` is standard input, whose content the caller has read. Folders are walked without hidden folders, environments
    and packages. Raises NotFoundError for a path that leads nowhere.
    """
    found: dict[_Place, SpecFile] = {}
    for path in paths:
        for place, file in _files(path, stdin):
            found.setdefault(place, file)
    return list(found.values())


_Place = tuple[str, str]
"""What tells files apart: the folder and the name. A folder that several links lead to is one folder: a link may lead
back up."""


def spec_file(path: str, *, stdin: bytes | None = None) -> SpecFile:
    """The one file of that name, there or not; `-` is standard input, whose content the caller has read."""
    return SpecFile(".", STDIN_NAME, content=stdin or b"") if path == STDIN else _named(path)


def read_spec_file(file: SpecFile, library: Library | None = None) -> Document:
    """The document of a file, which the library then keeps, or of standard input. Raises as the reader does."""
    if file.content is None:
        if library is None:
            return read_file(file.path, source=file.source)
        return library.read(os.path.abspath(file.path), source=file.source)  # noqa: PTH100
    document = read_bytes(file.content, source=file.source)
    document.folder = str(Path(file.path).absolute())
    return document


def _named(path: str, *, found: bool = False) -> SpecFile:
    """A file under the name that specs call it by: `./a.yml` is `a.yml`. What `..` means depends on links, it stays."""
    source = path if ".." in Path(path).parts else os.path.normpath(path)
    return SpecFile(path, source, found=found)


def _place(path: str) -> _Place:
    folder, name = os.path.split(os.path.abspath(path))  # noqa: PTH100
    return os.path.realpath(folder), name


def _files(path: str, stdin: bytes | None) -> Iterator[tuple[_Place, SpecFile]]:
    if not path:
        raise NotFoundError("a path is empty", hint="is a variable of the shell not set?")
    if path == STDIN:
        yield ("", STDIN), spec_file(path, stdin=stdin)
    elif os.path.isdir(path):  # noqa: PTH112 - a name that is too long leads nowhere, and raises nothing here
        yield from _walk(path)
    elif os.path.lexists(path):
        yield _place(path), spec_file(path)
    elif any(character in path for character in "*?["):
        matches = sorted(glob.glob(path, recursive=True))  # noqa: PTH207 - keeps the path as the user wrote it
        if not matches:
            raise NotFoundError(f"nothing matches '{path}'", hint="quote the pattern only if mlctl should expand it")
        for match in matches:
            if os.path.isfile(match):  # noqa: PTH113
                yield _place(match), _named(match, found=True)
    else:
        raise NotFoundError(f"there is no file or folder '{path}'", hint="check the path")


def _walk(folder: str) -> Iterator[tuple[_Place, SpecFile]]:
    waiting = [(folder, os.path.realpath(folder))]
    while waiting:
        shown, real = waiting.pop()
        below: list[tuple[str, str]] = []
        for entry in _entries(shown):
            name = entry.name
            if name.startswith("."):
                continue
            # links to folders are not followed: they may lead back
            if entry.is_dir(follow_symlinks=False):
                below += [(entry.path, os.path.join(real, name))] if name not in _NEVER else []  # noqa: PTH118
            elif name.lower().endswith(SUFFIXES) and _is_file(entry):
                path = os.path.normpath(entry.path)
                yield (real, name), SpecFile(path, path, found=True)
        waiting += reversed(below)


def _is_file(entry: os.DirEntry[str]) -> bool:
    """Whether it is a file, or a link that leads to one; only a link needs a look at the disk."""
    return entry.is_file(follow_symlinks=False) or os.path.isfile(entry.path)  # noqa: PTH113


def _entries(folder: str) -> list[os.DirEntry[str]]:
    """What stands in a folder, by name; nothing when it has gone. Raises AuthError when it may not be looked into."""
    try:
        with os.scandir(folder) as entries:
            return sorted(entries, key=lambda entry: entry.name)
    except PermissionError:
        raise AuthError(f"'{folder}' may not be read", hint="check the rights of the folder") from None
    except OSError:
        return []
