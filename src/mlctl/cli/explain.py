"""`mlctl explain`: what a code of a problem means."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Annotated

import typer

from mlctl.cli.command import NOWHERE, Result, command
from mlctl.cli.names import complete_codes
from mlctl.context import Context

if TYPE_CHECKING:
    from mlctl.spec.codes import Entry

_WIDTH = 100
_CONTROL = re.compile("[\x00-\x08\x0b-\x1f\x7f]")


@command(scope=NOWHERE)
def explain(
    context: Context,
    *,
    code: Annotated[
        str | None,
        typer.Argument(
            metavar="[CODE]", help="A code such as MLC1101, or its word; all without.", autocompletion=complete_codes
        ),
    ] = None,
) -> Result:
    """Explain a code that a problem of a spec was told with: what it means, how to fix it, and an example.

    The text is for people; with -o or --query it is data.
    """
    from mlctl.spec.codes import entries, find

    if code is None:
        known = entries()
        rows = [{"code": entry.code, "name": entry.name, "title": entry.title} for entry in known]
        return Result(rows) if context.output_given else _text(_listed(known))
    entry = find(code)
    return Result(entry._asdict()) if context.output_given else _text(_explained(entry))


def _text(text: str) -> Result:
    return Result(log=[text.encode()])


def _listed(known: list[Entry]) -> str:
    width = max(len(entry.name) for entry in known)
    lines: list[str] = []
    group = ""
    for entry in known:
        if entry.group != group:
            group = entry.group
            lines += ["", group] if lines else [group]
        lines.append(f"  {entry.code}  {entry.name:<{width}}  {entry.title}")
    return "\n".join([*lines, "", "mlctl explain CODE tells more about one.", ""])


def _explained(entry: Entry) -> str:
    from textwrap import fill, indent

    beside = "".join(f"\n  {name}:\n\n{indent(_safe(text), '    ')}" for name, text in entry.files.items())
    examples = (("Wrong", entry.bad), ("Right", entry.good))
    parts = [
        f"{entry.code} {entry.name} ({entry.severity}): {entry.title}",
        fill(entry.meaning, _WIDTH),
        fill(f"What to do: {entry.fix}", _WIDTH),
        *(f"{word}:\n\n{indent(_safe(text), '    ')}" for word, text in examples if text),
        *([f"Beside it:\n{beside}"] if beside else []),
        f"More: {entry.page}",
    ]
    return "\n\n".join(part.rstrip() for part in parts) + "\n"


def _safe(text: str) -> str:
    """An example of a forbidden character must not reach the terminal."""
    return _CONTROL.sub(lambda found: f"\\x{ord(found[0]):02x}", text)
