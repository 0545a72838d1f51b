"""`mlctl workspace …`: folders that hold jobs, computes and everything logged."""

from __future__ import annotations

from dataclasses import asdict
from pathlib import Path
from typing import Annotated, Any

import typer

from mlctl.cli.command import GROUP, Accepted, Result, command
from mlctl.cli.options import (
    POLICY,
    DefaultWorkspaceName,
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
    WorkspaceName,
    Yes,
    parse_tags,
)
from mlctl.cli.verbs import changed_fields, confirm, first
from mlctl.cli.words import FLAG
from mlctl.context import Context
from mlctl.entities.workspace import Workspace
from mlctl.errors import UnavailableError, UsageError

_AZURE = (
    Accepted(("--allow-roleassignment-on-rg", "-r"), FLAG),
    Accepted(("--application-insights", "-a")),
    Accepted(("--container-registry", "-c")),
    Accepted(("--image-build-compute", "-i")),
    Accepted(("--managed-network", "-m")),
    Accepted(("--primary-user-assigned-identity", "-p")),
    Accepted(("--public-network-access",)),
    Accepted(("--system-datastores-auth-mode", "-d")),
    Accepted(("--update-dependent-resources", "-u"), FLAG),
    *POLICY,
)
_AZURE_CREATE = (
    Accepted(("--default-resource-group",)),
    Accepted(("--enable-data-isolation", "-e"), FLAG),
    Accepted(("--hub-id",)),
    Accepted(("--key-vault", "-k")),
    Accepted(("--kind",)),
    Accepted(("--provision-network-now",), FLAG),
    Accepted(("--storage-account", "-s")),
    *_AZURE,
)
_AZURE_UPDATE = (Accepted(("--network-acls",)), *_AZURE)
_AZURE_DELETE = (Accepted(("--all-resources",), FLAG), Accepted(("--permanently-delete", "-p"), FLAG), *POLICY)

Place = Annotated[
    Path | None,
    typer.Option("--folder", "--path", metavar="FOLDER", help="Where it is kept; below the home folder without."),
]
Location = Annotated[
    str | None, typer.Option("--location", "-l", metavar="TEXT", help="Noted and shown; it stays on this machine.")
]


@command(scope=GROUP, accepted=_AZURE_CREATE)
def create(
    context: Context,
    *,
    name: NewName = None,
    file: OptionalFile = None,
    set_: SetValues = None,
    display_name: DisplayName = None,
    description: Description = None,
    location: Location = None,
    tags: Tags = None,
    folder: Place = None,
    no_wait: NoWait = False,
) -> dict[str, Any]:
    """Create a workspace, from options or a YAML file.

    A folder that holds a workspace already (moved, or restored from a backup) is taken up as it is.
    """
    from mlctl.storage.hidden_texts import shown

    del no_wait
    given = {
        "name": name,
        "display_name": display_name,
        "description": description,
        "location": location or context.settings.text("defaults.location"),
        "tags": parse_tags(tags),
    }
    fields: dict[str, Any] = {key: value for key, value in given.items() if value is not None}
    if file is not None:
        fields = _read(context, file, set_ or (), fields)
    elif set_:
        raise UsageError("--set changes values of a YAML file, and there is none", hint="add -f FILE")
    fields = shown(fields)
    if not fields.get("name"):
        raise UsageError("a workspace needs a name", hint="mlctl workspace create -n NAME")
    return _shown(context, context.workspaces.create(fields.pop("name"), folder=folder, **fields))


@command(scope=GROUP)
def show(context: Context, *, name: DefaultWorkspaceName = None) -> dict[str, Any]:
    """Show a workspace."""
    return _shown(context, context.workspaces.open(name or _default(context)).workspace)


@command(scope=GROUP, name="list", view="workspace list")
def list_(
    context: Context,
    *,
    max_results: MaxResults = None,
    filtered_kinds: Annotated[
        str | None, typer.Option("--filtered-kinds", metavar="TEXT", help="Kinds, with commas; all here are default.")
    ] = None,
) -> list[dict[str, Any]]:
    """List the workspaces of the home folder."""
    if filtered_kinds and "default" not in filtered_kinds.lower().split(","):
        return []
    return [_shown(context, workspace) for workspace in first(context.workspaces.list(), max_results)]


@command(scope=GROUP, accepted=_AZURE_UPDATE)
def update(
    context: Context,
    *,
    name: DefaultWorkspaceName = None,
    file: OptionalFile = None,
    display_name: DisplayName = None,
    description: Description = None,
    operations: Operations = None,
    force_string: ForceString = False,
    no_wait: NoWait = False,
) -> dict[str, Any]:
    """Change display name, description or tags of a workspace."""
    from mlctl.operations.workspaces import UPDATABLE
    from mlctl.storage.hidden_texts import shown

    del no_wait
    fields: dict[str, Any] = {}
    if file is not None:
        read = _read(context, file, (), {"name": name} if name else {})
        name = read.get("name") or name
        fields = {key: value for key, value in read.items() if key in UPDATABLE}
    fields.update({"display_name": display_name} if display_name is not None else {})
    fields.update({"description": description} if description is not None else {})
    name = name or _default(context)
    before = {**_shown(context, context.workspaces.get(name)), **fields}
    fields.update(changed_fields(before, operations, force_string=force_string, updatable=UPDATABLE, kind="workspace"))
    cleared = {key: {} if key == "tags" else "" for key, value in fields.items() if value is None}
    return _shown(context, context.workspaces.update(name, **shown({**fields, **cleared})))


@command(scope=GROUP, accepted=_AZURE_DELETE)
def delete(context: Context, *, name: WorkspaceName, yes: Yes = False, no_wait: NoWait = False) -> None:
    """Delete a workspace with all its jobs, logs and models."""
    del no_wait
    workspace = context.workspaces.get(name)
    confirm(context, yes=yes, what=f"delete workspace {workspace.name!r} with everything in {workspace.folder}")
    context.workspaces.delete(name)


@command(scope=GROUP, view="workspace verify")
def verify(
    context: Context,
    *,
    name: DefaultWorkspaceName = None,
    quick: Annotated[bool, typer.Option("--quick", help="By size only; nothing is read.")] = False,
    mend: Annotated[bool, typer.Option("--repair", help="Put damaged content aside, show assets again.")] = False,
) -> Result:
    """Prove that all content is what it was and that every record finds what it names; exit code 7 when not."""
    from mlctl.store.inspection import Inspection, repair

    store = context.workspaces.open(name or _default(context))
    if mend:
        for sentence in repair(store):
            context.say.note(sentence)
    with context.say.progress("looking at records") as tell:
        inspection = Inspection(store, quick=quick, progress=lambda done: tell(f"{done / 1e6:,.0f} MB read"))
        problems = [asdict(problem) for problem in inspection.problems()]
    read = "by size" if quick else f"{inspection.bytes / 1e6:,.1f} MB read"
    files = f"{inspection.files} stored file{'s' * (inspection.files != 1)}"
    context.say.note(f"{files} ({read}), {len(problems) or 'no'} problem{'s' * (len(problems) != 1)}")
    return Result(problems, exit_code=UnavailableError.exit_code if problems else 0)


def _default(context: Context) -> str:
    return context.settings.text("defaults.workspace") or "default"


def _shown(context: Context, workspace: Workspace) -> dict[str, Any]:
    from mlctl.operations.workspaces import describe

    return describe(workspace, context.settings)


def _read(context: Context, file: Path, overrides: list[str] | tuple[()], fields: dict[str, Any]) -> dict[str, Any]:
    """The workspace fields of a YAML file, with options put over them."""
    from mlctl.spec.workspace import load_workspace

    read, problems = load_workspace(file, overrides=overrides, fields=fields)
    for problem in problems:
        context.say.warning(f"{problem.location}: {problem.message}")
    return {key: read[key] for key in ("name", "display_name", "description", "location", "tags") if key in read}
