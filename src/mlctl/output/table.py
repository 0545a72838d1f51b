"""`-o table`: one row per item, as az draws it. On a terminal rich fits it to the width; else plain aligned text."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from mlctl.errors import UsageError
from mlctl.output.views import Column

_LEFT_OUT = frozenset({"id", "type", "etag"})


def render_table(value: Any, *, columns: Sequence[Column] | None, queried: bool, terminal_width: int | None) -> str:
    """The table as text with a line break at its end; empty for an empty list.

    `columns` is the command's view, which a query overrides. Without either, columns are sorted, and `id`, `type`,
    `etag` and nested values are left out. `terminal_width` in characters, None when stdout is no terminal.
    Raises UsageError when nothing is left to show.
    """
    items = value if isinstance(value, list) else [value]
    if not items:
        return ""
    use_view = columns is not None and not queried and all(isinstance(item, dict) for item in items)
    rows = [_view_row(item, columns or ()) if use_view else _free_row(item, queried=queried) for item in items]
    headings = list(dict.fromkeys(heading for row in rows for heading in row))
    if not headings:
        raise UsageError(
            "nothing in this result fits into a table", hint="use another format: -o json, -o yaml or -o tsv"
        )
    cells = [[_cell(row.get(heading)) for heading in headings] for row in rows]
    if terminal_width is None:
        return _plain_text(headings, cells)
    return _rich_text(headings, cells, terminal_width)


def _view_row(item: dict[str, Any], columns: Sequence[Column]) -> dict[str, Any]:
    return {column.heading: _at(item, column.key) for column in columns}


def _at(item: Any, key: str) -> Any:
    for part in key.split("."):
        item = item.get(part) if isinstance(item, dict) else None
    if isinstance(item, list) and all(isinstance(part, str) for part in item):
        return ", ".join(item)
    return item


def _free_row(item: Any, *, queried: bool) -> dict[str, Any]:
    if isinstance(item, dict):
        keys = list(item) if queried else sorted(key for key in item if key not in _LEFT_OUT)
        return {
            key[:1].upper() + key[1:]: item[key]
            for key in keys
            if item[key] is not None and not isinstance(item[key], (dict, list))
        }
    if isinstance(item, list):
        return {f"Column{number}": value for number, value in enumerate(item, start=1)}
    return {"Result": item}


def _cell(value: Any) -> str:
    """One value on one line. Control characters would break the columns, or talk to the terminal."""
    text = "" if value is None or isinstance(value, (dict, list)) else str(value)
    return "".join(char if char.isprintable() else " " for char in text)


def _plain_text(headings: list[str], cells: list[list[str]]) -> str:
    widths = [max(len(text) for text in column) for column in zip(headings, *cells, strict=True)]
    ruler = ["-" * width for width in widths]
    lines = (
        "  ".join(text.ljust(width) for text, width in zip(row, widths, strict=True))
        for row in (headings, ruler, *cells)
    )
    return "".join(line.rstrip() + "\n" for line in lines)


def _rich_text(headings: list[str], cells: list[list[str]], width: int) -> str:
    import io

    from rich.box import SIMPLE_HEAD
    from rich.console import Console
    from rich.table import Table
    from rich.text import Text

    table = Table(box=SIMPLE_HEAD, pad_edge=False)
    for heading in headings:
        table.add_column(heading, overflow="fold")
    for row in cells:
        table.add_row(*(Text(text) for text in row))
    console = Console(file=io.StringIO(), width=width, force_terminal=False, legacy_windows=False)
    with console.capture() as capture:
        console.print(table)
    return "".join(line.rstrip() + "\n" for line in capture.get().splitlines() if line.strip())
