"""Deployments as containers of this machine's engine: Azure ML's inference server in an image, or an image of its own.

A replica is a small process (`replica`) that stands for its container. Places, variables and labels in the container
are those of `az ml online-deployment create --local`.
"""

from __future__ import annotations

import hashlib
import os
from collections.abc import Mapping
from contextlib import closing, suppress
from dataclasses import asdict
from pathlib import Path, PurePosixPath
from typing import TYPE_CHECKING, Any, BinaryIO

from mlctl.backends.docker.arguments import parse_arguments
from mlctl.backends.docker.client import Engine, open_engine
from mlctl.backends.docker.image import MANAGED, ImageMaker
from mlctl.backends.docker.refusals import explain_start
from mlctl.backends.docker.runner import kind_of
from mlctl.backends.served.layout import GenerationFolder, write_json
from mlctl.backends.served.logs import limits
from mlctl.backends.served.plan import SERVER_VARIABLES, shared_plan
from mlctl.backends.supervised.submitter import PASSED_ON, extra_patterns, matching
from mlctl.entities.online_deployment import OnlineDeployment
from mlctl.errors import MlctlError, NotFoundError, UnavailableError, UnsupportedError, UsageError
from mlctl.images.dockerfile import CA_BUNDLE, ca_variables
from mlctl.images.making import proxies, read_ca_bundle
from mlctl.images.names import apply_mirrors
from mlctl.images.packages import (
    APP,
    FIND_SERVER,
    MODELS,
    PORT,
    RUN_SERVER,
    SERVER,
    code_place,
    conda_with_server,
    scoring_variables,
    with_server,
)
from mlctl.images.wanted import DEFAULT_PYTHON
from mlctl.settings import Settings

if TYPE_CHECKING:
    from mlctl.environments.resolution import ResolvedEnvironment

REQUEST = "container.json"
"""In the folder of a generation: what `replica` needs to make the container; its owner's alone."""

_BUILD_LOG = "-c storage-initializer"
_PATIENCE = 5.0


def plan_deployment(
    deployment: OnlineDeployment,
    environment: ResolvedEnvironment,
    mirrors: Mapping[str, str],
    *,
    conversion_error: str | None = None,
) -> dict[str, Any]:
    """What a keeper needs to run the deployment: plain data, without I/O. Arguments as `plan.plan_job`.

    Raises UnsupportedError for an image name that makes no sense.
    """
    requirements, image, conda = environment.requirements, environment.image, environment.conda
    packages = list(requirements.packages) if conda or image is None else []
    if image is None and environment.build is None:
        image = f"python:{requirements.python or DEFAULT_PYTHON}"
    if not deployment.routes and (packages or conda):
        packages, conda = with_server(packages), conda_with_server(conda)
    try:
        mirrored = apply_mirrors(image, mirrors) if image else None
    except UsageError as error:
        where = deployment.where("environment.image")
        raise UnsupportedError(f"{where}environment.image: {error.message}", hint=error.hint) from error
    given = deployment.document.get("code_configuration") or {}
    return {
        "backend": "docker",
        "docker": {
            "image": mirrored,
            "image_as_written": image,
            "build": asdict(environment.build) if environment.build else None,
            "conda": conda,
            "conversion_error": conversion_error,
            "python": requirements.python,
            "packages": packages,
            "origin": requirements.origin,
            "options": parse_arguments(()),
        },
        **_ports(deployment),
        "code_name": PurePosixPath(str(given.get("code") or "code").replace("\\", "/")).name or "code",
        "models_place": deployment.model_mount_path or MODELS,
        "endpoint": deployment.endpoint,
        "deployment": deployment.name,
        **shared_plan(deployment),
    }


def prepare_replicas(
    plan: dict[str, Any],
    folder: GenerationFolder,
    *,
    settings: Settings,
    log: BinaryIO,
    model: Path | None,
    script: str | None,
) -> dict[str, Any]:
    """Make the image ready; returns how a replica is started. See `served.prepare`."""
    import sys

    with closing(open_engine(settings)) as engine:
        hint = f"all of it: mlctl online-deployment get-logs -n {plan['deployment']} -e {plan['endpoint']} {_BUILD_LOG}"
        image = served_image(engine, ImageMaker(engine, settings, settings.home / "cache", log, log_place=hint), plan)
        info = engine.info()
        request = _request(plan, folder, settings, image=image, kind=kind_of(info), model=model, script=script)
        request["HostConfig"] |= _log_options(settings, str(info.get("LoggingDriver")))
        address = engine.candidate.address
    write_json(folder.root / REQUEST, {"host": address, "port": plan["port"], "request": request})
    further = sorted({str(port) for port in plan.get("probe_ports", {}).values()})
    wanted = [*PASSED_ON, *extra_patterns(settings), "PATH", "DOCKER_*", "XDG_RUNTIME_DIR", "MLCTL_HOME", "PYTHONPATH"]
    return {
        "argv": [
            *(sys.executable, "-m", "mlctl.backends.docker.replica", str(folder.root), "{port}", "{index}"),
            *(f"{port}={{port:{port}}}" for port in further),
        ],
        "ports": further,
        "variables": matching(os.environ, wanted),
        "cwd": str(folder.root),
    }


def container_name(folder: Path, index: int) -> str:
    """`<endpoint>.<deployment>`, as az names it, and what tells generations, replicas and workspaces apart."""
    endpoint, deployment, generation = folder.parents[2].name, folder.parent.name, folder.name
    tag = hashlib.sha256(str(folder).encode()).hexdigest()[:8]
    return f"{endpoint}.{deployment}.{generation}.{index}-{tag}"


def endpoint_labels(folder: Path) -> dict[str, str]:
    """The labels of every container of the endpoint in `folder`."""
    return {**MANAGED, "mlctl.endpoint-folder": str(folder)}


def remove_containers(settings: Settings, folder: Path) -> None:
    """Remove what killed replicas of the endpoint in `folder` left. Does nothing when the engine is down."""
    with suppress(MlctlError), closing(open_engine(settings, patience=_PATIENCE)) as engine:
        for container in engine.containers(endpoint_labels(folder)):
            with suppress(MlctlError):  # the engine may be removing it already, for a replica that was killed
                engine.remove(container)


def _ports(deployment: OnlineDeployment) -> dict[str, Any]:
    """The port that requests go to, and those of probes that go elsewhere."""
    if not deployment.routes:
        return {"port": PORT, "probe_ports": {}}
    port = (deployment.routes.get("scoring") or next(iter(deployment.routes.values()))).port
    return {
        "port": port,
        "probe_ports": {name: one.port for name, one in deployment.routes.items() if one.port != port},
    }


def served_image(engine: Engine, maker: ImageMaker, plan: dict[str, Any]) -> str:
    """The image, with the inference server in it unless it is a container of its own."""
    wanted = plan["docker"]
    image = maker.ensure(wanted, wanted["options"]["platform"]).image
    if plan["routes"] or wanted["conda"] or wanted["packages"] or _has_server(engine, image):
        return image
    return maker.add(image, [SERVER])


def _has_server(engine: Engine, image: str) -> bool:
    """Asks a container of the image, which is removed at once."""
    request = {
        "Image": image,
        "Entrypoint": ["/bin/sh"],
        "Cmd": ["-c", f"{FIND_SERVER}command -v azmlinfsrv"],
        "Labels": MANAGED,
        "HostConfig": {"NetworkMode": "none"},
    }
    container = ""
    try:
        container = engine.create(request, name=f"mlctl-look-{os.urandom(6).hex()}")
        engine.start(container)
        return engine.wait(container) == 0
    except (UnavailableError, NotFoundError) as error:
        text = error.details.get("text")
        raise explain_start(image, str(text)) if text else error from error
    finally:
        if container:
            engine.remove(container)


def _request(
    plan: dict[str, Any],
    folder: GenerationFolder,
    settings: Settings,
    *,
    image: str,
    kind: Any,
    model: Path | None,
    script: str | None,
) -> dict[str, Any]:
    """The body of the engine's request, without the port of this machine."""
    place = None if model is None else model.relative_to(folder.models).as_posix()
    scoring = scoring_variables(plan, place, script)
    variables, mounts = {**proxies(settings), **scoring}, []
    if model is not None:
        mounts.append(_bind(model, scoring["AZUREML_MODEL_DIR"]))
    if script is not None:
        mounts.append(_bind(folder.code, str(code_place(plan))))
    if read_ca_bundle(settings) is not None:
        variables |= ca_variables()
        mounts.append(_bind(Path(os.path.realpath(settings.text("docker.ca_bundle") or "")), CA_BUNDLE))
    own: dict[str, Any] = {}
    if not plan["routes"]:
        own = {"Entrypoint": ["/bin/sh", "-c", f"{FIND_SERVER}{RUN_SERVER}"], "User": kind.user, "WorkingDir": APP}
        variables |= SERVER_VARIABLES
    network = settings.text("docker.network")
    return {
        "Image": image,
        **own,
        "Env": [f"{name}={value}" for name, value in {**variables, **plan["variables"]}.items()],
        "ExposedPorts": {f"{port}/tcp": {} for port in (plan["port"], *plan.get("probe_ports", {}).values())},
        "Labels": {
            **endpoint_labels(folder.root.parents[2]),
            # what az --local writes, and tools look for
            "azureml-local-endpoint": "",
            "endpoint": plan["endpoint"],
            "deployment": plan["deployment"],
            "azureml-port": str(plan["port"]),
        },
        "HostConfig": {**kind.host_config, **({"NetworkMode": network} if network else {}), "Mounts": mounts},
    }


def _log_options(settings: Settings, driver: str) -> dict[str, Any]:
    """The engine keeps what the container says as well; only its own files need a limit from us."""
    if driver != "json-file":
        return {}
    size, files = limits(settings)
    return {"LogConfig": {"Type": driver, "Config": {"max-size": str(size), "max-file": str(files)}}}


def _bind(source: Path, target: str) -> dict[str, Any]:
    return {"Type": "bind", "Source": str(source), "Target": target, "ReadOnly": True}
