"""`why` and `used-by`: where something comes from and where it went, for every kind of asset and for jobs."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from typing import Annotated, Any

import typer

from mlctl.cli.assets import Label, Version
from mlctl.cli.command import Result, command
from mlctl.cli.job_desk import one_job
from mlctl.cli.names import complete_assets, complete_jobs
from mlctl.context import Context
from mlctl.entities.lineage import Node

Function = Callable[..., Any]

Depth = Annotated[int, typer.Option("--depth", min=1, max=100, metavar="NUMBER", help="How many steps to follow.")]
Which = Annotated[
    str | None,
    typer.Argument(
        metavar="[NAME[:VERSION]]",
        autocompletion=complete_assets,
        help="Name and version, or NAME@LABEL; the latest version without one.",
    ),
]
NameOption = Annotated[
    str | None,
    typer.Option("--name", "-n", metavar="NAME", autocompletion=complete_assets, help="Name of the asset."),
]
WhichJob = Annotated[str | None, typer.Argument(metavar="[JOB]", autocompletion=complete_jobs, help="Name of the job.")]
JobOption = Annotated[
    str | None,
    typer.Option("--name", "-n", metavar="JOB", autocompletion=complete_jobs, help="Name of the job."),
]

_DEPTH = 20
_DIGEST = 12
"""Characters of a digest that a line shows."""


def why_verb(kind: str) -> Function:
    """`why`: what a version was made from."""

    def ask(context: Context, node: Node, depth: int) -> dict[str, Any]:
        from mlctl.operations.lineage import made_from

        return made_from(context.store, node, depth=depth)

    return _verb(
        "why", kind, ask, f"Show what one {_words(kind)} was made from: jobs, their data, code, commit and environment."
    )


def used_by_verb(kind: str) -> Function:
    """`used-by`: what was made with a version."""

    def ask(context: Context, node: Node, depth: int) -> dict[str, Any]:
        from mlctl.operations.lineage import used_by

        return used_by(context.store, node, depth=depth)

    return _verb(
        "used-by", kind, ask, f"Show what was made with one {_words(kind)}: jobs, and what they made; the newest first."
    )


def _verb(word: str, kind: str, ask: Callable[[Context, Node, int], dict[str, Any]], said: str) -> Function:
    def verb(
        context: Context,
        *,
        which: Which = None,
        name: NameOption = None,
        version: Version = None,
        label: Label = None,
        depth: Depth = _DEPTH,
    ) -> Result:
        from mlctl.operations.lineage import asset_node

        node = asset_node(context.store, kind, which, name=name, version=version, label=label)
        return shown(context, ask(context, node, depth))

    verb.__doc__ = f"{said}\n\nA tree on a terminal; data with -o, --query, or when the output goes elsewhere."
    return command(name=word)(verb)


@command
def lineage(context: Context, *, which: WhichJob = None, name: JobOption = None, depth: Depth = _DEPTH) -> Result:
    """Show what a job was made from: data, code, commit, environment, and the jobs behind them.

    A tree on a terminal; data with -o, --query, or when the output goes elsewhere.
    """
    from mlctl.operations.lineage import job_node, made_from

    node = job_node(context.store, one_job(which, name))
    return shown(context, made_from(context.store, node, depth=depth))


@command(name="used-by")
def job_used_by(context: Context, *, which: WhichJob = None, name: JobOption = None, depth: Depth = _DEPTH) -> Result:
    """Show what was made with a job: models and data it made, and the jobs that used them; the newest first.

    A tree on a terminal; data with -o, --query, or when the output goes elsewhere.
    """
    from mlctl.operations.lineage import job_node, used_by

    node = job_node(context.store, one_job(which, name))
    return shown(context, used_by(context.store, node, depth=depth))


def shown(context: Context, tree: Mapping[str, Any]) -> Result:
    """A tree for people when stdout is a terminal and nobody asked for a format, else data."""
    width = context.streams.terminal_width()
    if width is None or context.output_given:
        return Result(tree)
    from mlctl.output.tree import render_tree

    colour = context.streams.both_are_terminals() and not context.settings.flag("core.no_color")
    text = render_tree(branch_of(tree), width=width, colour=colour, ascii_only=context.streams.ascii_only)
    return Result(log=[text.encode()])


def branch_of(tree: Mapping[str, Any]) -> Any:
    """A tree of `operations.lineage` as lines."""
    from mlctl.output.tree import Branch

    inner = [branch_of(one) for one in (tree.get("made_from") or tree.get("used_by") or ())]
    if tree.get("more"):
        inner.append(Branch(f"… {tree['more']} more", "--depth goes further"))
    name = _name(tree["node"])
    # a path as the path of something need not be said twice
    role = tree.get("role") or ""
    label = name if role in ("", name.partition(" ")[0]) else f"{role}: {name}"
    return Branch(label, ", ".join(_said(tree)), inner)


def _name(text: str) -> str:
    """`model/iris/3` as `model iris:3`; digests are cut."""
    kind, _, rest = text.partition("/")
    if kind in ("data", "model", "environment", "component"):
        name, _, version = rest.rpartition("/")
        return f"{kind} {name}{version}" if version.startswith("@") else f"{kind} {name}:{_cut(version)}"
    return f"{kind} {_cut(rest) if kind in ('code', 'git') else rest}"


def _said(tree: Mapping[str, Any]) -> Iterator[str]:
    facts = tree["facts"]
    if tree.get("repeated"):
        yield "told elsewhere in this tree"
        return
    if facts.get("in_workspace") is False:
        yield "not in this workspace"
    for key in ("status", "type", "stage"):
        if facts.get(key):
            yield str(facts[key])
    if "created_at" in facts:
        yield facts["created_at"][:16].replace("T", " ")
    if "git_commit" in facts:
        yield f"git {_cut(facts['git_commit'])}" + (" with changes" if facts.get("git_dirty") else "")
    if "digest" in facts:
        yield _cut(facts["digest"].removeprefix("sha256:"))
    if facts.get("archived"):
        yield "archived"


def _cut(text: str) -> str:
    return text[:_DIGEST] if len(text) >= 40 else text


def _words(kind: str) -> str:
    return "data asset" if kind == "data" else kind
