"""`mlctl registry …`: assets that several workspaces share."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Any

import typer

from mlctl.cli.command import GROUP, Accepted, command
from mlctl.cli.names import complete_registries
from mlctl.cli.options import (
    POLICY,
    Description,
    DisplayName,
    ForceString,
    MaxResults,
    NewName,
    NoWait,
    Operations,
    OptionalFile,
    SetValues,
    Tags,
    Yes,
    parse_tags,
)
from mlctl.cli.verbs import changed_fields, confirm, first
from mlctl.context import Context
from mlctl.entities.asset import ASSET_KINDS
from mlctl.errors import UsageError
from mlctl.operations.registries import UPDATABLE, describe, describe_known, registries_of

_AZURE = (Accepted(("--public-network-access",)), *POLICY)

RegistryName = Annotated[
    str,
    typer.Option("--name", "-n", metavar="REGISTRY", autocompletion=complete_registries, help="Name of the registry."),
]
OptionalRegistryName = Annotated[
    str | None,
    typer.Option("--name", "-n", metavar="REGISTRY", autocompletion=complete_registries, help="Name of the registry."),
]
Place = Annotated[
    str | None,
    typer.Option(
        "--path",
        metavar="FOLDER_OR_URL",
        help="Where it is: a folder, such as one on a network share, or a URL (abfss://, s3://); below the home folder "
        "without.",
    ),
]


@command(scope=GROUP, accepted=_AZURE)
def create(
    context: Context,
    *,
    name: NewName = None,
    file: OptionalFile = None,
    set_: SetValues = None,
    path: Place = None,
    display_name: DisplayName = None,
    description: Description = None,
    tags: Tags = None,
    no_wait: NoWait = False,
) -> dict[str, Any]:
    """Create a registry, or get to know one that is there already.

    Everybody who shares a registry creates it with the same --path; the first one makes it. It holds plain files and
    needs no server. A URL needs pip install 'mlctl[storage]', and takes credentials from the usual variables.
    """
    from mlctl.storage.hidden_texts import shown

    del no_wait
    given = {"name": name, "display_name": display_name, "description": description, "tags": parse_tags(tags)}
    fields = _fields(context, file, set_, given)
    known = registries_of(context.settings, context.clock)
    return describe(known.create(fields.pop("name", None), path, **shown(fields)), context.settings)


@command(scope=GROUP)
def show(context: Context, *, name: RegistryName) -> dict[str, Any]:
    """Show a registry."""
    return describe(registries_of(context.settings).get(name), context.settings)


@command(scope=GROUP, name="list", view="registry list")
def list_(context: Context, *, max_results: MaxResults = None) -> list[dict[str, Any]]:
    """List the registries that you know, and whether each can be reached now."""
    return list(first(describe_known(registries_of(context.settings), context.settings), max_results))


@command(scope=GROUP, accepted=_AZURE)
def update(
    context: Context,
    *,
    name: OptionalRegistryName = None,
    file: OptionalFile = None,
    display_name: DisplayName = None,
    description: Description = None,
    tags: Tags = None,
    operations: Operations = None,
    force_string: ForceString = False,
    no_wait: NoWait = False,
) -> dict[str, Any]:
    """Change display name, description or tags of a registry, for everybody who shares it."""
    from mlctl.storage.hidden_texts import shown

    del no_wait
    given = {"name": name, "display_name": display_name, "description": description, "tags": parse_tags(tags)}
    fields = _fields(context, file, None, given)
    name = _named(fields.pop("name", None))
    known = registries_of(context.settings)
    before = {**describe(known.get(name), context.settings), **fields}
    fields.update(changed_fields(before, operations, force_string=force_string, updatable=UPDATABLE, kind="registry"))
    cleared = {key: {} if key == "tags" else "" for key, value in fields.items() if value is None}
    return describe(known.update(name, **shown({**fields, **cleared})), context.settings)


@command(scope=GROUP, accepted=POLICY)
def delete(
    context: Context,
    *,
    name: OptionalRegistryName = None,
    delete_content: Annotated[
        bool, typer.Option("--delete-content", help="Remove all its assets and files too, for everybody; asks first.")
    ] = False,
    yes: Yes = False,
) -> None:
    """Forget a registry. Its assets stay where they are, and 'create' with the same --path finds them again."""
    name = _named(name)
    known = registries_of(context.settings)
    path = known.path(name)
    if delete_content:
        confirm(context, yes=yes, what=f"delete registry {name!r} with all assets in {path}, for everybody")
        known.destroy(name)
        return
    known.forget(name)
    context.say.hint(f"its assets are still in {path}; mlctl registry create -n {name} --path {path} finds them again")


@command(scope=GROUP)
def export(
    context: Context,
    *,
    name: RegistryName,
    to: Annotated[
        Path, typer.Option("--to", metavar="FILE", help="The file; packed when it ends with .tar.gz, else a plain tar.")
    ],
    kind: Annotated[
        list[str] | None,
        typer.Option("--kind", metavar="KIND…", help="Only these: data, model, environment, component."),
    ] = None,
    asset: Annotated[
        list[str] | None, typer.Option("--asset", metavar="NAME[:VERSION]…", help="Only these assets, or versions.")
    ] = None,
) -> dict[str, Any]:
    """Write assets of a registry into one file, for a place without a network.

    The file holds every version with its files, labels and checksums; the same assets give the same bytes. 'import'
    takes it into another registry. The result has the file's sha256.
    """
    from mlctl.operations.bundles import export as export_bundle
    from mlctl.operations.registries import open_registry

    for word in kind or ():
        if word not in ASSET_KINDS:
            raise UsageError(f"--kind {word!r} is no kind of asset", hint=f"one of {', '.join(ASSET_KINDS)}")
    registry = open_registry(context.settings, name)
    written = export_bundle(registry, to.absolute(), kinds=kind or (), names=asset or ())
    return {
        "registry": name,
        "path": str(to.absolute()),
        "assets": [f"{item.asset.kind} {item.asset.name}:{item.asset.version}" for item in written.manifest.items],
        "files": len(written.manifest.files),
        "size": written.size,
        "sha256": written.digest,
    }


@command(scope=GROUP)
def import_(
    context: Context,
    *,
    name: RegistryName,
    from_: Annotated[Path, typer.Option("--from", metavar="FILE", help="The file that 'export' wrote.")],
) -> dict[str, Any]:
    """Take the assets of such a file into a registry.

    Every checksum is verified before anything is seen. Versions that are there already stay as they are; when one has
    other content, nothing is imported (exit 6). After an interruption the same command goes on.
    """
    from mlctl.operations.bundles import import_bundle
    from mlctl.operations.registries import open_registry

    done = import_bundle(open_registry(context.settings, name), from_)
    context.say.warnings(done.warnings)
    return {"registry": name, "imported": list(done.imported), "unchanged": list(done.unchanged)}


def _fields(context: Context, file: Path | None, overrides: list[str] | None, given: dict[str, Any]) -> dict[str, Any]:
    """Options put over a YAML file."""
    fields = {key: value for key, value in given.items() if value is not None}
    if file is None:
        if overrides:
            raise UsageError("--set changes values of a YAML file, and there is none", hint="add -f FILE")
        return fields
    from mlctl.spec.registry import load_registry

    named = {"name": fields["name"]} if "name" in fields else {}
    read, problems = load_registry(file, overrides=overrides or (), fields=named)
    for problem in problems:
        context.say.warning(f"{problem.location}: {problem.message}")
    return {**read, **fields}


def _named(name: str | None) -> str:
    if not name:
        raise UsageError("which registry?", hint="add --name")
    return name
