"""The verbs that data, models, environments and components share, each written once, for any kind."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Annotated, Any

import typer

from mlctl.cli.command import command
from mlctl.cli.names import complete_assets, complete_registries
from mlctl.cli.options import (
    POLICY,
    ArchivedOnly,
    ForceString,
    IncludeArchived,
    MaxResults,
    Operations,
)
from mlctl.cli.verbs import changed_fields
from mlctl.context import Context
from mlctl.entities.asset import UPDATABLE, can_be_named
from mlctl.errors import UsageError
from mlctl.operations.assets import AssetDesk

Function = Callable[..., Any]

Version = Annotated[str | None, typer.Option("--version", "-v", metavar="VERSION", help="The version.")]
Label = Annotated[str | None, typer.Option("--label", "-l", metavar="LABEL", help="A label, such as latest.")]
NewVersion = Annotated[
    str | None,
    typer.Option("--version", "-v", metavar="VERSION", help="Version; wins over the YAML. The next number without."),
]
Datastore = Annotated[
    str | None, typer.Option("--datastore", metavar="DATASTORE", help="The datastore that receives local files.")
]
Stage = Annotated[str | None, typer.Option("--stage", "-s", metavar="STAGE", help="Stage of the model's life.")]


AssetName = Annotated[
    str, typer.Option("--name", "-n", metavar="NAME", autocompletion=complete_assets, help="Name of the asset.")
]
ListedName = Annotated[
    str | None,
    typer.Option("--name", "-n", metavar="NAME", autocompletion=complete_assets, help="List the versions of this one."),
]


RegistryName = Annotated[
    str | None,
    typer.Option(
        "--registry-name",
        metavar="REGISTRY",
        autocompletion=complete_registries,
        help="A shared registry, in place of the workspace.",
    ),
]


def desk_of(context: Context, registry: str | None = None) -> AssetDesk:
    """What operations on assets need; on a terminal the storing of files shows how far it is.

    Raises NotFoundError for an unknown registry.
    """
    from mlctl.cli.progress import byte_progress
    from mlctl.operations.registries import open_registry, registry_sources

    opened = open_registry(context.settings, registry) if registry is not None else None
    sources = registry_sources(context.settings, context.store)
    return AssetDesk(context.store, context.clock, byte_progress(context), opened, sources)


def created(
    context: Context,
    kind: str,
    file: Path | None,
    overrides: Any,
    fields: Mapping[str, Any],
    *,
    registry: str | None,
) -> dict[str, Any]:
    """What every `create` does once its options are read: register, warn, show."""
    from mlctl.operations.assets import create, describe

    desk = desk_of(context, registry)
    asset, warnings = create(desk, kind, file, overrides=overrides or (), fields=fields)
    context.say.warnings(warnings)
    return describe(desk, asset)


def show_verb(kind: str) -> Function:
    """`show`: one version."""

    def show(
        context: Context,
        *,
        name: AssetName,
        version: Version = None,
        label: Label = None,
        registry_name: RegistryName = None,
    ) -> dict[str, Any]:
        from mlctl.operations.assets import show as show_asset

        one_of(version, label)
        return show_asset(desk_of(context, registry_name), kind, name, version=version, label=label)

    show.__doc__ = f"Show one {_words(kind)}: the version given, else the latest."
    return command(show)


def list_verb(kind: str) -> Function:
    """`list`: names, or the versions of one."""

    def list_(
        context: Context,
        *,
        name: ListedName = None,
        max_results: MaxResults = None,
        include_archived: IncludeArchived = False,
        archived_only: ArchivedOnly = False,
        registry_name: RegistryName = None,
    ) -> list[dict[str, Any]]:
        from mlctl.operations.assets import list_assets

        view = view_of(include_archived=include_archived, archived_only=archived_only)
        return list_assets(desk_of(context, registry_name), kind, name, view=view, max_results=max_results)

    list_.__doc__ = f"List the {_plural(kind)} of the workspace, or the versions of one, newest first."
    return command(name="list", view=f"{kind} list")(list_)


def view_of(*, include_archived: bool, archived_only: bool) -> str:
    """Which assets a list shows: active, archived or all. Raises UsageError for both options."""
    if include_archived and archived_only:
        raise UsageError("--include-archived and --archived-only exclude each other", hint="give one of the two")
    return "all" if include_archived else "archived" if archived_only else "active"


def update_verb(kind: str) -> Function:
    """`update`: az's generic update."""

    def update(
        context: Context,
        *,
        name: AssetName,
        version: Version = None,
        label: Label = None,
        operations: Operations = None,
        force_string: ForceString = False,
        registry_name: RegistryName = None,
    ) -> dict[str, Any]:
        desk = desk_of(context, registry_name)
        return updated(desk, kind, (name, version, label), operations, force_string=force_string)

    update.__doc__ = f"Change description, tags or properties of one {_words(kind)}; all else a version keeps."
    return command(accepted=POLICY)(update)


def updated(
    desk: AssetDesk,
    kind: str,
    named: tuple[str, str | None, str | None],
    operations: Any,
    *,
    force_string: bool,
    given: Mapping[str, Any] | None = None,
) -> dict[str, Any]:
    """What every `update` does once its options are read."""
    from mlctl.operations.assets import describe
    from mlctl.operations.assets import update as update_asset

    name, version, label = named
    one_of(version, label)
    asset = desk.assets.resolve(kind, name, version=version, label=label)
    changes = {key: value for key, value in (given or {}).items() if value is not None}
    before = {**describe(desk, asset), **changes}
    updatable = UPDATABLE if kind == "model" else UPDATABLE[:-1]
    changes.update(changed_fields(before, operations, force_string=force_string, updatable=updatable, kind=kind))
    return update_asset(desk, asset, changes)


def archive_verb(kind: str, *, archived: bool) -> Function:
    """`archive` and `restore`: a version, or all of them."""

    def verb(
        context: Context,
        *,
        name: AssetName,
        version: Version = None,
        label: Label = None,
        registry_name: RegistryName = None,
    ) -> None:
        one_of(version, label)
        table = desk_of(context, registry_name).assets
        if label is not None:
            version = table.resolve(kind, name, label=label).version
        table.set_archived(kind, name, version, archived=archived)

    hidden = "Hide a version, or without one all of them, from lists and from latest; it can still be used."
    verb.__doc__ = hidden if archived else "Show archived versions again."
    return command(accepted=POLICY, name="archive" if archived else "restore")(verb)


def label_verb(kind: str) -> Function:
    """`label`: names such as `prod` for a version, as in azureml:name@prod."""

    def label_(
        context: Context,
        *,
        name: AssetName,
        label: Annotated[str, typer.Option("--label", "-l", metavar="LABEL", help="The label.")],
        version: Version = None,
        remove: Annotated[bool, typer.Option("--remove", help="Take the label away.")] = False,
        registry_name: RegistryName = None,
    ) -> dict[str, str]:
        if label == "latest":
            raise UsageError("'latest' is always the newest version", hint="take another label")
        if (version is None) != remove:
            raise UsageError("a label needs a version to point to", hint="give --version, or --remove")
        if not remove and not can_be_named(label):
            raise UsageError(f"{label!r} cannot be a label", hint="letters, digits, dots, dashes and underscores")
        table = desk_of(context, registry_name).assets
        table.set_label(kind, name, label, version)
        return table.labels(kind, name)

    label_.__doc__ = (
        "Point a label at a version, so that azureml:<name>@<label> means it.\n\n"
        f"Prints all labels of the {_words(kind)}."
    )
    return command(name="label")(label_)


def download_verb(kind: str) -> Function:
    """`download`: the files of a version."""

    def download(
        context: Context,
        *,
        name: AssetName,
        version: Version = None,
        label: Label = None,
        download_path: Annotated[
            Path, typer.Option("--download-path", "-p", metavar="FOLDER", help="Where to; the working directory.")
        ] = Path(),
        registry_name: RegistryName = None,
    ) -> None:
        from mlctl.operations.assets import download as download_asset

        one_of(version, label)
        desk = desk_of(context, registry_name)
        asset = desk.assets.resolve(kind, name, version=version, label=label)
        target, warnings = download_asset(desk, asset, download_path)
        context.say.warnings(warnings)
        context.say.info(f"downloaded to {target}")

    download.__doc__ = f"Copy the files of one {_words(kind)} to FOLDER/NAME, each checked against its digest."
    return command(accepted=POLICY)(download)


def one_of(version: str | None, label: str | None) -> None:
    """A version and a label exclude each other. Raises UsageError."""
    if version is not None and label is not None:
        raise UsageError("--version and --label exclude each other", hint="give one of the two")


def _words(kind: str) -> str:
    return "data asset" if kind == "data" else kind


def _plural(kind: str) -> str:
    return f"{_words(kind)}s"
