"""`model package`: a model, its code, its environment and the inference server become one environment with an image.

As on Azure ML the result is a registered environment, the package's target environment; its build context holds
everything, so that it can be built and run where there is no mlctl.
"""

from __future__ import annotations

import tempfile
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from typing import Any, BinaryIO

from mlctl.assets.registration import Draft, Registrar
from mlctl.assets.resolver import Resolver
from mlctl.backends.base import ImageOrder
from mlctl.entities.asset import ENVIRONMENT, Asset, fingerprint_of
from mlctl.entities.image import BuiltImage
from mlctl.entities.lineage import CODE, Link, Node, node_of
from mlctl.errors import UsageError
from mlctl.images.making import addition_of, recipe_of
from mlctl.images.names import parse_image
from mlctl.images.packages import SERVER, Copied, Package, package_of, package_recipe
from mlctl.images.recipe import ImageRecipe, unpack
from mlctl.operations import images
from mlctl.operations.endpoints import EndpointDesk
from mlctl.operations.job_assets import environment_of
from mlctl.operations.package_specs import Packaging, read_package
from mlctl.serving.materials import lay_out_code, lay_out_model
from mlctl.settings import Settings
from mlctl.store.shelves import INCOMING
from mlctl.store.workspaces import WorkspaceStore


def package(desk: EndpointDesk, resolver: Resolver, model: Asset, path: Path) -> tuple[Asset, tuple[str, ...]]:
    """Register the target environment of the package that the file at `path` describes. No engine is used.

    Returns the environment, and sentences for the user. Raises as `read_package`.
    """
    from mlctl.spec.asset import load_asset

    spec = load_asset("model", path, kind="modelPackage")
    with desk.store.content.adding():
        wanted = read_package(desk.store, spec, resolver, model)
        plan = desk.endpoints(images.IMAGE_BACKEND).plan(wanted.deployment)
        with laid_out(desk.store, plan, wanted) as on_top:
            recipe = package_recipe(_base(plan, desk.settings), on_top)
            made = _register(desk, resolver, wanted, model, recipe)
    told = [f"{problem.location}: {problem.message}" for problem in spec.problems]
    told += [
        f"environment_variables.{name} looks like a secret and is not in the image: give it when the container starts"
        for name in wanted.held_back
    ]
    return made, tuple(told)


def build_package(
    desk: EndpointDesk, resolver: Resolver, made: Asset, order: ImageOrder, log: BinaryIO, *, push: str | None
) -> BuiltImage:
    """The image of a package, and where it was pushed to. Raises as `images.build` and `images.push`."""
    image_desk = images.ImageDesk(desk.store, desk.settings, desk.connect)
    image = images.build(image_desk, environment_of(made, resolver), order, log)
    return image if push is None else images.push(image_desk, image, push, log)


def check_target(push: str | None) -> None:
    """Raise UsageError for what cannot be pushed to, before minutes are spent on an image."""
    if push is not None and parse_image(push).digest:
        raise UsageError(f"--push {push}: a digest cannot be chosen", hint="write registry/repository[:tag]")


@contextmanager
def laid_out(store: WorkspaceStore, plan: Mapping[str, Any], wanted: Packaging | None = None) -> Iterator[Package]:
    """What the plan of a deployment's containers puts on an image, while its files lie in a folder of this machine."""
    with _scratch(store) as folder:
        models, code = folder / "models", folder / "code"
        model = lay_out_model(store, plan["model"], models)
        script = lay_out_code(store, plan, code)
        more = []
        for number, given in enumerate(wanted.inputs if wanted else ()):
            place = folder / "inputs" / str(number)
            place.parent.mkdir(exist_ok=True)
            store.content.materialise(given.content, place, link=True)
            more.append(Copied(place, given.place, f"inputs/{number}/"))
        yield package_of(
            plan,
            models=models,
            model=model.relative_to(models).as_posix() if model else None,
            code=code,
            script=script,
            more=more,
            command=wanted.command if wanted else None,
        )


@contextmanager
def _scratch(store: WorkspaceStore) -> Iterator[Path]:
    """A folder on the file system of the stored files, which are linked; what a killed process leaves, `gc` removes."""
    incoming = store.folder / "content" / INCOMING
    incoming.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(prefix="package-", dir=incoming) as name:
        yield Path(name)


def _register(desk: EndpointDesk, resolver: Resolver, wanted: Packaging, model: Asset, recipe: ImageRecipe) -> Asset:
    registrar = Registrar(desk.store, desk.clock, resolver)
    with _scratch(desk.store) as folder:
        unpack(recipe, folder / "context")
        kept = registrar.keep_files(folder / "context")
    asset = Asset(
        kind=ENVIRONMENT,
        name=wanted.target,
        version="",
        content=kept.content,
        path=kept.path,
        tags=dict(wanted.tags),
        document={
            "os_type": "linux",
            "build": {"dockerfile_path": recipe.dockerfile},
            "inference_config": dict(wanted.routes),
        },
    )
    asset = replace(asset, version=_same_version(desk, asset))
    return registrar.keep(Draft(asset, tuple(_lineage(model, wanted, Node(ENVIRONMENT, asset.name, asset.version)))))


def _same_version(desk: EndpointDesk, asset: Asset) -> str:
    """The newest version when it is this package already, so that packing twice makes one version; else none."""
    table = desk.store.assets
    known = table.list_versions(ENVIRONMENT, asset.name, max_results=1) if table.knows(ENVIRONMENT, asset.name) else []
    return known[0].version if known and known[0].fingerprint == fingerprint_of(asset) else ""


def _lineage(model: Asset, wanted: Packaging, made: Node) -> list[Link]:
    links = [Link(node_of(model), made, "packaged model")]
    if wanted.deployment.code:
        links.append(Link(Node(CODE, wanted.deployment.code), made, "code"))
    links += [Link(node_of(given.asset), made, "input") for given in wanted.inputs]
    base = wanted.deployment.environment.asset
    if base is not None and not base.startswith("azureml://"):
        name, _, version = base.removeprefix("azureml:").rpartition(":")
        links.append(Link(Node(ENVIRONMENT, name, version), made, "environment"))
    return links


def _base(plan: Mapping[str, Any], settings: Settings) -> ImageRecipe | str:
    """What a package is built on: the recipe of its environment with the server, or the name of an image."""
    wanted = plan["docker"]
    recipe = recipe_of(wanted, settings)
    if recipe is not None:
        return recipe
    return str(wanted["image"]) if plan["routes"] else addition_of(wanted["image"], [SERVER], settings)
