"""`mlctl datastore …`: storage under a name."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Any

import typer

from mlctl.cli.command import Accepted, command
from mlctl.cli.names import complete_datastores
from mlctl.cli.options import (
    POLICY,
    File,
    ForceString,
    MaxResults,
    NewName,
    Operations,
    OptionalFile,
    SetValues,
)
from mlctl.cli.verbs import changed_fields, first
from mlctl.cli.words import FLAG
from mlctl.context import Context
from mlctl.errors import UsageError

RO_MOUNT, RW_MOUNT = "ro_mount", "rw_mount"
DEFAULT_POINT = "~/mount/data"

DatastoreName = Annotated[
    str,
    typer.Option(
        "--name", "-n", metavar="DATASTORE", autocompletion=complete_datastores, help="Name of the datastore."
    ),
]
MountPoint = Annotated[
    Path, typer.Option("--mount-point", metavar="FOLDER", help="Where; an empty folder, or one that is made.")
]


@command(accepted=POLICY)
def create(context: Context, *, file: File, name: NewName = None, set_: SetValues = None) -> dict[str, Any]:
    """Register storage under a name from a YAML file; one of that name is replaced.

    Types: azure_blob, azure_data_lake_gen2, one_lake, s3, local_folder. Credentials are references:
    ${{env:NAME}}, ${{file:/path}}, ${{keyring:SERVICE/USER}}; none means the identity of the caller.
    """
    from mlctl.operations.datastores import create as create_datastore
    from mlctl.operations.datastores import describe

    fields = {} if name is None else {"name": name}
    datastore, said = create_datastore(context.store, context.clock, file, overrides=set_ or (), fields=fields)
    context.say.warnings(said)
    return describe(context.store, datastore)


@command
def show(context: Context, *, name: DatastoreName) -> dict[str, Any]:
    """Show a datastore; of its credentials only where they are found."""
    from mlctl.operations.datastores import describe

    return describe(context.store, context.store.datastores.get(name))


@command(name="list", view="datastore list")
def list_(context: Context, *, max_results: MaxResults = None) -> list[dict[str, Any]]:
    """List the datastores of the workspace; the four of every workspace are folders of it."""
    from mlctl.operations.datastores import describe

    return [describe(context.store, one) for one in first(context.store.datastores.list(), max_results)]


@command(accepted=POLICY)
def update(
    context: Context,
    *,
    name: Annotated[
        str | None,
        typer.Option(
            "--name", "-n", metavar="DATASTORE", autocompletion=complete_datastores, help="Name of the datastore."
        ),
    ] = None,
    file: OptionalFile = None,
    operations: Operations = None,
    force_string: ForceString = False,
) -> dict[str, Any]:
    """Change a datastore: by --set, --add and --remove, or by a YAML file that replaces it."""
    from mlctl.operations.datastores import READ_ONLY, describe
    from mlctl.operations.datastores import create as create_datastore
    from mlctl.operations.datastores import update as update_datastore

    if file is not None:
        fields = {} if name is None else {"name": name}
        datastore, said = create_datastore(context.store, context.clock, file, overrides=(), fields=fields)
        name = datastore.name
    elif name is None:
        raise UsageError("which datastore?", hint="give --name, or --file")
    else:
        datastore, said = context.store.datastores.get(name), []
        context.store.datastores.check_free(name)
    if operations:
        before = describe(context.store, datastore)
        updatable = {key for key in before if key not in READ_ONLY}
        changes = changed_fields(before, operations, force_string=force_string, updatable=updatable, kind="datastore")
        datastore, more = update_datastore(context.store, context.clock, datastore, changes)
        said = [*said, *more]
    context.say.warnings(said)
    return describe(context.store, datastore)


@command(accepted=POLICY)
def delete(context: Context, *, name: DatastoreName) -> None:
    """Forget a datastore and its stored secrets; the files in it stay."""
    from mlctl.operations.datastores import delete as delete_datastore

    delete_datastore(context.store, name)


@command(accepted=(*POLICY, Accepted(("--persistent",), FLAG)))
def mount(
    context: Context,
    *,
    path: Annotated[
        str,
        typer.Option("--path", metavar="DATASTORE|ADDRESS", help="Its name, or azureml://datastores/<name>/paths/…"),
    ],
    mount_point: MountPoint = Path(DEFAULT_POINT),
    mode: Annotated[
        str, typer.Option("--mode", metavar="ro_mount|rw_mount", help="Whether it can be written to.")
    ] = RO_MOUNT,
) -> dict[str, Any]:
    """Show a datastore, or a folder of one, at a path of this machine.

    A folder of this machine is bound there (root on Linux) or copied read-only. What is elsewhere is fetched first and
    shown as it is now, read-only. 'umount PATH' ends what is bound.
    """
    return mounted(context, path, mount_point, mode, modes=(RO_MOUNT, RW_MOUNT))


def mounted(context: Context, path: str, point: Path, mode: str, *, modes: tuple[str, ...]) -> dict[str, Any]:
    """What `data mount` and `datastore mount` do once their options are read."""
    from mlctl.cli.assets import desk_of
    from mlctl.operations.mounts import mount as mount_path
    from mlctl.storage.addresses import Storage

    if mode not in modes:
        raise UsageError(f"--mode is {mode!r}", hint=f"it can be {' or '.join(modes)}")
    desk, settings = desk_of(context), context.settings
    shown, warnings = mount_path(
        Storage(context.store, settings.environ),
        desk.resolver,
        path,
        point=point.expanduser().absolute(),
        mode=mode,
        cache=settings.home / "cache",
        progress=desk.progress,
    )
    context.say.warnings(warnings)
    return shown
