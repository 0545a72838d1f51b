"""Local paths of a document: relative to its folder, and there."""

from __future__ import annotations

import os
import re
import stat
from pathlib import Path
from typing import Literal

from mlctl.spec.document import Document, KeyPath, dotted
from mlctl.spec.problems import Problem, closest

Kind = Literal["file", "folder"]

_ASSET = r"[A-Za-z0-9][\w.-]*[:@][\w.-]+"


def absolute(document: Document, text: str) -> str:
    """A path of the document, made absolute and free of `..`; symbolic links stay. Text: there is one for each file."""
    return os.path.normpath(os.path.join(document.folder, text))  # noqa: PTH118


def beside(document: Document, text: str) -> str:
    """A path of the document as the user would name it from where the document was named."""
    folder = os.path.dirname(document.source)  # noqa: PTH120
    return os.path.normpath(os.path.join(folder, text))  # noqa: PTH118


def kind_of(path: str) -> Kind | None:
    """What stands at a path; None when nothing does, or when it cannot be looked at."""
    try:
        mode = os.stat(path).st_mode  # noqa: PTH116
    except (OSError, ValueError):
        return None
    if stat.S_ISDIR(mode):
        return "folder"
    # a pipe or a device is nothing that a spec can name: reading it may never end
    return "file" if stat.S_ISREG(mode) else None


def missing_path(document: Document, path: KeyPath, text: str, *, what: str = "file or folder") -> Problem:
    """The problem of a local path with nothing there; names the place that was looked at and a neighbour's name."""
    place = Path(absolute(document, text))
    hint = f"looked for {place}; paths start at the folder of {Path(document.source).name}"
    match = closest(place.name, _names_beside(place))
    if match and match != place.name:
        hint = f"did you mean '{os.path.join(os.path.dirname(text), match)}'? Looked for {place}"  # noqa: PTH118, PTH120
    elif re.fullmatch(_ASSET, text):
        hint = f"for an asset write azureml:{text}; looked for {place}"
    message = f"'{dotted(path)}': there is no {what} '{text}'"
    return document.problem("missing_path", path, message, value=text, hint=hint)


def _names_beside(place: Path) -> list[str]:
    try:
        return os.listdir(place.parent)[:1000]  # noqa: PTH208
    except (OSError, ValueError):
        return []
