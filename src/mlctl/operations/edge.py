"""A deployment, taken to a machine where there is no mlctl: its image, and the files that run it."""

from __future__ import annotations

import os
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, BinaryIO

from mlctl.assets.resolver import Resolver
from mlctl.entities.asset import MODEL
from mlctl.entities.endpoint import ONLINE, Deployment
from mlctl.entities.environment import Environment
from mlctl.entities.lineage import CODE, IMAGE, Link, Node
from mlctl.entities.online_deployment import ModelFiles, OnlineDeployment
from mlctl.errors import UnsupportedError, UsageError
from mlctl.operations import images
from mlctl.operations.endpoints import EndpointDesk
from mlctl.operations.job_assets import resolve_environment
from mlctl.operations.package_specs import without_secrets
from mlctl.operations.packaging import check_target, laid_out
from mlctl.operations.registries import registry_sources
from mlctl.spec.references import ASSET, parse

if TYPE_CHECKING:
    from mlctl.backends.base import ImageOrder
    from mlctl.entities.image import BuiltImage
    from mlctl.serving.edge import EdgeFile, EdgeService


@dataclass(frozen=True, slots=True)
class Export:
    """How a deployment is to be exported. `kind`: one of `serving.edge.FORMATS`. `folder`: a new one for the files.

    `push`: a registry for the image. `port`: that of the other machine, the server's own without.
    """

    kind: str
    folder: Path
    push: str | None = None
    port: int | None = None
    include_secrets: bool = False


def export(
    desk: EndpointDesk, endpoint: str, name: str, wanted: Export, *, order: ImageOrder, log: BinaryIO
) -> tuple[dict[str, Any], tuple[str, ...]]:
    """Build the image of what a deployment answers with, push it, and write the files that run it elsewhere.

    Returns what was made, and sentences for the user. Raises UsageError for an unknown format, ConflictError when the
    folder holds something, NotFoundError, UnsupportedError, and what building raises.
    """
    from mlctl.images.recipe import new_folder
    from mlctl.serving.edge import FORMATS

    if wanted.kind not in FORMATS:
        raise UsageError(f"--format {wanted.kind}: there is no such format", hint=f"one of: {', '.join(FORMATS)}")
    check_target(wanted.push)
    plan, told = _container(desk, desk.store.endpoints.deployment(endpoint, name, ONLINE))
    plain, secret = without_secrets(plan["variables"])
    values = {one: plan["variables"][one] if wanted.include_secrets else "" for one in secret}
    # what cannot be written is told before minutes are spent on an image
    FORMATS[wanted.kind](service_of(plan, "name", plain, values, wanted.port, reference="image"))
    with new_folder(wanted.folder):
        image = _image(desk, plan, wanted.push, order, log)
        reference = _reference(image, wanted.push)
        service = service_of(plan, f"{endpoint}-{name}", plain, values, wanted.port, reference=reference)
        files = FORMATS[wanted.kind](service)
        for file in files:
            _write(wanted.folder, file)
    shown = {
        "path": str(wanted.folder.absolute()),
        "files": [file.name for file in files],
        "format": wanted.kind,
        "image": reference,
        "digest": reference.partition("@")[2] or image.digest,
        "port": service.host_port,
        "secrets": list(secret),
    }
    return shown, (*told, *_about(service, wanted))


def service_of(
    plan: Mapping[str, Any],
    name: str,
    variables: Mapping[str, str],
    secrets: Mapping[str, str],
    port: int | None,
    *,
    reference: str,
) -> EdgeService:
    """What the files of every format say. A container of its own is not asked: nobody knows what is in it."""
    from mlctl.images.packages import health_command
    from mlctl.serving.edge import EdgeService

    probe = plan["liveness"]
    return EdgeService(
        name=name,
        image=reference,
        pulled="@" in reference,
        port=plan["port"],
        host_port=port or plan["port"],
        variables=variables,
        secrets=secrets,
        health=None if plan["routes"] else health_command(plan["port"], "/"),
        period=probe["period"],
        timeout=probe["timeout"],
        retries=probe["failure_threshold"],
        start=probe["initial_delay"],
    )


def _container(desk: EndpointDesk, deployment: Deployment) -> tuple[dict[str, Any], list[str]]:
    """The plan of the containers of what the deployment answers with, and sentences for the user."""
    generation = deployment.active or deployment.generation
    plan = desk.plan(deployment.endpoint, deployment.name, generation)
    told = [] if deployment.active else [f"'{deployment.name}' has not answered here yet"]
    if plan["instances"] > 1:
        told.append(f"instance_count {plan['instances']}: the files start one container")
    if plan["collector"]:
        told.append("data_collector: requests are kept by the endpoint's router, which stays here")
    if plan["backend"] == images.IMAGE_BACKEND:
        return plan, told
    if not {"python", "packages", "origin"} <= plan.get("environment", {}).keys():
        raise UnsupportedError(
            f"deployment '{deployment.name}' runs on '{deployment.backend}', and no image can be made of it",
            hint="deploy it with --backend docker or --backend local",
        )
    plan = desk.endpoints(images.IMAGE_BACKEND).plan(_as_spec(desk, deployment, plan))
    told.append(f"'{deployment.name}' runs as processes here; its image is made on {plan['docker']['image']}")
    return plan, told


def _as_spec(desk: EndpointDesk, deployment: Deployment, plan: Mapping[str, Any]) -> OnlineDeployment:
    """A deployment of processes, to be planned for containers: in its environment's image, else one of its Python."""
    from mlctl.entities.online_deployment import Probe

    wanted = plan["environment"]
    given = deployment.document.get("environment")
    if isinstance(given, str) and parse(given).kind == ASSET:
        resolver = Resolver(desk.store, registry_sources(desk.settings, desk.store))
        environment = resolve_environment(Environment(reference=given), resolver)
    else:
        python = [f"python={wanted['python']}"] if wanted["python"] else []
        conda = {"dependencies": [*python, "pip", {"pip": wanted["packages"]}]}
        image = given.get("image") if isinstance(given, Mapping) else None
        environment = Environment(image=image, conda=conda, conda_source=wanted["origin"])
    return OnlineDeployment(
        endpoint=deployment.endpoint,
        name=deployment.name,
        model=ModelFiles(**plan["model"]) if plan["model"] else None,
        code=plan["code"],
        script=plan["script"],
        no_code=plan["no_code"],
        environment=environment,
        variables=plan["variables"],
        liveness=Probe(**plan["liveness"]),
        model_mount_path=deployment.document.get("model_mount_path"),
        document=deployment.document,
    )


def _image(desk: EndpointDesk, plan: dict[str, Any], push: str | None, order: ImageOrder, log: BinaryIO) -> BuiltImage:
    """The image with model and code. The deployment's variables are not in it: the files have them."""
    image_desk = images.ImageDesk(desk.store, desk.settings, desk.connect)
    with desk.store.content.adding(), laid_out(desk.store, {**plan, "variables": {}}) as package:
        image = image_desk.images()[0].package(plan, package, order, log)
        image = desk.store.images.keep(image, _lineage(plan, image))
    return image if push is None else images.push(image_desk, image, push, log)


def _reference(image: BuiltImage, push: str | None) -> str:
    """By digest in the registry that it was pushed to just now, or some time, else the engine's name."""
    from mlctl.images.names import parse_image

    pinned: list[str] = images.describe(image)["pinned"]
    if push is not None:
        return next(one for one in pinned if parse_image(one).path == parse_image(push).path)
    return pinned[0] if pinned else image.image


def _about(service: EdgeService, wanted: Export) -> list[str]:
    from mlctl.images.names import parse_image

    told = []
    registry = parse_image(service.image).registry
    if service.pulled and registry.startswith(("127.", "localhost")):
        told.append(f"registry {registry} is this machine to whoever asks it: other machines cannot pull from it")
    if not service.pulled:
        told.append(
            f"the image is on this machine's engine only: --push REGISTRY/REPOSITORY takes it to a registry, or "
            f"docker save {service.image} | ssh MACHINE docker load"
        )
    elif wanted.push is None:
        told.append(f"the image is taken from where it was pushed before: {service.image}")
    for name, value in service.secrets.items():
        said = "its value is in a file for you alone" if value else "its place is kept, the value is not written"
        told.append(f"variable {name} looks like a secret: {said}")
    return told


def _write(folder: Path, file: EdgeFile) -> None:
    mode = 0o600 if file.is_private else 0o666
    place = os.open(folder / file.name, os.O_WRONLY | os.O_CREAT | os.O_EXCL, mode)
    with os.fdopen(place, "w", encoding="utf-8") as stream:
        stream.write(file.text)


def _lineage(plan: Mapping[str, Any], image: BuiltImage) -> list[Link]:
    node, model = Node(IMAGE, image.digest), plan["model"]
    links = [Link(Node(CODE, plan["code"]), node, "code")] if plan["code"] else []
    if model and model.get("reference"):
        links.append(Link(Node(MODEL, model["name"], model["version"]), node, "model"))
    return links
