"""`mlctl model …`: models under a name and a version."""

from __future__ import annotations

from typing import Annotated, Any

import typer

from mlctl.cli.assets import (
    AssetName,
    Datastore,
    Label,
    ListedName,
    NewVersion,
    RegistryName,
    Stage,
    Version,
    archive_verb,
    created,
    desk_of,
    download_verb,
    label_verb,
    show_verb,
    updated,
    view_of,
)
from mlctl.cli.command import command
from mlctl.cli.lineage import used_by_verb, why_verb
from mlctl.cli.options import (
    POLICY,
    ArchivedOnly,
    Description,
    File,
    ForceString,
    IncludeArchived,
    MaxResults,
    NewName,
    NoCache,
    NoWait,
    Operations,
    OptionalFile,
    PushTarget,
    SetValues,
    Tags,
    WriteContext,
    parse_tags,
)
from mlctl.cli.sharing import share_verb
from mlctl.context import Context
from mlctl.entities.asset import MODEL


@command(accepted=POLICY)
def create(
    context: Context,
    *,
    file: OptionalFile = None,
    name: NewName = None,
    version: NewVersion = None,
    type_: Annotated[
        str | None,
        typer.Option("--type", "-t", metavar="custom_model|mlflow_model|triton_model", help="Format of the model."),
    ] = None,
    path: Annotated[
        str | None,
        typer.Option(
            "--path",
            "-p",
            metavar="PATH",
            help="Local path, output of a job (azureml://jobs/<job>/outputs/<output>/paths/…) or runs:/<run>/<path>.",
        ),
    ] = None,
    stage: Stage = None,
    description: Description = None,
    tags: Tags = None,
    datastore: Datastore = None,
    set_: SetValues = None,
    registry_name: RegistryName = None,
    no_wait: NoWait = False,
) -> dict[str, Any]:
    """Create a version of a model from a YAML file or from options.

    The files are stored by content and stay when the job that made them is gone. Without a version it gets the next
    number. The same version with other content is refused (exit 6).
    """
    del no_wait
    fields = {
        "name": name,
        "version": version,
        "type": type_,
        "path": path,
        "stage": stage,
        "description": description,
        "tags": parse_tags(tags),
        "datastore": datastore,
    }
    return created(context, MODEL, file, set_, fields, registry=registry_name)


show = show_verb(MODEL)


@command(name="list", view="model list")
def list_(
    context: Context,
    *,
    name: ListedName = None,
    stage: Stage = None,
    max_results: MaxResults = None,
    include_archived: IncludeArchived = False,
    archived_only: ArchivedOnly = False,
    registry_name: RegistryName = None,
) -> list[dict[str, Any]]:
    """List the models of the workspace, or the versions of one, newest first."""
    from mlctl.operations.assets import list_assets

    view = view_of(include_archived=include_archived, archived_only=archived_only)
    return list_assets(desk_of(context, registry_name), MODEL, name, view=view, stage=stage, max_results=max_results)


@command(accepted=POLICY)
def update(
    context: Context,
    *,
    name: AssetName,
    version: Version = None,
    label: Label = None,
    stage: Stage = None,
    operations: Operations = None,
    force_string: ForceString = False,
    registry_name: RegistryName = None,
) -> dict[str, Any]:
    """Change description, tags, properties or stage of a model; all else a version keeps."""
    desk, given = desk_of(context, registry_name), {"stage": stage}
    return updated(desk, MODEL, (name, version, label), operations, force_string=force_string, given=given)


archive = archive_verb(MODEL, archived=True)
restore = archive_verb(MODEL, archived=False)
label = label_verb(MODEL)
download = download_verb(MODEL)
share = share_verb(MODEL)


@command(accepted=POLICY)
def package(
    context: Context,
    *,
    name: AssetName,
    version: Annotated[str, typer.Option("--version", "-v", metavar="VERSION", help="The version.")],
    file: File,
    registry_name: RegistryName = None,
    push: PushTarget = None,
    no_cache: NoCache = False,
    write_context: WriteContext = None,
) -> dict[str, Any]:
    """Make one image of a model, its code, its environment and the inference server; it runs without mlctl.

    The image is that of a new version of the package's target environment. The build's log goes to stderr.
    """
    from mlctl.cli.packaging import package_model

    return package_model(
        context, (name, version, registry_name), file, push=push, write_context=write_context, no_cache=no_cache
    )


why = why_verb(MODEL)
used_by = used_by_verb(MODEL)
