"""Images of environments: made, pushed, written as a build context, listed and cleaned up."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any, BinaryIO

from mlctl.backends.base import Images
from mlctl.entities.asset import ENVIRONMENT, Asset
from mlctl.entities.clock import iso_time
from mlctl.entities.image import BuiltImage, links_of
from mlctl.errors import UnsupportedError, UsageError
from mlctl.store.workspaces import WorkspaceStore

if TYPE_CHECKING:
    from mlctl.backends.base import Backend, ImageOrder
    from mlctl.entities.environment import Environment
    from mlctl.operations.assets import AssetDesk
    from mlctl.settings import Settings

IMAGE_BACKEND = "docker"
"""The back end that makes images when no compute is named."""


@dataclass(frozen=True, slots=True)
class ImageDesk:
    """What operations on images need."""

    store: WorkspaceStore
    settings: Settings
    connect: Callable[[str], Backend]

    def images(self, compute: str | None = None) -> tuple[Images, str | None]:
        """What makes images on that compute, and the address of its engine when it has its own.

        Raises NotFoundError for an unknown compute, UnsupportedError for one that has no images.
        """
        found = None if compute is None else self.store.computes.get(compute)
        backend = self.connect(found.backend if found else IMAGE_BACKEND)
        if backend.images is None:
            raise UnsupportedError(
                f"compute '{compute}' ({backend.name}) makes no images",
                hint="name one of type docker (mlctl compute list), or leave --compute out",
            )
        return backend.images(), found.settings.get("host") if found else None


def registered_environment(
    desk: AssetDesk, name: str, *, version: str | None = None, label: str | None = None
) -> Environment:
    """An environment of the workspace, or of the desk's registry: the version named, else the latest.

    Raises NotFoundError.
    """
    from mlctl.assets.resolver import Resolver
    from mlctl.operations.job_assets import environment_of

    asset = desk.assets.resolve(ENVIRONMENT, name, version=version, label=label)
    if desk.registry is not None:
        from mlctl.registry.copying import fetch

        asset = fetch(asset, desk.registry, desk.store)
    return environment_of(asset, Resolver(desk.store))


def environment_in(path: Path, overrides: Sequence[str] = ()) -> tuple[Environment, tuple[str, ...]]:
    """The environment that a YAML file describes, registered or not, and sentences for the user.

    Raises InvalidSpecError with every problem, NotFoundError.
    """
    from mlctl.spec.asset import load_asset

    # a file that is not registered needs no name
    spec = load_asset(ENVIRONMENT, path, overrides=overrides, fields={"name": "unnamed"})
    environment = spec.environments[()]
    assert environment is not None
    return environment, tuple(f"{problem.location}: {problem.message}" for problem in spec.problems)


def build(
    desk: ImageDesk, environment: Environment, order: ImageOrder, log: BinaryIO, *, compute: str | None = None
) -> BuiltImage:
    """The image of an environment, made when it is not there yet, and written down in the workspace."""
    images, host = desk.images(compute)
    image = images.build(environment, replace(order, host=order.host or host), log)
    return replace(desk.store.images.keep(image, links_of(image)), fresh=image.fresh)


def push(desk: ImageDesk, image: BuiltImage, target: str, log: BinaryIO, *, compute: str | None = None) -> BuiltImage:
    """Push an image to a registry and write down reference and digest."""
    images, _ = desk.images(compute)
    reference, digest = images.push(image, target, log)
    return replace(desk.store.images.keep(replace(image, registries={reference: digest})), fresh=image.fresh)


def write_context(
    environment: Environment, settings: Settings, folder: Path, *, platform: str | None = None
) -> dict[str, Any]:
    """Write what an engine elsewhere needs to build the image: Dockerfile and files. No engine is used.

    Returns the place, the fingerprint, and the names of the build arguments that the build wants. Raises ConflictError
    when the folder holds something, UsageError for an environment that is an image already.
    """
    import tempfile

    from mlctl.images.making import recipe_of, wanted_of
    from mlctl.images.recipe import pack, tag_of, unpack

    wanted = wanted_of(environment, settings)
    recipe = recipe_of(wanted, settings, platform=platform)
    if recipe is None:
        raise UsageError(
            f"there is nothing to build: the environment is the image {wanted['image']}", hint="use the image itself"
        )
    unpack(recipe, folder)
    with tempfile.TemporaryFile() as tar:
        fingerprint = pack(recipe, tar)
    return {
        "path": str(folder),
        "dockerfile": recipe.dockerfile,
        "fingerprint": fingerprint,
        "image": tag_of(fingerprint),
        "build_args": sorted(recipe.build_args),
    }


def describe(image: BuiltImage) -> dict[str, Any]:
    """An image as commands show it. `size` in bytes; `pinned`: the names that never mean another image."""
    return {
        "image": image.image,
        "digest": image.digest,
        "fingerprint": image.fingerprint,
        "size": image.size,
        "engine": image.engine,
        "environments": list(image.environments),
        "registries": [{"reference": name, "digest": digest} for name, digest in sorted(image.registries.items())],
        "pinned": [f"{_repository(name)}@{digest}" for name, digest in sorted(image.registries.items())],
        "created_at": iso_time(image.created_at),
    }


def list_images(
    store: WorkspaceStore, name: str | None = None, version: str | None = None, max_results: int | None = None
) -> list[dict[str, Any]]:
    """The images that were made in this workspace, newest first; of one environment, of one version of it."""
    if name is not None:
        version = version and store.assets.get(ENVIRONMENT, name, version).version
        store.assets.list_versions(ENVIRONMENT, name, view="all", max_results=1)  # an unknown name is told
    found = [image for image in store.images.list() if _is_of(image, name, version)]
    return [describe(image) for image in found[:max_results]]


def image_facts(store: WorkspaceStore, asset: Asset) -> dict[str, Any]:
    """What `environment show` adds: the newest image that was made of the version, null when none was."""
    found = store.images.list(asset.reference)
    return {"built_image": describe(found[0]) if found else None}


def unused_images(store: WorkspaceStore, *, before: float) -> list[BuiltImage]:
    """The images made here before that time that no registered environment has, but for archived ones."""
    active = {asset.reference for asset in store.assets.all() if asset.kind == ENVIRONMENT and not asset.archived}
    return [
        image
        for image in store.images.list()
        if image.is_made_here and image.created_at < before and not active.intersection(image.environments)
    ]


def collect_images(desk: ImageDesk, images: Sequence[BuiltImage]) -> Mapping[str, bool]:
    """Remove images from their engines and from the workspace's list; name -> whether it is gone.

    One that a container still uses stays. Raises UnavailableError when an engine does not answer.
    """
    remover, _ = desk.images()
    gone = {}
    for image in images:
        gone[image.image] = remover.remove(image)
        if gone[image.image]:
            desk.store.images.forget(image)
    return gone


def _is_of(image: BuiltImage, name: str | None, version: str | None) -> bool:
    if name is None:
        return True
    wanted = f"azureml:{name}:"
    return any(
        reference.startswith(wanted) and version in (None, reference.removeprefix(wanted))
        for reference in image.environments
    )


def _repository(reference: str) -> str:
    """The reference without its tag."""
    return reference.rpartition(":")[0]
