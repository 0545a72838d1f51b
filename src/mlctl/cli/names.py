"""Names for the shell's completion: from the tables of mlctl or the store, and silence when anything is wrong."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import Any

import typer

from mlctl.context import Context


def complete_jobs(ctx: typer.Context, incomplete: str) -> list[str]:
    """Jobs of the workspace that begin with the word, the newest first."""
    return _quietly(lambda context: context.store.jobs.names(incomplete, 50), ctx)


def complete_computes(ctx: typer.Context, incomplete: str) -> list[str]:
    """Computes of the workspace that begin with the word."""
    return _quietly(lambda context: context.store.computes.names(incomplete), ctx)


def complete_workspaces(ctx: typer.Context, incomplete: str) -> list[str]:
    """Workspaces that begin with the word."""
    return _quietly(lambda context: context.workspaces.names(incomplete), ctx)


def complete_assets(ctx: typer.Context, incomplete: str) -> list[str]:
    """Assets that begin with the word, of the kind whose group the command is in."""
    group = ctx.parent.info_name if ctx.parent else None
    return _quietly(lambda context: context.store.assets.names(group or "", incomplete), ctx)


def complete_endpoints(ctx: typer.Context, incomplete: str) -> list[str]:
    """Online endpoints that begin with the word."""
    return _quietly(lambda context: _beginning(context.store.endpoints.list("online"), incomplete), ctx)


def complete_deployments(ctx: typer.Context, incomplete: str) -> list[str]:
    """Deployments that begin with the word, of the online endpoint given before or of all."""
    return _deployments("online", ctx, incomplete)


def complete_batch_endpoints(ctx: typer.Context, incomplete: str) -> list[str]:
    """Batch endpoints that begin with the word."""
    return _quietly(lambda context: _beginning(context.store.endpoints.list("batch"), incomplete), ctx)


def complete_batch_deployments(ctx: typer.Context, incomplete: str) -> list[str]:
    """Deployments that begin with the word, of the batch endpoint given before or of all."""
    return _deployments("batch", ctx, incomplete)


def _deployments(kind: str, ctx: typer.Context, incomplete: str) -> list[str]:
    given = ctx.params.get("endpoint_name")
    return _quietly(
        lambda context: [
            name
            for one in context.store.endpoints.list(kind)
            if given in (None, one.name)
            for name in _beginning(context.store.endpoints.deployments(one.name), incomplete)
        ],
        ctx,
    )


def complete_datastores(ctx: typer.Context, incomplete: str) -> list[str]:
    """Datastores of the workspace that begin with the word."""
    return _quietly(lambda context: _beginning(context.store.datastores.list(), incomplete), ctx)


def complete_connections(ctx: typer.Context, incomplete: str) -> list[str]:
    """Connections of the workspace that begin with the word."""
    return _quietly(lambda context: _beginning(context.store.connections.list(), incomplete), ctx)


def _beginning(named: Iterable[Any], prefix: str) -> list[str]:
    return [one.name for one in named if one.name.startswith(prefix)]


def complete_registries(ctx: typer.Context, incomplete: str) -> list[str]:
    """Registries that begin with the word."""

    def names(context: Context) -> tuple[str, ...]:
        from mlctl.operations.registries import registries_of

        return registries_of(context.settings).names(incomplete)

    return _quietly(names, ctx)


def complete_kinds(ctx: typer.Context, incomplete: str) -> list[str]:
    """Names of kinds of specs, and of groups of az, that begin with the word."""
    from mlctl.spec.kinds import FAMILIES, KINDS

    del ctx
    return [name for name in dict.fromkeys((*KINDS, *FAMILIES)) if name.lower().startswith(incomplete.lower())]


def complete_codes(ctx: typer.Context, incomplete: str) -> list[str]:
    """Codes of problems, or their words, that begin with the word."""
    from mlctl.spec.codes import NUMBERS, code_of

    del ctx
    names = [name for word in NUMBERS for name in (code_of(word), word)]
    return [name for name in names if name.lower().startswith(incomplete.lower())]


def complete_backends(ctx: typer.Context, incomplete: str) -> list[str]:
    """Back ends that run jobs."""
    from mlctl.backends import KNOWN

    del ctx
    return [name for name in KNOWN if name.startswith(incomplete)]


def complete_backend_lists(ctx: typer.Context, incomplete: str) -> list[str]:
    """Back ends of the table of capabilities, parted by commas, each once."""
    from mlctl.backends.capabilities import BACKENDS

    del ctx
    before, comma, word = incomplete.rpartition(",")
    named = before.split(",")
    return [f"{before}{comma}{name}" for name in BACKENDS if name.startswith(word) and name not in named]


def _quietly(find: Callable[[Context], Iterable[str]], ctx: typer.Context) -> list[str]:
    try:
        return list(find(ctx.obj))
    except Exception:  # a Tab must never show an error, whatever is wrong with the store
        return []
