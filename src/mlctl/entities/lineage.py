"""Lineage: what was made from what. Nodes are things with a name; a link leads from what was used to what was made."""

from __future__ import annotations

from dataclasses import dataclass

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


def node_from_text(text: str) -> Node:
    """The node that `Node.text` wrote."""
    kind, _, rest = text.partition("/")
    if kind in ("data", "model", "environment", "component"):
        name, _, version = rest.rpartition("/")
        return Node(kind, name, version)
    return Node(kind, rest)
