"""`mlctl config …`: settings, each with the place it comes from."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Any

import typer

from mlctl.cli.command import NOWHERE, command
from mlctl.context import Context
from mlctl.errors import NotFoundError, UsageError

Pairs = Annotated[list[str], typer.Argument(metavar="KEY=VALUE…", help="Settings, such as defaults.workspace=demo.")]
Keys = Annotated[list[str], typer.Argument(metavar="KEY…", help="Keys, such as defaults.workspace.")]
Local = Annotated[bool, typer.Option("--local", help="Use .mlctl/config of this folder, not the user's file.")]


@command(scope=NOWHERE, name="set")
def set_(context: Context, *, pairs: Pairs, local: Local = False) -> None:
    """Write settings into the user's config file, or this folder's with --local.

    An empty value is the same as unset for whoever reads it, but stays in the file.
    """
    from mlctl.settings.file import set_entries

    set_entries(config_file(context, local=local), dict(checked_pair(pair) for pair in pairs))


@command(scope=NOWHERE)
def get(
    context: Context,
    *,
    key: Annotated[str | None, typer.Argument(metavar="[KEY]", help="A key, or a section; all without.")] = None,
) -> dict[str, Any] | list[dict[str, Any]]:
    """Show one setting with its source, a section, or all."""
    if key is None:
        return list_(context)
    if "." not in key:
        rows = [row for row in list_(context) if row["key"].partition(".")[0] == key]
        if rows:
            return rows
    from mlctl.settings.keys import find_setting

    name = find_setting(key).key
    value = context.settings.get(name)
    if value.value is None:
        raise NotFoundError(f"{name} is not set", hint=f"set it with: mlctl config set {name}=…")
    return {"key": name, "value": value.value, "source": value.source}


@command(scope=NOWHERE)
def unset(context: Context, *, keys: Keys, local: Local = False) -> None:
    """Remove settings from the user's config file, or this folder's with --local."""
    from mlctl.settings.file import unset_entries
    from mlctl.settings.keys import find_setting

    names = [find_setting(key).key for key in keys]
    path = config_file(context, local=local)
    found = unset_entries(path, names)
    for name in names:
        if name not in found:
            context.say.warning(f"{name} does not stand in {path}")


@command(scope=NOWHERE, name="list", view="config list")
def list_(context: Context) -> list[dict[str, Any]]:
    """List every setting there is: value, where it comes from, and what it means."""
    from mlctl.settings.keys import KEYS

    return [
        {"key": key, "value": value.value, "source": value.source, "description": KEYS[key].description}
        for key, value in context.settings.items()
    ]


def checked_pair(pair: str) -> tuple[str, str]:
    """`KEY=VALUE` as key and value. Raises UsageError when the key is unknown or the value does not fit it."""
    from mlctl.settings.keys import check_value, find_setting

    key, equals, value = pair.partition("=")
    if not equals:
        raise UsageError(f"{pair!r} is not KEY=VALUE")
    setting = find_setting(key)
    if setting.key == "home":
        raise UsageError("home cannot stand in a config file, since the file is found in it", hint="set MLCTL_HOME")
    check_value(setting, value.strip(), "the command line")
    return setting.key, value.strip()


def config_file(context: Context, *, local: bool) -> Path:
    """The config file to write: the user's, or the working directory's."""
    from mlctl.settings import PROJECT_FILE

    return Path.cwd() / PROJECT_FILE if local else context.settings.user_file
