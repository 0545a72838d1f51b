"""Lineage as a tree: what something was made from, and what was made with it."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

from mlctl.entities.asset import ANONYMOUS_ENVIRONMENT, ASSET_KINDS
from mlctl.entities.clock import iso_time
from mlctl.entities.lineage import JOB, Link, Node
from mlctl.errors import NotFoundError, UsageError
from mlctl.spec.references import ASSET, parse
from mlctl.store.workspaces import WorkspaceStore

Tree = dict[str, Any]
"""{"node", "role" (not at the root), "facts", and "made_from" or "used_by": its branches}.

A node is expanded once, where it is nearest to the root; elsewhere it has `repeated`: true and no branches. Where the
depth ends the tree, `more` counts the branches that are left out.
"""

MADE_FROM, USED_BY = "made_from", "used_by"


@dataclass(frozen=True, slots=True)
class _Graph:
    """What can be reached: `distance` of each node from the root, and its branches with their roles."""

    distance: dict[Node, int]
    branches: dict[Node, list[tuple[str, Node]]]
    cut: dict[Node, int]


def made_from(store: WorkspaceStore, node: Node, *, depth: int) -> Tree:
    """What a node was made from, `depth` steps back."""
    graph = _reach(
        node, lambda nodes: store.links.upstream(*nodes), lambda link: (link.downstream, link.upstream), depth
    )
    return _tree(store, node, graph, MADE_FROM)


def used_by(store: WorkspaceStore, node: Node, *, depth: int) -> Tree:
    """What was made with a node, `depth` steps on; the newest first."""
    graph = _reach(
        node, lambda nodes: store.links.downstream(*nodes), lambda link: (link.upstream, link.downstream), depth
    )
    return _tree(store, node, graph, USED_BY)


def asset_node(
    store: WorkspaceStore, kind: str, text: str | None, *, name: str | None, version: str | None, label: str | None
) -> Node:
    """The node that NAME:VERSION, NAME@LABEL, NAME or the options mean; the latest version without one.

    Also one that is no asset of this workspace but was used in it, such as a curated environment. Raises UsageError
    for what names nothing, NotFoundError.
    """
    if text is not None:
        if name or version or label:
            raise UsageError(
                f"'{text}' and options for its name or version exclude each other", hint="give one of them"
            )
        name, version, label = _named(text)
    if not name:
        raise UsageError(f"which {kind}?", hint="NAME:VERSION, or --name with --version")
    try:
        asset = store.assets.resolve(kind, name, version=version, label=label)
    except NotFoundError:
        used = Node(kind, name, version or f"@{label or 'latest'}")
        if store.links.downstream(used):
            return used
        raise
    return Node(kind, asset.name, asset.version)


def job_node(store: WorkspaceStore, name: str) -> Node:
    """The node of a job. Raises NotFoundError."""
    return Node(JOB, store.jobs.get(name).name)


def _named(text: str) -> tuple[str, str | None, str | None]:
    reference = parse(text if text.startswith("azureml:") else f"azureml:{text}")
    if reference.kind != ASSET or not reference.name or reference.registry:
        raise UsageError(f"'{text}' names no version of an asset of this workspace", hint="NAME:VERSION or NAME@LABEL")
    return reference.name, reference.version, reference.label


def _reach(
    root: Node,
    links_of: Callable[[list[Node]], list[Link]],
    ends: Callable[[Link], tuple[Node, Node]],
    depth: int,
) -> _Graph:
    """Level by level: a handful of questions for each step, however many nodes it has."""
    graph = _Graph({root: 0}, {}, {})
    level = [root]
    for distance in range(1, depth + 1):
        following: dict[Node, None] = {}
        for link in links_of(level):
            near, far = ends(link)
            graph.branches.setdefault(near, []).append((link.role, far))
            if far not in graph.distance:
                graph.distance[far] = distance
                following[far] = None
        level = list(following)
    for link in links_of(level):
        near, _ = ends(link)
        graph.cut[near] = graph.cut.get(near, 0) + 1
    return graph


def _tree(store: WorkspaceStore, root: Node, graph: _Graph, word: str) -> Tree:
    known = store.links.facts(graph.distance)
    expanded: set[Node] = set()

    def grow(node: Node, role: str | None, depth: int) -> Tree:
        tree: Tree = {"node": node.text, **({"role": role} if role else {}), "facts": _facts(node, known.get(node))}
        if node in expanded or depth > graph.distance[node]:
            return {**tree, "repeated": True}
        expanded.add(node)
        if node in graph.cut:
            return {**tree, word: [], "more": graph.cut[node]}
        branches = graph.branches.get(node, [])
        if word == USED_BY:
            branches = sorted(branches, key=lambda branch: -known.get(branch[1], {}).get("created_at", 0.0))
        return {**tree, word: [grow(far, said, depth + 1) for said, far in branches]}

    return grow(root, None, 0)


def _facts(node: Node, known: Mapping[str, Any] | None) -> dict[str, Any]:
    if (node.kind != JOB and node.kind not in ASSET_KINDS) or node.name == ANONYMOUS_ENVIRONMENT:
        return {}
    if known is None:
        return {"in_workspace": False}
    facts = {
        "created_at": iso_time(known["created_at"]),
        "created_by": known["created_by"] or None,
        **(_job_facts(known) if node.kind == JOB else _asset_facts(known)),
    }
    return {key: value for key, value in facts.items() if value is not None}


def _job_facts(known: Mapping[str, Any]) -> dict[str, Any]:
    properties = known["properties"]
    dirty = properties.get("azureml.git.dirty")
    return {
        "status": known["status"],
        "experiment_name": known["experiment_name"],
        "display_name": known["display_name"],
        "git_commit": properties.get("mlflow.source.git.commit"),
        "git_dirty": dirty == "True" if dirty else None,
    }


def _asset_facts(known: Mapping[str, Any]) -> dict[str, Any]:
    return {
        "type": known["type"] or None,
        "stage": known["stage"],
        "digest": f"sha256:{known['content']}" if known["content"] else None,
        "archived": True if known["archived"] else None,
    }
