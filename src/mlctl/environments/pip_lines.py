"""Lines of a pip requirements file made independent of the folder they stand in."""

from __future__ import annotations

import re
from collections.abc import Iterable
from pathlib import Path

_OPTION = re.compile(r"(--?[A-Za-z][A-Za-z-]*)(?:\s*=\s*|\s+)?(.*)")
_SHORT = {"-r": "--requirement", "-c": "--constraint", "-e": "--editable", "-f": "--find-links", "-i": "--index-url"}
_DEEPEST = 10


def expand_pip_lines(lines: Iterable[str], *, folder: Path | None, problems: list[str], depth: int = 0) -> list[str]:
    """The lines with comments gone, `-r file` replaced by that file's lines, and local paths absolute.

    `folder`: what paths are relative to; None when the text did not come from a file. What is wrong is added to
    `problems` as text that begins with the line.
    """
    expanded: list[str] = []
    for line in _logical_lines(lines):
        match = _OPTION.fullmatch(line) if line.startswith("-") else None
        option, value = (match[1], match[2].strip("'\" ")) if match else ("", line)
        if match and not match[1].startswith("--") and len(match[1]) > 2:
            option, value = line[:2], line[2:].strip()  # -rfile
        option = _SHORT.get(option, option)
        if option == "--requirement":
            expanded += _read_requirements(line, value, folder, problems, depth)
        elif option in ("--constraint", "--editable", "--find-links", ""):
            path = _absolute(value, folder, always=bool(option))
            if path is None:
                problems.append(f"{line}: a relative path, and the conda data did not come from a file")
                continue
            expanded.append(f"{option} {path}".strip())
        else:
            expanded.append(f"{option} {value}".strip())
    return expanded


def _logical_lines(lines: Iterable[str]) -> Iterable[str]:
    """Lines without comments and blank ones, with `\\` continuations joined."""
    joined = ""
    for line in lines:
        for part in line.splitlines():
            text = re.sub(r"(^|\s+)#.*$", "", part).strip()
            if text.endswith("\\"):
                joined += text[:-1] + " "
                continue
            if joined + text:
                yield joined + text
            joined = ""
    if joined.strip():
        yield joined.strip()


def _read_requirements(line: str, name: str, folder: Path | None, problems: list[str], depth: int) -> list[str]:
    place = _absolute(name, folder, always=True)
    if place is None:
        problems.append(f"{line}: a relative path, and the conda data did not come from a file")
        return []
    if "://" in place:
        return [f"-r {place}"]
    if depth >= _DEEPEST:
        problems.append(f"{line}: requirement files include each other")
        return []
    try:
        text = Path(place).read_text(encoding="utf-8-sig")
    except (OSError, UnicodeDecodeError) as error:
        problems.append(f"{line}: cannot read '{place}': {getattr(error, 'strerror', None) or error}")
        return []
    return expand_pip_lines(text.splitlines(), folder=Path(place).parent, problems=problems, depth=depth + 1)


def _absolute(value: str, folder: Path | None, *, always: bool) -> str | None:
    """`value` with a relative path made absolute; None when that is not possible. Other values stay as they are."""
    if "://" in value or value.startswith("file:") or " @ " in value:
        return value
    path, bracket, extras = value.partition("[")
    is_path = (
        always or path in (".", "..") or path.startswith(("./", "../", "/", "~")) or path.endswith((".whl", ".tar.gz"))
    )
    if not is_path:
        return value
    expanded = Path(path).expanduser()
    if not expanded.is_absolute():
        if folder is None:
            return None
        expanded = folder.absolute() / expanded
    return f"{expanded.resolve()}{bracket}{extras}"
