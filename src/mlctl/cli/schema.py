"""`mlctl schema …`: the JSON Schemas of all kinds of specs, for editors and other tools."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Any

import typer

from mlctl.cli.command import NOWHERE, Result, command
from mlctl.cli.names import complete_kinds
from mlctl.context import Context

_KIND = "Name of a schema, such as commandJob, or of a group of az, such as job."


@command(scope=NOWHERE, name="list")
def list_(context: Context) -> list[dict[str, Any]]:
    """List the kinds of specs that have a schema: name, title, its group of az, and its page."""
    from mlctl.spec.kinds import KINDS

    del context
    return [
        {"name": kind.name, "title": kind.title, "group": kind.family, "page": kind.address} for kind in KINDS.values()
    ]


@command(scope=NOWHERE)
def show(
    context: Context,
    *,
    kind: Annotated[str, typer.Argument(metavar="KIND", help=_KIND, autocompletion=complete_kinds)],
) -> Result:
    """Show one schema, complete in itself, as JSON Schema of draft 2020-12."""
    from mlctl.operations.schemas import exported, find_kind, schema_text

    found = find_kind(kind)
    if context.output_given:
        return Result(exported(found))
    return Result(log=[schema_text(found).encode()])  # as it is written: the result formats sort the keys


@command(scope=NOWHERE)
def export(
    context: Context,
    *,
    folder: Annotated[Path, typer.Argument(metavar="DIR", help="Folder for the files; made when missing.")],
    kinds: Annotated[
        list[str] | None,
        typer.Argument(metavar="[KIND…]", help=f"{_KIND} All without.", autocompletion=complete_kinds),
    ] = None,
) -> list[dict[str, Any]]:
    """Write the schemas into a folder, one file for each kind, for editors that find them by path."""
    from mlctl.operations.schemas import export as write

    del context
    return write(folder, kinds or ())
