"""`model package`: a model, its code, its environment and the inference server become one environment with an image.

As on Azure ML the result is a registered environment, the package's target environment; its build context holds
everything, so that it can be built and run where there is no mlctl.
"""

from __future__ import annotations

import tempfile
from dataclasses import dataclass, replace
from pathlib import Path
from typing import BinaryIO

from mlctl.assets.registration import Draft, Registrar
from mlctl.assets.resolver import Resolver, located
from mlctl.backends.base import ImageOrder
from mlctl.entities.asset import ENVIRONMENT, Asset, fingerprint_of
from mlctl.entities.clock import Clock
from mlctl.entities.environment import Environment
from mlctl.entities.image import BuiltImage
from mlctl.entities.lineage import Link, Node, node_of
from mlctl.entities.online_deployment import ModelFiles
from mlctl.errors import InvalidSpecError, MlctlError, UnsupportedError, UsageError
from mlctl.images.making import addition_of, recipe_of, wanted_of
from mlctl.images.packages import CODE_PREFIX, MODEL_PREFIX, MODELS, SERVER, conda_with_server, packaged, with_server
from mlctl.images.recipe import ImageRecipe, Part, unpack
from mlctl.operations.images import ImageDesk
from mlctl.operations.job_assets import environment_of, resolve_environment
from mlctl.serving import NO_CODE_SCRIPT
from mlctl.spec.check import SpecCheck
from mlctl.spec.paths import absolute
from mlctl.spec.references import FILE, LOCAL, parse


@dataclass(frozen=True, slots=True)
class Package:
    """What was made: the environment, and the image when it was built."""

    asset: Asset
    warnings: tuple[str, ...] = ()


def package(desk: ImageDesk, clock: Clock, resolver: Resolver, model: Asset, path: Path) -> Package:
    """Register the target environment of the package that the file at `path` describes.

    Raises InvalidSpecError, NotFoundError, UnsupportedError for servers other than azureml_online, UsageError without a
    target environment.
    """
    from mlctl.spec.asset import load_asset

    spec = load_asset("model", path, kind="modelPackage")
    target = _target(spec)
    with tempfile.TemporaryDirectory(prefix="mlctl-package-") as folder:
        context = Path(folder) / "context"
        unpack(_recipe(desk, spec, resolver, model, Path(folder)), context)
        registrar = Registrar(desk.store, clock, resolver)
        with desk.store.content.adding():
            kept = registrar.keep_files(context)
            asset = Asset(
                kind=ENVIRONMENT,
                name=target,
                version="",
                content=kept.content,
                path=kept.path,
                tags={str(key): str(value) for key, value in (spec.data.get("tags") or {}).items()},
                document={"os_type": "linux", "build": {"dockerfile_path": "Dockerfile"}},
            )
            asset = replace(asset, version=_same_version(desk, asset))
            link = Link(node_of(model), Node(ENVIRONMENT, target, asset.version), "packaged model")
            made = registrar.keep(Draft(asset, (link,)))
    return Package(made, tuple(f"{problem.location}: {problem.message}" for problem in spec.problems))


def build_package(
    desk: ImageDesk, resolver: Resolver, made: Asset, order: ImageOrder, log: BinaryIO, *, push: str | None
) -> BuiltImage:
    """The image of a package, and where it was pushed to. Raises as `images.build` and `images.push`."""
    from mlctl.operations import images

    image = images.build(desk, environment_of(made, resolver), order, log)
    return image if push is None else images.push(desk, image, push, log)


def _same_version(desk: ImageDesk, asset: Asset) -> str:
    """The newest version when it is this package already, so that packing twice makes one version; else none."""
    table = desk.store.assets
    known = table.list_versions(ENVIRONMENT, asset.name, max_results=1) if table.knows(ENVIRONMENT, asset.name) else []
    return known[0].version if known and known[0].fingerprint == fingerprint_of(asset) else ""


def _recipe(desk: ImageDesk, spec: SpecCheck, resolver: Resolver, model: Asset, folder: Path) -> ImageRecipe:
    server = spec.data["inferencing_server"]
    if server["type"] != "azureml_online":
        raise UnsupportedError(
            f"{spec.document.source}: inferencing_server.type {server['type']} is not built here",
            hint="azureml_online is; for a server of your own write a Dockerfile and use environment build",
        )
    if spec.data.get("inputs"):
        raise UnsupportedError(f"{spec.document.source}: inputs of a package are not built here", hint="leave them out")
    if (spec.data.get("model_configuration") or {}).get("mode", "copy") != "copy":
        raise UnsupportedError(
            f"{spec.document.source}: model_configuration.mode download would need this workspace at run time",
            hint="mode: copy puts the model into the image",
        )
    files = _model_files(desk, model)
    code, script = _code(desk, spec, files, folder)
    base = _base(desk, spec, resolver, files)
    place = (spec.data.get("model_configuration") or {}).get("mount_path") or f"{MODELS}/{model.name}/{model.version}"
    variables = {str(key): str(value) for key, value in (spec.data.get("environment_variables") or {}).items()}
    return packaged(
        base,
        model=_model_part(desk, files, folder),
        model_place=place,
        code=code,
        code_name="onlinescoring",
        script=script,
        variables=variables,
    )


def _target(spec: SpecCheck) -> str:
    target = spec.data.get("target_environment")
    name = target.get("name") if isinstance(target, dict) else target
    if not name:
        raise UsageError("the package has no target_environment", hint="add 'target_environment: <name>'")
    return str(name).removeprefix("azureml:").partition(":")[0].partition("@")[0]


def _model_files(desk: ImageDesk, model: Asset) -> ModelFiles:
    from mlctl.assets.places import local_place
    from mlctl.assets.registration import keep_files

    content = model.content or keep_files(desk.store, local_place(model.path or "", desk.store)).content
    base = (model.path or "").rstrip("/").rpartition("/")[2]
    return ModelFiles(model.name, model.version, content, base, model.type, model.reference)


def _model_part(desk: ImageDesk, files: ModelFiles, folder: Path) -> Part:
    entries = desk.store.content.entries(files.content)
    is_file = len(entries) == 1 and entries[0].kind == "file" and entries[0].path == files.base
    root = folder / "model"
    desk.store.content.materialise(files.content, root if is_file else root / files.base, link=True)
    return Part(root, _below(root), MODEL_PREFIX)


def _code(desk: ImageDesk, spec: SpecCheck, model: ModelFiles, folder: Path) -> tuple[Part, str]:
    given = spec.data["inferencing_server"].get("code_configuration")
    if given is None and model.type == "mlflow_model":
        return Part(NO_CODE_SCRIPT.parent, (NO_CODE_SCRIPT.name,), CODE_PREFIX), NO_CODE_SCRIPT.name
    if given is None:
        raise InvalidSpecError(
            f"{spec.document.source}: inferencing_server has no code_configuration",
            hint="only an MLflow model (type: mlflow_model) needs none",
        )
    reference = parse(str(given["code"]))
    if reference.kind not in (LOCAL, FILE):
        raise UnsupportedError(f"code_configuration.code: '{given['code']}' is no folder of this machine")
    root = folder / "code"
    place = Path(absolute(spec.document, reference.path or ""))
    desk.store.content.materialise(desk.store.content.add_folder(place).digest, root)
    return Part(root, _below(root), CODE_PREFIX), str(given["scoring_script"])


def _base(desk: ImageDesk, spec: SpecCheck, resolver: Resolver, model: ModelFiles) -> ImageRecipe:
    """The recipe of the environment with the inference server in it."""
    source = (spec.data.get("base_environment_source") or {}).get("resource_id")
    if source:
        try:
            environment = resolve_environment(Environment(reference=str(source)), resolver)
        except MlctlError as error:
            raise located(error, "base_environment_source: ") from error
    else:
        from mlctl.operations.model_environments import environment_of_model

        environment = environment_of_model(desk.store, model)
    wanted = wanted_of(environment, desk.settings)
    if wanted["build"]:
        raise UnsupportedError(
            f"base_environment_source: '{source}' has a Dockerfile of its own",
            hint="build it (mlctl environment build --push …) and register an environment with that image",
        )
    if wanted["conda"] or wanted["packages"]:
        wanted = {**wanted, "packages": with_server(wanted["packages"]), "conda": conda_with_server(wanted["conda"])}
        recipe = recipe_of(wanted, desk.settings)
        assert recipe is not None
        return recipe
    return addition_of(wanted["image"], [SERVER], desk.settings)


def _below(root: Path) -> tuple[str, ...]:
    return tuple(sorted(path.relative_to(root).as_posix() for path in root.rglob("*") if not path.is_dir()))
