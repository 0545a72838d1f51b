"""`mlctl configure`: the defaults, set the way az does it."""

from __future__ import annotations

from typing import Annotated, Any

import typer

from mlctl.cli.command import NOWHERE, command
from mlctl.cli.config import checked_pair, config_file
from mlctl.cli.config import list_ as list_settings
from mlctl.context import Context
from mlctl.errors import UsageError


@command(scope=NOWHERE, view="config list")
def configure(
    context: Context,
    *,
    defaults: Annotated[
        list[str] | None,
        typer.Option("--defaults", "-d", metavar="NAME=VALUE…", help="Such as workspace=demo group=g; empty removes."),
    ] = None,
    list_defaults: Annotated[
        bool, typer.Option("--list-defaults", "-l", help="Show the defaults and where they come from.")
    ] = False,
    scope: Annotated[
        str, typer.Option("--scope", metavar="global|local", help="The user's file, or this folder's .mlctl/config.")
    ] = "global",
) -> list[dict[str, Any]] | None:
    """Set the defaults that commands use when an option is not given."""
    if scope.lower() not in ("global", "local"):
        raise UsageError(f"--scope is {scope!r}", hint="it must be global or local")
    if list_defaults:
        return [row for row in list_settings(context) if row["key"].startswith("defaults.")]
    if not defaults:
        raise UsageError("nothing to configure", hint="mlctl configure --defaults workspace=NAME, or --list-defaults")
    from mlctl.settings.file import set_entries, unset_entries

    pairs = dict(checked_pair(f"defaults.{pair}") for pair in defaults)
    path = config_file(context, local=scope.lower() == "local")
    unset_entries(path, [key for key, value in pairs.items() if not value])
    given = {key: value for key, value in pairs.items() if value}
    if given:
        set_entries(path, given)
    return None
