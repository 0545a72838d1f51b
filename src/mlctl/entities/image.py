"""Images that were made of environments."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

from mlctl.entities.asset import ENVIRONMENT
from mlctl.entities.lineage import IMAGE, JOB, PATH, Link, Node

TAG_LENGTH = 32
"""How many digits of the fingerprint are the tag of an image that is built here."""


@dataclass(frozen=True, slots=True)
class BuiltImage:
    """An image on an engine, and where it was pushed to.

    `fingerprint`: of the base image, the packages and every file of the build context. `engine`: its address. `image`:
    its name there. `digest`: the engine's id of it, `sha256:…`. `size`: bytes. `environments`: references of the
    registered environments that it is the image of. `registries`: reference -> digest under which the registry has it.
    `fresh`: whether it was built just now.
    """

    fingerprint: str
    engine: str
    image: str
    digest: str
    size: int
    environments: tuple[str, ...] = ()
    registries: Mapping[str, str] = field(default_factory=dict)
    created_at: float = 0.0
    fresh: bool = False

    @property
    def is_made_here(self) -> bool:
        """Whether it was built; False for a base image that is all that the environment asks for."""
        return self.image.endswith(f":{self.fingerprint[:TAG_LENGTH]}")


def links_of(image: BuiltImage, *, job: str | None = None) -> list[Link]:
    """The lineage of an image that was built: environments -> image, and image -> job when it is one that ran in it."""
    if not image.is_made_here:
        return []
    node = Node(IMAGE, image.digest)
    links = [Link(_environment(reference), node, "environment") for reference in image.environments]
    return [*links, Link(node, Node(JOB, job), "built image")] if job else links


def _environment(reference: str) -> Node:
    """One of a shared registry is named by its address."""
    if reference.startswith("azureml://"):
        return Node(PATH, reference)
    name, _, version = reference.removeprefix("azureml:").rpartition(":")
    return Node(ENVIRONMENT, name, version)
