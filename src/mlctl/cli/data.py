"""`mlctl data …`: files and folders under a name and a version."""

from __future__ import annotations

from typing import Annotated, Any

import typer

from mlctl.cli.assets import (
    Datastore,
    NewVersion,
    RegistryName,
    archive_verb,
    created,
    download_verb,
    label_verb,
    list_verb,
    show_verb,
    update_verb,
)
from mlctl.cli.command import Accepted, command
from mlctl.cli.data_transfer import DataDescription, DataType, import_, list_materialization_status, mount
from mlctl.cli.lineage import used_by_verb, why_verb
from mlctl.cli.options import POLICY, NewName, NoWait, OptionalFile, SetValues
from mlctl.cli.sharing import share_verb
from mlctl.cli.words import FLAG
from mlctl.context import Context
from mlctl.entities.asset import DATA

__all__ = ["import_", "list_materialization_status", "mount"]


@command(accepted=(*POLICY, Accepted(("--skip-validation",), FLAG)))
def create(
    context: Context,
    *,
    file: OptionalFile = None,
    name: NewName = None,
    version: NewVersion = None,
    type_: DataType = None,
    path: Annotated[
        str | None,
        typer.Option("--path", "-p", metavar="PATH", help="Local path, address, or output: azureml://jobs/…"),
    ] = None,
    description: DataDescription = None,
    datastore: Datastore = None,
    set_: SetValues = None,
    registry_name: RegistryName = None,
    no_wait: NoWait = False,
) -> dict[str, Any]:
    """Create a version of a data asset from a YAML file or from options.

    Local files are stored by content: what is there already is not stored again. Without a version it gets the next
    number. The same version with other content is refused (exit 6).
    """
    del no_wait
    fields = {
        "name": name,
        "version": version,
        "type": type_,
        "path": path,
        "description": description,
        "datastore": datastore,
    }
    return created(context, DATA, file, set_, fields, registry=registry_name)


show = show_verb(DATA)
list_ = list_verb(DATA)
update = update_verb(DATA)
archive = archive_verb(DATA, archived=True)
restore = archive_verb(DATA, archived=False)
label = label_verb(DATA)
download = download_verb(DATA)
share = share_verb(DATA)
why = why_verb(DATA)
used_by = used_by_verb(DATA)
