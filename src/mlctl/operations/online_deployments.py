"""Online deployments: from a YAML file to replicas that answer."""

from __future__ import annotations

import time
from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

from mlctl.entities.clock import creation_context
from mlctl.entities.endpoint import CREATING, FAILED, ONLINE, SUCCEEDED, UPDATING, Deployment
from mlctl.entities.online_deployment import OnlineDeployment
from mlctl.entities.tags import texts
from mlctl.errors import (
    ConflictError,
    MlctlError,
    NotFinishedError,
    UnavailableError,
    UsageError,
)
from mlctl.operations.deployed_files import links_of
from mlctl.operations.deployment_specs import read_deployment
from mlctl.operations.endpoints import EndpointDesk
from mlctl.storage.hidden_texts import conceal

NOT_HONOURED = {
    "egress_public_network_access": "processes of this machine have its network",
    "private_network_connection": "there is no private network to connect to",
    "scale_settings.max_instances": "instance_count replicas run, no more and no fewer",
    "app_insights_enabled": "there is no Application Insights; see the router's /metrics",
}
"""Keys that mean something on Azure only, and why not here."""

UPDATABLE = ("description", "tags", "properties", "instance_count")


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
    # before anything else is read: whoever deploys in between makes this number a wrong one
    generation = desk.store.endpoints.next_generation(endpoint.name, str(spec.data["name"]))
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
            generation=generation,
            active=known.active if known else 0,
            provisioning_state=UPDATING if known else CREATING,
            description=spec.data.get("description"),
            tags=texts(spec.data.get("tags")),
            properties={**texts(spec.data.get("properties")), **_digests(wanted)},
            created_at=known.created_at if known else now,
            created_by=known.created_by if known else desk.user,
            modified_at=now,
            document=wanted.document,
        )
        what = f"{'update' if known else 'create'} {wanted.name}"
        links = links_of(deployment, model=wanted.model, code=wanted.code, environment=wanted.environment.asset)
        deployment = desk.keep(deployment, plan, what, links)
    if not endpoint.stopped:
        served.look_after(endpoint.name)
    warnings = [f"{problem.location}: {problem.message}" for problem in spec.problems]
    return deployment, (*warnings, *_unhonoured(wanted), *plan.get("warnings", ()))


def wait(desk: EndpointDesk, deployment: Deployment, *, timeout: float | None = None) -> Deployment:
    """Wait until requests go to the generation.

    Raises DeploymentFailedError with the reason and the last lines of the log, UnavailableError for a stopped endpoint.
    """
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
        if desk.store.endpoints.get(ONLINE, found.endpoint).stopped:
            raise UnavailableError(
                f"endpoint '{found.endpoint}' is stopped: '{found.name}' starts when the endpoint does",
                hint=f"mlctl online-endpoint start -n {found.endpoint}",
            )
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
        "creation_context": creation_context(deployment.created_at, deployment.created_by, deployment.modified_at),
    }


def delete(desk: EndpointDesk, endpoint: str, name: str) -> None:
    """Take a deployment away. Raises NotFoundError, and ConflictError while it has traffic."""
    deployment = desk.store.endpoints.deployment(endpoint, name, ONLINE)
    desk.store.endpoints.delete_deployment(endpoint, name, by=desk.user, at=desk.clock.now())
    desk.endpoints(deployment.backend).look_after(endpoint)


def change(desk: EndpointDesk, endpoint: str, name: str, changes: Mapping[str, Any]) -> Deployment:
    """Change description, tags or properties at once, the number of instances with a new generation."""
    deployment = desk.store.endpoints.deployment(endpoint, name, ONLINE)
    refused = sorted(key for key in changes if key not in UPDATABLE)
    if refused:
        raise UsageError(
            f"online-deployment update cannot change {', '.join(refused)} by --set",
            hint="give the changed file with -f: a new generation takes over when it answers",
        )
    now = desk.clock.now()
    plain = conceal({key: value for key, value in changes.items() if key != "instance_count"}, desk.store.secrets)
    deployment = replace(deployment, **plain, modified_at=now)
    if "instance_count" not in changes:
        desk.store.endpoints.update_deployment(deployment, **plain, modified_at=now)
        return deployment
    count = changes["instance_count"]
    if not isinstance(count, int) or count < 1:
        raise UsageError(f"instance_count cannot be {count!r}", hint="a whole number, at least 1")
    plan = {**desk.plan(endpoint, name, deployment.generation), "instances": count}
    deployment = replace(
        deployment,
        generation=deployment.generation + 1,
        provisioning_state=UPDATING,
        error=None,
        document={**deployment.document, "instance_count": count},
    )
    deployment = desk.keep(deployment, plan, f"update {name}")
    desk.endpoints(deployment.backend).look_after(endpoint)
    return deployment


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
