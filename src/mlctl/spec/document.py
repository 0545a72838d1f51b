"""A document that was read: its data, and where in the file each piece of it stands."""

from __future__ import annotations

import os
from collections.abc import Sequence
from typing import Any, NamedTuple

from mlctl.spec.problems import ERROR, WARNING, Problem, line_of

KeyPath = tuple[str | int, ...]
"""The way to a value: keys of maps and indexes of lists, from the root."""


Place = Any
"""A place in a text, as the parser knows it: `line` and `column`, from 0."""


class Mark(NamedTuple):
    """Where a value stands, and its key: `start` and `key_start`. A list item has no key of its own, so its own place
    counts for both.

    `raw` is the scalar as it was written (None for maps and lists), `style` the character that it began with: a quote,
    `|` or `>`. There is a mark for each value, and few are looked at: so lines and columns are made when asked for.
    """

    start: Place
    key_start: Place
    raw: str | None = None
    style: str | None = None

    @property
    def line(self) -> int:
        """The value's line, from 1."""
        line: int = self.start.line
        return line + 1

    @property
    def column(self) -> int:
        """The value's column, from 1."""
        column: int = self.start.column
        return column + 1

    @property
    def key_line(self) -> int:
        """The key's line, from 1."""
        line: int = self.key_start.line
        return line + 1

    @property
    def key_column(self) -> int:
        """The key's column, from 1."""
        column: int = self.key_start.column
        return column + 1

    @property
    def plain(self) -> bool:
        """Whether the scalar stood there without quotes."""
        return self.raw is not None and not self.style

    @property
    def block(self) -> bool:
        """Whether it is a `|` or `>` text, whose first line of content is `line + 1`."""
        return self.style in ("|", ">")


class Document:
    """Data with its marks.

    `source`: the file as the user named it. `folder`: where relative paths of the document start, absolute. `text`: the
    file's whole text. `origins`: for values that did not come from the file, the option that gave them (`--set a.b=1`).
    `warnings`: what the reader noticed and did not refuse.
    """

    __slots__ = ("data", "folder", "last_line", "marks", "origins", "source", "text", "warnings")

    def __init__(
        self,
        data: Any,
        marks: dict[KeyPath, Mark],
        source: str,
        *,
        text: str = "",
        folder: str = "",
        warnings: list[Problem] | None = None,
    ) -> None:
        self.data = data
        self.marks = marks
        self.source = source
        self.text = text
        self.folder = folder
        self.origins: dict[KeyPath, str] = {}
        self.warnings = [] if warnings is None else warnings
        self.last_line: tuple[int, str | None] | None = None

    @property
    def place(self) -> str:
        """The file's own place: its folder, absolute, and its name."""
        return os.path.join(self.folder, os.path.basename(self.source))  # noqa: PTH118, PTH119

    def problem(
        self,
        code: str,
        path: KeyPath,
        message: str,
        *,
        value: Any = None,
        expected: str | None = None,
        hint: str | None = None,
        severity: str = ERROR,
        on_key: bool = False,
        at: tuple[int, int] | None = None,
    ) -> Problem:
        """A problem at a value (or at its key); `at` is an exact line and column when the caller knows better."""
        source, line, column = self.locate(path, on_key=on_key)
        if at is not None and line:
            line, column = at
        return Problem(
            code=code,
            path=dotted(path),
            message=message,
            value=value,
            expected=expected,
            hint=hint,
            source=source,
            line=line,
            column=column,
            severity=severity,
            excerpt=self._line(line),
        )

    def _line(self, line: int) -> str | None:
        """A line of the text; the last one asked for is kept, so that problems of one long line share it."""
        if self.last_line is None or self.last_line[0] != line:
            self.last_line = (line, line_of(self.text, line))
        return self.last_line[1]

    def warning(self, code: str, path: KeyPath, message: str, *, value: Any = None, hint: str | None = None) -> Problem:
        """The same, as a warning."""
        return self.problem(code, path, message, value=value, hint=hint, severity=WARNING)

    def locate(self, path: KeyPath, *, on_key: bool = False) -> tuple[str, int, int]:
        """Source, line and column of a path or of its nearest parent that is known; line 0 for an option's value."""
        for length in range(len(path), -1, -1):
            part = path[:length]
            if part in self.origins:
                return self.origins[part], 0, 0
            mark = self.marks.get(part)
            if mark is not None:
                # a missing child is shown at the parent's key, which is where one looks for it; so is a map or a list
                # that begins on a later line
                begins_below = mark.raw is None and mark.line != mark.key_line
                if part and (on_key or length < len(path) or begins_below):
                    return self.source, mark.key_line, mark.key_column
                return self.source, mark.line, mark.column
        return self.source, 0, 0

    def lines(self) -> dict[str, int]:
        """Line of each key, by dotted path."""
        return {dotted(path): mark.key_line for path, mark in self.marks.items() if path}

    def forget(self, path: KeyPath) -> None:
        """Drop the marks of a value that is no longer the file's."""
        depth = len(path)
        for known in [known for known in self.marks if known[:depth] == path]:
            del self.marks[known]


def value_at(data: Any, path: Sequence[str | int]) -> Any:
    """The value at a path of data; None when there is none."""
    here = data
    for part in path:
        if isinstance(part, int):
            here = here[part] if isinstance(here, list) and part < len(here) else None
        else:
            here = here.get(part) if isinstance(here, dict) else None
    return here


def dotted(path: Sequence[str | int]) -> str:
    """`("a", "b", 0)` as `a.b[0]`."""
    text = ""
    for part in path:
        if isinstance(part, int):
            text += f"[{part}]"
        else:
            text += f".{part}" if text else part
    return text


def in_file_order(problems: Sequence[Problem], source: str) -> list[Problem]:
    """Problems of the file by line and column, then those of other files, then those of options."""

    def place(found: Problem) -> tuple[bool, bool, int, int, bool]:
        # at one place what is missing comes last: it is mostly what the unknown key before it should have been
        missing = found.code == "missing_key"
        return (not found.line, found.source != source, found.line, found.column, missing)

    return sorted(problems, key=place)
