"""From a checked package spec to what is to be packaged: references looked up, code in the content store."""

from __future__ import annotations

import shlex
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field, replace
from typing import Any

from mlctl.assets.places import local_place
from mlctl.assets.registration import keep_files
from mlctl.assets.resolver import Resolver
from mlctl.entities.asset import DATA, Asset
from mlctl.entities.environment import Environment
from mlctl.entities.online_deployment import ModelFiles, OnlineDeployment
from mlctl.entities.tags import texts
from mlctl.errors import InvalidSpecError, UnsupportedError, UsageError, located
from mlctl.operations.deployed_files import code_of, model_files
from mlctl.operations.deployment_specs import routes_of
from mlctl.operations.job_assets import resolve_environment
from mlctl.operations.model_environments import environment_of_model
from mlctl.spec.check import SpecCheck
from mlctl.spec.rules.names import ASSET as ASSET_NAME
from mlctl.store.workspaces import WorkspaceStore

AZUREML, CUSTOM, TRITON = "azureml_online", "custom", "triton"
SERVER_ROUTES = {
    "liveness_route": {"path": "/", "port": 5001},
    "readiness_route": {"path": "/", "port": 5001},
    "scoring_route": {"path": "/score", "port": 5001},
}
"""Of Azure ML's server, as an environment's inference_config has them."""

_TRITON_ROUTES = {
    "liveness_route": {"path": "/v2/health/live", "port": 8000},
    "readiness_route": {"path": "/v2/health/ready", "port": 8000},
    "scoring_route": {"path": "/v2", "port": 8000},
}


@dataclass(frozen=True, slots=True)
class PackageInput:
    """A data asset that is copied into the package, and its place there."""

    asset: Asset
    content: str
    place: str


@dataclass(frozen=True, slots=True)
class Packaging:
    """What is to be packaged. `target`: the name of the environment that it becomes; `routes`: its inference_config.

    `command`: how the server is started, where it is neither Azure ML's nor the image's own. `held_back`: variables
    that hold a secret, which are left out of the image.
    """

    deployment: OnlineDeployment
    target: str
    routes: Mapping[str, Any]
    command: str | None = None
    inputs: tuple[PackageInput, ...] = ()
    tags: Mapping[str, str] = field(default_factory=dict)
    held_back: tuple[str, ...] = ()


def read_package(store: WorkspaceStore, spec: SpecCheck, resolver: Resolver, model: Asset) -> Packaging:
    """The package of a model that a checked spec describes; model and code are in the content store afterwards.

    Raises InvalidSpecError, NotFoundError, UnsupportedError for what cannot be made here, UsageError without a
    target environment.
    """
    target = _target(spec)
    server = spec.data["inferencing_server"]
    given = spec.data.get("model_configuration") or {}
    _refuse(spec, server, given)
    plain, held_back = without_secrets(texts(spec.data.get("environment_variables")))
    code, script = code_of(store, spec, server.get("code_configuration"))
    routes = _TRITON_ROUTES if server["type"] == TRITON else dict(server.get("inference_configuration") or {})
    files = model_files(store, model)
    draft = OnlineDeployment(
        endpoint="",
        name=model.name,
        model=files,
        code=code,
        script=script,
        environment=Environment(),
        no_code=server["type"] == AZUREML and files.type == "mlflow_model" and code is None,
        variables=plain,
        routes={} if server["type"] == AZUREML else routes_of(routes),
        model_mount_path=_place(spec, "model_configuration.mount_path", given.get("mount_path")),
        source=spec.document.source,
        lines=spec.document.lines(),
    )
    _check(draft, server["type"])
    environment = _environment(store, spec, resolver, draft, files)
    return Packaging(
        deployment=replace(draft, environment=environment),
        target=target,
        routes=SERVER_ROUTES if server["type"] == AZUREML else routes,
        command=_triton(files) if server["type"] == TRITON else None,
        inputs=tuple(_inputs(store, spec, resolver)),
        tags=texts(spec.data.get("tags")),
        held_back=held_back,
    )


def without_secrets(variables: Mapping[str, str]) -> tuple[dict[str, str], tuple[str, ...]]:
    """The variables that may be shown, and the names of those that hold a secret."""
    from mlctl.spec.rules.secret_patterns import is_stand_in, names_secret, secrets_in

    secret = tuple(
        name
        for name, value in variables.items()
        if value and not is_stand_in(value) and (names_secret(name) or any(secrets_in(value)))
    )
    return {name: value for name, value in variables.items() if name not in secret}, secret


def _target(spec: SpecCheck) -> str:
    target = spec.data.get("target_environment")
    name = target.get("name") if isinstance(target, dict) else target
    if not name:
        raise UsageError("the package has no target_environment", hint="add 'target_environment: <name>'")
    found = str(name).removeprefix("azureml:").partition(":")[0].partition("@")[0]
    if not ASSET_NAME.takes(found):
        raise InvalidSpecError(
            f"{spec.document.source}: target_environment: '{found}' cannot be the name of an environment",
            hint=f"use {ASSET_NAME.words}",
        )
    return found


def _refuse(spec: SpecCheck, server: Mapping[str, Any], model: Mapping[str, Any]) -> None:
    where = f"{spec.document.source}: "
    if server["type"] == "azureml_batch":
        raise UnsupportedError(
            f"{where}inferencing_server.type azureml_batch: a package answers requests",
            hint="azureml_online does; files are scored by a batch endpoint (mlctl batch-deployment create)",
        )
    if (server.get("inference_configuration") or {}).get("entry_script"):
        raise UnsupportedError(
            f"{where}inference_configuration.entry_script: the image of a custom server starts itself",
            hint="name the script in the image's own command, or as an environment variable",
        )
    if model.get("mode", "copy") != "copy":
        raise UnsupportedError(
            f"{where}model_configuration.mode download would need this workspace at run time",
            hint="mode: copy puts the model into the image",
        )


def _check(draft: OnlineDeployment, kind: str) -> None:
    key = "inferencing_server"
    if kind == AZUREML and not draft.code and not draft.no_code:
        raise InvalidSpecError(
            f"{draft.where(key)}{key} has no code_configuration",
            hint="only an MLflow model (type: mlflow_model) needs none",
        )
    if kind == CUSTOM and len(draft.routes) < len(SERVER_ROUTES):
        raise InvalidSpecError(
            f"{draft.where(key)}{key} of type custom lacks routes in inference_configuration",
            hint="add scoring_route, liveness_route and readiness_route, each with path and port",
        )
    ports = {route.port for route in draft.routes.values()}
    if len(ports) > 1:
        raise UnsupportedError(
            f"{draft.where(key)}inference_configuration: routes have the ports {', '.join(map(str, sorted(ports)))}",
            hint="a container is asked on one port here: give all routes the same",
        )


def _environment(
    store: WorkspaceStore, spec: SpecCheck, resolver: Resolver, draft: OnlineDeployment, model: ModelFiles
) -> Environment:
    """The environment that the package starts from."""
    key = "base_environment_source"
    source = (spec.data.get(key) or {}).get("resource_id")
    if source:
        # az has it twice in its own examples
        text = str(source).removeprefix("azureml:") if str(source).startswith("azureml:azureml") else str(source)
        with located(f"{draft.where(key)}{key}: "):
            found = resolve_environment(Environment(reference=text), resolver)
        if found.build and not draft.routes:
            raise UnsupportedError(
                f"{draft.where(key)}{key}: '{text}' has a Dockerfile of its own, to which no server can be added",
                hint="build it (mlctl environment build --push …) and register an environment with that image",
            )
        return found
    if draft.no_code:
        return environment_of_model(store, model)
    raise InvalidSpecError(
        f"{draft.where('')}the package has no environment",
        hint="add 'base_environment_source: {type: environment_asset, resource_id: azureml:<environment>:<version>}'",
    )


def _triton(model: ModelFiles) -> str:
    return f'exec tritonserver --model-repository="$AZUREML_MODEL_DIR"/{shlex.quote(model.base)}'


def _inputs(store: WorkspaceStore, spec: SpecCheck, resolver: Resolver) -> Iterator[PackageInput]:
    for number, item in enumerate(spec.data.get("inputs") or ()):
        key, path = f"inputs.{number}", item.get("path") or {}
        reference = path.get("resource_id")
        if path.get("resource_name"):
            version = path.get("resource_version")
            reference = f"azureml:{path['resource_name']}" + (f":{version}" if version else "@latest")
        place = _place(spec, f"{key}.mount_path", item.get("mount_path"))
        if not reference or not place:
            raise UnsupportedError(
                f"{spec.document.source}: {key}: an input of a package is a data asset with a place in the image",
                hint="path: {input_path_type: path_id, resource_id: azureml:<data>:<version>} and mount_path",
            )
        with located(f"{spec.document.source}: {key}: "):
            asset = resolver.get(reference, DATA)
            content = asset.content or keep_files(store, local_place(asset.path or "", store)).content
        yield PackageInput(asset, content, place)


def _place(spec: SpecCheck, key: str, text: str | None) -> str | None:
    """A folder in the image. Raises InvalidSpecError for one that depends on where a process is."""
    if text and not text.startswith("/"):
        raise InvalidSpecError(f"{spec.document.source}: {key}: '{text}' is no absolute path", hint=f"write /{text}")
    return text or None
