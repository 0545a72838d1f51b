"""Lineage: what was made from what. Nodes are things with a name; a link leads from what was used to what was made."""

from __future__ import annotations

from dataclasses import dataclass

from mlctl.entities.asset import Asset

JOB, CODE, GIT, DEPLOYMENT, PATH, IMAGE = "job", "code", "git", "deployment", "path", "image"
"""Kinds of nodes beside the kinds of assets. `code` is named by the digest of its files, `git` by a commit, `path` by
an address, `image` by a reference."""


@dataclass(frozen=True, slots=True)
class Node:
    """A thing that was used or made. `version` belongs to assets only."""

    kind: str
    name: str
    version: str | None = None

    @property
    def text(self) -> str:
        """How a link keeps it: kind/name or kind/name/version. Kinds and versions hold no slash."""
        return "/".join((self.kind, self.name) if self.version is None else (self.kind, self.name, self.version))


@dataclass(frozen=True, slots=True)
class Link:
    """`downstream` was made with `upstream`; `role` says as what: `input data`, `code`, `environment`, `output`."""

    upstream: Node
    downstream: Node
    role: str


def node_of(asset: Asset) -> Node:
    """An asset in the lineage; one of a shared registry has its registry in its name."""
    place = f"azureml://registries/{asset.registry}/" if asset.registry else ""
    return Node(asset.kind, f"{place}{asset.name}", asset.version)


def node_from_text(text: str) -> Node:
    """The node that `Node.text` wrote."""
    kind, _, rest = text.partition("/")
    if kind in ("data", "model", "environment", "component"):
        name, _, version = rest.rpartition("/")
        return Node(kind, name, version)
    return Node(kind, rest)


def node_of_deployment(endpoint: str, name: str) -> Node:
    """A deployment of an endpoint."""
    return Node(DEPLOYMENT, f"{endpoint}/{name}")
