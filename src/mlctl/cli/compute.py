"""`mlctl compute …`: places where jobs run."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Annotated, Any

import typer

from mlctl.cli.command import Accepted, command
from mlctl.cli.options import (
    POLICY,
    ComputeName,
    Description,
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
from mlctl.errors import UsageError

_IDENTITY = (Accepted(("--identity-type",)), Accepted(("--user-assigned-identities", "-i")))
_NODES = (
    Accepted(("--idle-time-before-scale-down", "-d")),
    Accepted(("--max-instances",)),
    Accepted(("--min-instances",)),
)
_AZURE_CREATE = (
    Accepted(("--admin-password",)),
    Accepted(("--admin-username",)),
    Accepted(("--enable-node-public-ip",)),
    Accepted(("--location", "-l")),
    Accepted(("--size",)),
    Accepted(("--ssh-key-value",)),
    Accepted(("--ssh-public-access-enabled", "-p")),
    Accepted(("--subnet",)),
    Accepted(("--tier",)),
    Accepted(("--user-object-id",)),
    Accepted(("--user-tenant-id",)),
    Accepted(("--vnet-name",)),
    *_IDENTITY,
    *_NODES,
    *POLICY,
)
_AZURE_ATTACH = (
    Accepted(("--admin-password",)),
    Accepted(("--admin-username",)),
    Accepted(("--namespace",)),
    Accepted(("--resource-id",)),
    Accepted(("--ssh-port",)),
    Accepted(("--ssh-private-key-file",)),
    *_IDENTITY,
    *POLICY,
)
_AZURE_UPDATE = (*_IDENTITY, *_NODES, *POLICY)

Type = Annotated[str | None, typer.Option("--type", "-t", metavar="local|docker", help="Type of the compute.")]
MaxConcurrent = Annotated[
    int | None, typer.Option("--max-concurrent", min=1, metavar="NUMBER", help="How many jobs run at once.")
]
Host = Annotated[
    str | None, typer.Option("--host", metavar="ADDRESS", help="Docker engine, such as unix:///var/run/docker.sock.")
]


@command(accepted=_AZURE_CREATE)
def create(
    context: Context,
    *,
    name: NewName = None,
    type_: Type = None,
    file: OptionalFile = None,
    set_: SetValues = None,
    max_concurrent: MaxConcurrent = None,
    host: Host = None,
    description: Description = None,
    tags: Tags = None,
    no_wait: NoWait = False,
) -> dict[str, Any]:
    """Create a compute, from options or a YAML file; one of that name is changed.

    Types: local (processes on this machine) and docker (containers on an engine).
    """
    del no_wait
    given = {
        "name": name,
        "type": type_,
        "max_concurrent": max_concurrent,
        "description": description,
        "tags": parse_tags(tags),
        "host": host,
    }
    return _create(context, file, given, set_ or ())


@command(accepted=_AZURE_ATTACH)
def attach(
    context: Context,
    *,
    name: NewName = None,
    type_: Type = None,
    file: OptionalFile = None,
    max_concurrent: MaxConcurrent = None,
    host: Host = None,
    no_wait: NoWait = False,
) -> dict[str, Any]:
    """Attach something that exists already, such as a Docker engine on another machine."""
    del no_wait
    return _create(context, file, {"name": name, "type": type_, "max_concurrent": max_concurrent, "host": host})


@command
def show(context: Context, *, name: ComputeName) -> dict[str, Any]:
    """Show a compute, and whether it can be used now."""
    from mlctl.operations.computes import describe_with_health

    return describe_with_health(context.store, context.store.computes.get(name), context.backend)


@command(name="list", view="compute list")
def list_(
    context: Context,
    *,
    type_: Annotated[str | None, typer.Option("--type", metavar="TEXT", help="Only computes of this type.")] = None,
    max_results: MaxResults = None,
) -> list[dict[str, Any]]:
    """List the computes of the workspace."""
    from mlctl.operations.computes import describe

    wanted = type_.lower() if type_ else None
    computes = [compute for compute in context.store.computes.list() if wanted in (None, compute.type)]
    return [describe(context.store, compute) for compute in first(computes, max_results)]


@command(accepted=_AZURE_UPDATE)
def update(
    context: Context,
    *,
    name: ComputeName,
    max_concurrent: MaxConcurrent = None,
    host: Host = None,
    description: Description = None,
    tags: Tags = None,
    operations: Operations = None,
    force_string: ForceString = False,
    no_wait: NoWait = False,
) -> dict[str, Any]:
    """Change a compute. A higher --max-concurrent starts waiting jobs at once."""
    from mlctl.operations.computes import UPDATABLE, describe
    from mlctl.operations.computes import update as update_compute

    del no_wait
    given = {"max_concurrent": max_concurrent, "host": host, "description": description, "tags": parse_tags(tags)}
    changes = {key: value for key, value in given.items() if value is not None}
    before = {**describe(context.store, context.store.computes.get(name)), **changes}
    changes.update(changed_fields(before, operations, force_string=force_string, updatable=UPDATABLE, kind="compute"))
    return describe(context.store, update_compute(context.store, name, changes, context.backend))


@command(accepted=POLICY)
def delete(context: Context, *, name: ComputeName, yes: Yes = False, no_wait: NoWait = False) -> None:
    """Delete a compute. Jobs that ran there stay; its engine and images too."""
    del no_wait
    _remove(context, name, yes=yes, what=f"delete compute {name!r}")


@command(accepted=POLICY)
def detach(context: Context, *, name: ComputeName, yes: Yes = False, no_wait: NoWait = False) -> None:
    """Detach a compute that was attached; what it points to goes on."""
    del no_wait
    _remove(context, name, yes=yes, what=f"detach compute {name!r}")


def _create(
    context: Context, file: Path | None, given: dict[str, Any], overrides: Sequence[str] = ()
) -> dict[str, Any]:
    from mlctl.operations.computes import create as create_compute
    from mlctl.operations.computes import describe
    from mlctl.spec.compute import load_compute

    fields = {key: value for key, value in given.items() if value is not None}
    for key in ("name", "type"):
        if file is None and not fields.get(key):
            raise UsageError(
                f"a compute needs a {key}", hint="mlctl compute create -n NAME --type local|docker, or -f FILE"
            )
    wanted, problems = load_compute(file, overrides=overrides, fields=fields)
    for problem in problems:
        context.say.warning(f"{problem.location}: {problem.message}")
    return describe(context.store, create_compute(context.store, context.clock, wanted))


def _remove(context: Context, name: str, *, yes: bool, what: str) -> None:
    context.store.computes.get(name)
    confirm(context, yes=yes, what=what)
    context.store.computes.delete(name)
