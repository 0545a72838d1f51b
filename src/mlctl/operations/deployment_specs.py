"""From a checked deployment spec to what is to be served: references looked up, model and code in the content store."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from typing import Any

from mlctl.assets.resolver import Resolver
from mlctl.entities.environment import Environment
from mlctl.entities.online_deployment import ModelFiles, OnlineDeployment, Probe, RequestSettings, Route
from mlctl.entities.tags import texts
from mlctl.errors import InvalidSpecError, located
from mlctl.operations.deployed_files import code_of, model_of
from mlctl.operations.endpoints import EndpointDesk
from mlctl.operations.job_assets import resolve_environment
from mlctl.operations.registries import registry_sources
from mlctl.spec.check import SpecCheck

_SHOWN = ("app_insights_enabled", "scale_settings", "data_collector", "model_mount_path", "resources")


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
        variables=texts(data.get("environment_variables")),
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
    resolver = Resolver(desk.store, registry_sources(desk.settings, desk.store))
    with located(f"{wanted.where('model')}model: "):
        model = model_of(desk.store, spec, resolver)
    code, script = code_of(desk.store, spec, spec.data.get("code_configuration"))
    no_code = model is not None and model.type == "mlflow_model" and code is None
    environment = _environment(desk, wanted, spec, resolver, model if no_code else None)
    wanted = replace(
        wanted,
        model=model,
        code=code,
        script=script,
        environment=environment,
        no_code=no_code,
        routes=routes_of(environment.inference_config),
    )
    if not code and not no_code and not wanted.routes:
        raise InvalidSpecError(
            f"{wanted.where('')}deployment '{wanted.name}' has no code_configuration",
            hint="only an MLflow model (type: mlflow_model) and a container with inference_config need none",
        )
    return replace(wanted, document=_document(spec, wanted))


def _environment(
    desk: EndpointDesk, wanted: OnlineDeployment, spec: SpecCheck, resolver: Resolver, model: ModelFiles | None
) -> Environment:
    found = spec.environments.get(("environment",))
    if found is not None:
        with located(f"{wanted.where('environment')}environment: "):
            return resolve_environment(found, resolver)
    if model is None:
        raise InvalidSpecError(
            f"{wanted.where('')}deployment '{wanted.name}' has no environment", hint="add 'environment: …'"
        )
    from mlctl.operations.model_environments import environment_of_model

    return environment_of_model(desk.store, model)


def routes_of(config: Mapping[str, Any] | None) -> dict[str, Route]:
    """The routes of a custom container, as inference_config has them."""
    names = {"scoring": "scoring_route", "liveness": "liveness_route", "readiness": "readiness_route"}
    return {
        name: Route(str(config[key].get("path") or "/"), int(config[key].get("port") or 80))
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


def _probe(given: Mapping[str, Any] | None) -> Probe:
    return Probe(**{name: int(value) for name, value in (given or {}).items() if name in Probe.__slots__})


def _requests(given: Mapping[str, Any] | None) -> RequestSettings:
    known = {name: int(value) for name, value in (given or {}).items() if name in RequestSettings.__slots__}
    return RequestSettings(**known)
