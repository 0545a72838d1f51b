"""`mlctl job diff`: what differs between two jobs."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING, Annotated

import typer

from mlctl.cli.command import Result, command
from mlctl.cli.job_desk import job_desk
from mlctl.cli.names import complete_jobs
from mlctl.context import Context

if TYPE_CHECKING:
    from mlctl.operations.comparing import Comparison

_JobArgument = typer.Argument(metavar="JOB", autocompletion=complete_jobs, help="Name of a job.")
_DIGEST = 12
"""Characters of a digest that a cell shows."""


@command(view="job diff")
def diff(
    context: Context,
    *,
    left: Annotated[str, _JobArgument],
    right: Annotated[str, _JobArgument],
    code: Annotated[bool, typer.Option("--code", help="Show the lines of the code that differ, too.")] = False,
) -> Result:
    """Show what differs between two jobs: metrics, parameters, inputs, code, environment, resources, outputs.

    A table on a terminal; data with -o, --query, or when the output goes elsewhere. Secrets are not shown.
    """
    from mlctl.operations.comparing import compare

    with context.say.progress(f"comparing {left} and {right}"):
        found = compare(job_desk(context), left, right, code=code)
    width = context.streams.terminal_width()
    if width is not None and not context.output_given:
        return Result(log=(text.encode() for text in _told(found, width)))
    wants_rows = context.query is None and context.settings.text("core.output") in ("table", "tsv")
    return Result(found.differences if wants_rows else found)


def _told(found: Comparison, width: int) -> Iterator[str]:
    from mlctl.output.encode import to_plain
    from mlctl.output.table import render_table
    from mlctl.output.views import VIEWS

    if found.equal:
        yield f"{found.left} and {found.right} do not differ\n"
    else:
        rows = [{**to_plain(row), "left": _short(row.left), "right": _short(row.right)} for row in found.differences]
        yield render_table(rows, columns=VIEWS["job diff"], queried=False, terminal_width=width)
    if found.code_diff:
        yield f"\n{_printable(found.code_diff)}"


def _short(value: object) -> str:
    """A cell: digests cut, lists as text, what is not there as a dash."""
    text = "-" if value is None else ", ".join(map(str, value)) if isinstance(value, list) else str(value)
    is_digest = len(text) == 64 and all(letter in "0123456789abcdef" for letter in text)
    return text[:_DIGEST] if is_digest else text


def _printable(text: str) -> str:
    """Control characters in code would talk to the terminal."""
    return "".join(char if char.isprintable() or char in "\n\t" else " " for char in text)
