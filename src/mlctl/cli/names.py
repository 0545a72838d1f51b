"""Names for the shell's completion: from the tables of mlctl or the store, and silence when anything is wrong."""

from __future__ import annotations

from collections.abc import Callable, Iterable

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
