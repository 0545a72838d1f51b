"""Verbs of `mlctl data` that move files: import, mount, and how far imports are."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Any

import typer

from mlctl.cli.assets import NewVersion, desk_of, view_of
from mlctl.cli.command import Accepted, command
from mlctl.cli.datastore import DEFAULT_POINT, RO_MOUNT, MountPoint, mounted
from mlctl.cli.names import complete_assets
from mlctl.cli.options import POLICY, ArchivedOnly, IncludeArchived, MaxResults, NewName, OptionalFile, SetValues
from mlctl.cli.words import FLAG
from mlctl.context import Context
from mlctl.errors import UsageError

DataType = Annotated[
    str | None, typer.Option("--type", "-t", metavar="uri_file|uri_folder|mltable", help="What the path is.")
]
DataDescription = Annotated[str | None, typer.Option("--description", "-d", metavar="TEXT", help="What it is for.")]


@command(accepted=(*POLICY, Accepted(("--persistent",), FLAG)))
def mount(
    context: Context,
    *,
    path: Annotated[
        str, typer.Option("--path", metavar="ASSET|ADDRESS", help="azureml:<name>:<version>, or an address of files.")
    ],
    mount_point: MountPoint = Path(DEFAULT_POINT),
    mode: Annotated[str, typer.Option("--mode", metavar="ro_mount", help="Read-only; there is no other.")] = RO_MOUNT,
) -> dict[str, Any]:
    """Show a data asset at a path of this machine, read-only.

    It is bound there (root on Linux) or copied. What is elsewhere is fetched first. 'umount PATH' ends what is bound.
    """
    return mounted(context, path, mount_point, mode, modes=(RO_MOUNT,))


@command(name="import", accepted=(*POLICY, Accepted(("--skip-validation",), FLAG), Accepted(("--datastore",))))
def import_(
    context: Context,
    *,
    file: OptionalFile = None,
    name: NewName = None,
    version: NewVersion = None,
    type_: DataType = None,
    path: Annotated[
        str | None, typer.Option("--path", "-p", metavar="ADDRESS", help="Where to: azureml://datastores/…/paths/…")
    ] = None,
    description: DataDescription = None,
    set_: SetValues = None,
) -> dict[str, Any]:
    """Bring files of a connection (s3, azure_blob, azure_data_lake_gen2) to a datastore, and register them.

    The command ends when the files are there. Databases cannot be imported here.
    """
    from mlctl.operations.assets import describe
    from mlctl.operations.data_imports import import_data
    from mlctl.storage.addresses import Storage

    fields = {"name": name, "version": version, "type": type_, "path": path, "description": description}
    desk = desk_of(context)
    asset, said = import_data(
        desk,
        Storage(context.store, context.settings.environ),
        file,
        overrides=set_ or (),
        fields={key: value for key, value in fields.items() if value is not None},
        cache=context.settings.home / "cache",
    )
    context.say.warnings(said)
    return describe(desk, asset)


@command(accepted=POLICY)
def list_materialization_status(
    context: Context,
    *,
    name: Annotated[
        str | None,
        typer.Option("--name", "-p", metavar="NAME", autocompletion=complete_assets, help="Name of the data asset."),
    ] = None,
    all_results: Annotated[bool, typer.Option("--all-results", help="All, not only the first 50.")] = False,
    max_results: MaxResults = None,
    include_archived: IncludeArchived = False,
    archived_only: ArchivedOnly = False,
) -> list[dict[str, Any]]:
    """List the imports that made versions of a data asset. Each is done: an import ends with its command."""
    from mlctl.operations.data_imports import imports_of

    if name is None:
        raise UsageError("which data asset?", hint="give --name (-p)")
    view = view_of(include_archived=include_archived, archived_only=archived_only)
    return imports_of(context.store, name, view=view, max_results=None if all_results else max_results or 50)
