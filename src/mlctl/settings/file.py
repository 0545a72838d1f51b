"""Config files: INI as az writes it, read with line numbers and changed without touching anything else in the file.

Sections in brackets, `key = value` lines, whole-line comments with `#` or `;`. Values are plain text: no interpolation,
no continuation lines, no inline comments. Keys are compared without case, and `-` is the same as `_`.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import NamedTuple

from mlctl.errors import AuthError, UsageError
from mlctl.files import replace_file


class Entry(NamedTuple):
    """One `key = value` line: `key` is `section.key`, `line` counts from 1."""

    key: str
    value: str
    line: int


def read_entries(path: Path) -> list[Entry]:
    """The entries of a config file in file order; none when there is no such file.

    Raises UsageError (file:line) for a line that is no INI, AuthError when the file may not be read.
    """
    return list(_entries(_read_lines(path), path))


def set_entries(path: Path, values: dict[str, str]) -> None:
    """Set `section.key` -> value in the file, creating it when needed. Other lines and comments stay as they are.

    The file is replaced in one step under a lock. Raises UsageError for a value with a line break, AuthError when the
    file may not be written.
    """
    for key, value in values.items():
        if "\n" in value or "\r" in value:
            raise UsageError(f"the value of {key} has a line break", hint="a setting is one line of text")
    with _replacing(path) as lines:
        for key, value in values.items():
            _set_line(lines, key, value, path)


def unset_entries(path: Path, keys: list[str]) -> list[str]:
    """Remove keys from the file and return those that were there. Raises as `set_entries`."""
    if not path.exists():
        return []
    with _replacing(path) as lines:
        found = [entry for entry in _entries(lines, path) if entry.key in keys]
        for entry in sorted(found, key=lambda entry: -entry.line):
            del lines[entry.line - 1]
    return [entry.key for entry in found]


def _read_lines(path: Path) -> list[str]:
    try:
        return path.read_text(encoding="utf-8-sig", errors="surrogateescape").splitlines()
    except (FileNotFoundError, NotADirectoryError):
        return []
    except OSError as error:
        raise AuthError(f"cannot read {path}: {error.strerror}", hint="check who may read this file") from error


def _entries(lines: list[str], path: Path) -> Iterator[Entry]:
    section = ""
    for number, raw in enumerate(lines, start=1):
        line = raw.strip()
        if not line or line[0] in "#;":
            continue
        if line[0] == "[" and line[-1] == "]":
            section = _normal(line[1:-1])
            continue
        name, equals, value = line.partition("=")
        if not equals or not name.strip():
            raise UsageError(f"{path}:{number}: {line!r} is not `key = value`", hint="comments start with # or ;")
        if not section:
            raise UsageError(f"{path}:{number}: {name.strip()!r} stands above the first [section]")
        yield Entry(f"{section}.{_normal(name)}", value.strip(), number)


def _normal(name: str) -> str:
    return name.strip().lower().replace("-", "_")


def _set_line(lines: list[str], key: str, value: str, path: Path) -> None:
    section, _, name = key.partition(".")
    text = f"{name} = {value}".rstrip()
    present = [entry for entry in _entries(lines, path) if entry.key == key]
    if present:
        lines[present[-1].line - 1] = text
        return
    end = _end_of_section(lines, section)
    if end is None:
        lines.extend([""] if lines and lines[-1].strip() else [])
        lines.extend([f"[{section}]", text])
    else:
        lines.insert(end, text)


def _end_of_section(lines: list[str], section: str) -> int | None:
    """Index behind the last line of the section that is not blank; None when there is no such section."""
    end = None
    inside = False
    for index, raw in enumerate(lines):
        line = raw.strip()
        if line[:1] == "[" and line[-1:] == "]":
            inside = _normal(line[1:-1]) == section
        if inside and line:
            end = index + 1
    return end


@contextmanager
def _replacing(path: Path) -> Iterator[list[str]]:
    """Hand out the lines of the file for change, then write them back in one step; others wait meanwhile."""
    import fcntl

    target = path.resolve()  # a linked config file stays a link
    try:
        target.parent.mkdir(parents=True, exist_ok=True)
        with target.with_name(target.name + ".lock").open("w") as lock:
            fcntl.flock(lock, fcntl.LOCK_EX)
            lines = _read_lines(target)
            yield lines
            if not target.exists():
                target.touch(0o600)
            data = "".join(line + "\n" for line in lines).encode("utf-8", "surrogateescape")
            replace_file(target, data, like=target.stat())
    except OSError as error:
        raise AuthError(f"cannot write {path}: {error.strerror}", hint="check who may write there") from error
