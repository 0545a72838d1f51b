"""Online deployments: from a YAML file to replicas that answer."""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

from mlctl.assets.resolver import Resolver, located
from mlctl.entities.clock import iso_time
from mlctl.entities.endpoint import FAILED, ONLINE, SUCCEEDED, UPDATING, Deployment
from mlctl.entities.environment import Environment
from mlctl.entities.online_deployment import ModelFiles, OnlineDeployment, Probe, RequestSettings, Route
from mlctl.errors import ConflictError, InvalidSpecError, MlctlError, NotFinishedError, UsageError
from mlctl.operations.deployed_files import code_of, model_of
from mlctl.operations.endpoints import EndpointDesk
from mlctl.operations.job_assets import resolve_environment
from mlctl.spec.check import SpecCheck

NOT_HONOURED = {
    "egress_public_network_access": "processes of this machine have its network",
    "private_network_connection": "there is no private network to connect to",
    "app_insights_enabled": "there is no Application Insights; see the router's /metrics",
}
"""Keys that mean something on Azure only, and why not here."""

_UPDATABLE = ("description", "tags", "properties", "instance_count")
_SHOWN = ("app_insights_enabled", "scale_settings", "data_collector", "model_mount_path", "resources")


class DeploymentFailedError(MlctlError):
    """The deployment could not be started; what answered before goes on (exit 10, as a job that fails)."""

    code = "deployment_failed"
    exit_code = 10


def create(
    desk: EndpointDesk,
    path: Path,
    *,
    overrides: Sequence[str] = (),
    fields: Mapping[str, Any] | None = None,
    backend: str | None = None,
    update: bool = False,
) -> tuple[Deployment, tuple[str, ...]]:
    """Store model and code of a deployment and have it started, or with `update` have a new generation take over.

    Returns at once; see `wait`. Raises InvalidSpecError, NotFoundError for endpoint, model or environment,
    ConflictError when it exists already, UnsupportedError.
    """
    from mlctl.spec.asset import load_asset

    spec = load_asset("online-deployment", path, overrides=overrides, fields=fields)
    endpoint = desk.store.endpoints.get(ONLINE, str(spec.data["endpoint_name"]).lower())
    known = desk.store.endpoints.find_deployment(endpoint.name, str(spec.data["name"]))
    if known is not None and not update:
        raise ConflictError(
            f"deployment '{known.name}' of '{endpoint.name}' exists already",
            hint=f"change it with: mlctl online-deployment update -f {path}",
            details={"endpoint": endpoint.name, "name": known.name},
        )
    if known is None and update:
        desk.store.endpoints.deployment(endpoint.name, str(spec.data["name"]))
    chosen = backend or (known.backend if known else desk.settings.text("defaults.backend")) or "local"
    served = desk.endpoints(chosen)
    with desk.store.content.adding():
        wanted = read_deployment(desk, spec, endpoint.name)
        plan = served.plan(wanted)
        now = desk.clock.now()
        deployment = Deployment(
            endpoint=endpoint.name,
            name=wanted.name,
            backend=chosen,
            generation=known.generation + 1 if known else 1,
            active=known.active if known else 0,
            provisioning_state=UPDATING if known else "Creating",
            description=spec.data.get("description"),
            tags=_texts(spec.data.get("tags")),
            properties={**_texts(spec.data.get("properties")), **_digests(wanted)},
            created_at=known.created_at if known else now,
            created_by=known.created_by if known else desk.user,
            modified_at=now,
            document=wanted.document,
        )
        what = f"{'update' if known else 'create'} {wanted.name}"
        desk.store.endpoints.put_deployment(deployment, plan, what, by=desk.user, at=now)
    if not endpoint.stopped:
        served.look_after(endpoint.name)
    warnings = [f"{problem.location}: {problem.message}" for problem in spec.problems]
    return deployment, (*warnings, *_unhonoured(wanted), *plan.get("warnings", ()))


def read_deployment(desk: EndpointDesk, spec: SpecCheck, endpoint: str) -> OnlineDeployment:
    """The checked spec with its references looked up, its model and code in the content store."""
    data = spec.data
    lines = spec.document.lines()
    wanted = OnlineDeployment(
        endpoint=endpoint,
        name=str(data["name"]),
        model=None,
        code=None,
        script=None,
        environment=Environment(),
        variables=_texts(data.get("environment_variables")),
        instances=int(data.get("instance_count") or 1),
        instance_type=data.get("instance_type"),
        liveness=_probe(data.get("liveness_probe")),
        readiness=_probe(data.get("readiness_probe")),
        requests=_requests(data.get("request_settings")),
        model_mount_path=data.get("model_mount_path"),
        collector=data.get("data_collector"),
        source=spec.document.source,
        lines=lines,
    )
    resolver = Resolver(desk.store)
    model = _at(wanted, "model", lambda: model_of(desk.store, spec, resolver))
    code, script = code_of(desk.store, spec)
    no_code = model is not None and model.type == "mlflow_model" and code is None
    environment = _environment(desk, wanted, spec, resolver, model if no_code else None)
    wanted = replace(
        wanted, model=model, code=code, script=script, environment=environment, no_code=no_code, routes=_routes(spec)
    )
    if not code and not no_code and not wanted.routes:
        raise InvalidSpecError(
            f"{wanted.where('')}deployment '{wanted.name}' has no code_configuration",
            hint="only an MLflow model (type: mlflow_model) and a container with inference_config need none",
        )
    return replace(wanted, document=_document(spec, wanted))


def wait(desk: EndpointDesk, deployment: Deployment, *, timeout: float | None = None) -> Deployment:
    """Wait until the generation answers. Raises DeploymentFailedError with the reason and the last lines of the log."""
    give_up = time.monotonic() + timeout if timeout is not None else None
    pause = 0.05
    while True:
        found = desk.store.endpoints.deployment(deployment.endpoint, deployment.name)
        if found.generation != deployment.generation:
            raise ConflictError(f"deployment '{deployment.name}' was changed by somebody else meanwhile")
        if found.provisioning_state == SUCCEEDED:
            return found
        if found.provisioning_state == FAILED:
            raise failure(found)
        if give_up is not None and time.monotonic() > give_up:
            raise NotFinishedError(
                f"deployment '{deployment.name}' is {found.provisioning_state} after {timeout:g} s", hint="it goes on"
            )
        if not desk.endpoints(found.backend).is_kept(found.endpoint):
            desk.endpoints(found.backend).look_after(found.endpoint)
        time.sleep(pause)
        pause = min(pause * 1.3, 0.5)


def failure(deployment: Deployment) -> DeploymentFailedError:
    """The error of a deployment that could not be started."""
    error = deployment.error or {}
    lines = "".join(f"\n  {line}" for line in error.get("log", ()))
    stays = "; what answered before goes on, with the same traffic" if deployment.active else ""
    return DeploymentFailedError(
        f"deployment '{deployment.name}' failed: {error.get('message', 'no reason is known')}{stays}{lines}",
        hint=error.get("hint"),
        details={"code": error.get("code"), "endpoint": deployment.endpoint, "name": deployment.name},
    )


def describe(desk: EndpointDesk, deployment: Deployment) -> dict[str, Any]:
    """A deployment in the words of `az ml online-deployment show`."""
    served = desk.endpoints(deployment.backend)
    return {
        **deployment.document,
        "name": deployment.name,
        "endpoint_name": deployment.endpoint,
        "id": f"azureml://locations/local/workspaces/{desk.store.name}/onlineEndpoints/{deployment.endpoint}"
        f"/deployments/{deployment.name}",
        "backend": deployment.backend,
        "description": deployment.description,
        "tags": deployment.tags,
        "properties": deployment.properties,
        "provisioning_state": deployment.provisioning_state,
        "error": deployment.error,
        "generation": deployment.generation,
        "active_generation": deployment.active,
        "replicas": served.replicas(deployment),
        "creation_context": {
            "created_at": iso_time(deployment.created_at),
            "created_by": deployment.created_by,
            "created_by_type": "User",
            "last_modified_at": iso_time(deployment.modified_at),
        },
    }


def delete(desk: EndpointDesk, endpoint: str, name: str) -> None:
    """Take a deployment away. Raises NotFoundError, and ConflictError while it has traffic."""
    found = desk.store.endpoints.get(ONLINE, endpoint)
    deployment = desk.store.endpoints.deployment(endpoint, name)
    live = found.traffic.get(name) or found.mirror_traffic.get(name)
    if live:
        raise ConflictError(
            f"deployment '{name}' gets {live} % of the traffic of '{endpoint}'",
            hint=f'move it first: mlctl online-endpoint update -n {endpoint} --traffic "{name}=0 …"',
        )
    desk.store.endpoints.delete_deployment(endpoint, name, by=desk.user, at=desk.clock.now())
    traffic = {key: value for key, value in found.traffic.items() if key != name}
    if traffic != found.traffic:
        changed = replace(found, traffic=traffic)
        desk.store.endpoints.update(changed, f"traffic without {name}", by=desk.user, at=desk.clock.now())
    desk.endpoints(deployment.backend).look_after(endpoint)


def change(desk: EndpointDesk, endpoint: str, name: str, changes: Mapping[str, Any]) -> Deployment:
    """Change description, tags or properties at once, the number of instances with a new generation."""
    deployment = desk.store.endpoints.deployment(endpoint, name)
    refused = sorted(key for key in changes if key not in _UPDATABLE)
    if refused:
        raise UsageError(
            f"online-deployment update cannot change {', '.join(refused)} by --set",
            hint="give the changed file with -f: a new generation takes over when it answers",
        )
    now = desk.clock.now()
    plain = {key: value for key, value in changes.items() if key != "instance_count"}
    deployment = replace(deployment, **plain, modified_at=now)
    if "instance_count" not in changes:
        desk.store.endpoints.update_deployment(deployment, **plain, modified_at=now)
        return deployment
    count = changes["instance_count"]
    if not isinstance(count, int) or count < 1:
        raise UsageError(f"instance_count cannot be {count!r}", hint="a whole number, at least 1")
    plan = {**desk.store.endpoints.plan(endpoint, name, deployment.generation), "instances": count}
    deployment = replace(
        deployment,
        generation=deployment.generation + 1,
        provisioning_state=UPDATING,
        error=None,
        document={**deployment.document, "instance_count": count},
    )
    desk.store.endpoints.put_deployment(deployment, plan, f"update {name}", by=desk.user, at=now)
    desk.endpoints(deployment.backend).look_after(endpoint)
    return deployment


def _environment(
    desk: EndpointDesk, wanted: OnlineDeployment, spec: SpecCheck, resolver: Resolver, model: ModelFiles | None
) -> Environment:
    found = spec.environments.get(("environment",))
    if found is not None:
        resolved: Environment = _at(wanted, "environment", lambda: resolve_environment(found, resolver))
        return resolved
    if model is None:
        raise InvalidSpecError(
            f"{wanted.where('')}deployment '{wanted.name}' has no environment", hint="add 'environment: …'"
        )
    from mlctl.operations.model_environments import environment_of_model

    return environment_of_model(desk.store, model)


def _routes(spec: SpecCheck) -> dict[str, Route]:
    """The routes of a custom container, from the environment's inference_config."""
    environment = spec.data.get("environment")
    config = environment.get("inference_config") if isinstance(environment, dict) else None
    names = {"scoring": "scoring_route", "liveness": "liveness_route", "readiness": "readiness_route"}
    return {
        name: Route(config[key]["path"], int(config[key]["port"]))
        for name, key in names.items()
        if config and isinstance(config.get(key), Mapping)
    }


def _document(spec: SpecCheck, wanted: OnlineDeployment) -> dict[str, Any]:
    data = spec.data
    shown: dict[str, Any] = {key: data[key] for key in _SHOWN if key in data}
    shown |= {
        "type": data.get("type", "managed"),
        "model": (wanted.model.reference or data.get("model")) if wanted.model else None,
        "code_configuration": data.get("code_configuration"),
        "environment": wanted.environment.asset or data.get("environment"),
        "environment_variables": wanted.variables,
        "instance_count": wanted.instances,
        "instance_type": "local",
        "request_settings": {name: getattr(wanted.requests, name) for name in RequestSettings.__slots__},
        "liveness_probe": {name: getattr(wanted.liveness, name) for name in Probe.__slots__},
        "readiness_probe": {name: getattr(wanted.readiness, name) for name in Probe.__slots__},
    }
    return shown


def _unhonoured(wanted: OnlineDeployment) -> list[str]:
    """One sentence for each key that is not honoured here."""
    return [
        f"{wanted.where(key)}{key} is not honoured: {why}" for key, why in NOT_HONOURED.items() if key in wanted.lines
    ]


def _digests(wanted: OnlineDeployment) -> dict[str, str]:
    """What the history keeps of a generation."""
    found = {"mlctl.code": wanted.code, "mlctl.model": wanted.model.content if wanted.model else None}
    if wanted.model is not None and wanted.model.reference:
        found["mlctl.modelReference"] = wanted.model.reference
    return {key: value for key, value in found.items() if value}


def _probe(given: Mapping[str, Any] | None) -> Probe:
    return Probe(**{name: int(value) for name, value in (given or {}).items() if name in Probe.__slots__})


def _requests(given: Mapping[str, Any] | None) -> RequestSettings:
    known = {name: int(value) for name, value in (given or {}).items() if name in RequestSettings.__slots__}
    return RequestSettings(**known)


def _texts(given: Any) -> dict[str, str]:
    return {str(key): "" if value is None else str(value) for key, value in (given or {}).items()}


def _at(wanted: OnlineDeployment, key: str, find: Callable[[], Any]) -> Any:
    try:
        return find()
    except MlctlError as error:
        raise located(error, f"{wanted.where(key)}{key}: ") from error
