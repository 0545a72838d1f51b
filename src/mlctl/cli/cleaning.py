"""`mlctl gc`: make room."""

from __future__ import annotations

from dataclasses import asdict
from typing import TYPE_CHECKING, Annotated, Any

import typer

from mlctl.cli.command import command
from mlctl.context import Context
from mlctl.entities.clock import parse_duration
from mlctl.errors import UsageError

if TYPE_CHECKING:
    from mlctl.operations.cleaning import Finding, Rules


@command(view="gc")
def gc(
    context: Context,
    *,
    plan: Annotated[bool, typer.Option("--plan", help="Only say what would go, and what it takes.")] = False,
    archived: Annotated[
        bool, typer.Option("--archived", help="Archived assets and jobs too, unless what stays was made with them.")
    ] = False,
    caches: Annotated[
        bool, typer.Option("--caches", help="Downloads, datastore copies, environments too, unused for 30 days.")
    ] = False,
    images: Annotated[
        bool, typer.Option("--images", help="Images built here that no environment has any more; needs the engine.")
    ] = False,
    older_than: Annotated[
        str | None,
        typer.Option("--older-than", metavar="TIME", help="Archived things and caches from before: 12h, 30d."),
    ] = None,
    keep_last: Annotated[
        str | None,
        typer.Option("--keep-last", metavar="NUMBER", help="Keep so many archived versions of a name, and jobs."),
    ] = None,
) -> list[dict[str, Any]]:
    """Remove content and leftovers that nothing refers to, and on demand what is archived or cached."""
    from mlctl.operations.cleaning import clean, plan_cleaning

    given = {"gc.older_than": older_than, "gc.keep_last": keep_last}
    for key, value in given.items():
        if value is not None:
            context.override({key: value}, f"--{key.removeprefix('gc.').replace('_', '-')}")
    rules = _rules(context, archived=archived, caches=caches)
    store = context.store
    stores = [store, *(context.workspaces.open(name) for name in context.workspaces.names())] if caches else []
    cache = context.settings.home / "cache"
    if plan:
        findings = plan_cleaning(store, stores, cache, rules)
    else:
        findings = clean(store, stores, cache, rules, waiting=lambda: context.say.note("waiting for others that add"))
    if images:
        findings = [*findings, *_images(context, rules, plan=plan)]
    size = sum(finding.bytes for finding in findings if finding.removed)
    if plan:
        context.say.note(f"{size / 1e6:,.1f} MB would be freed; without --plan they are")
    else:
        context.say.note(f"{size / 1e6:,.1f} MB were freed")
    return [asdict(finding) for finding in findings]


def _images(context: Context, rules: Rules, *, plan: bool) -> list[Finding]:
    from mlctl.operations.cleaning import CACHE_AGE, Finding
    from mlctl.operations.images import ImageDesk, collect_images, unused_images

    age = CACHE_AGE if rules.older_than is None else rules.older_than
    unused = unused_images(context.store, before=context.clock.now() - age)
    desk = ImageDesk(context.store, context.settings, context.backend)
    gone = {} if plan else collect_images(desk, unused)
    return [
        Finding(
            "image",
            image.image,
            1,
            image.size,
            "a container uses it" if gone.get(image.image) is False else "no environment has it",
            removed=plan or gone[image.image],
        )
        for image in unused
    ]


def _rules(context: Context, *, archived: bool, caches: bool) -> Rules:
    from mlctl.operations.cleaning import Rules

    age = context.settings.get("gc.older_than")
    try:
        older_than = parse_duration(age.value) if age.value else None
    except ValueError as error:
        raise UsageError(f"{age.source}: {error}") from error
    return Rules(archived, caches, older_than, context.settings.integer("gc.keep_last") or 0)
