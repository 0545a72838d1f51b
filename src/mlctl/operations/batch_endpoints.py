"""Batch endpoints: making, showing, their default deployment, their jobs."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

from mlctl.entities.clock import creation_context
from mlctl.entities.endpoint import BATCH, Endpoint
from mlctl.entities.tags import texts
from mlctl.errors import ConflictError, NotFoundError, UsageError
from mlctl.operations.endpoints import EndpointDesk
from mlctl.operations.jobs import JobDesk
from mlctl.operations.jobs import describe as describe_job

UPDATABLE = ("description", "tags", "properties", "defaults")
_KEPT = ("identity", "defaults")
_FROM_THE_SPEC = ("auth_mode", "description", "tags", "properties", "document")


def create(
    desk: EndpointDesk,
    path: Path | None,
    *,
    overrides: Sequence[str] = (),
    fields: Mapping[str, Any] | None = None,
) -> tuple[Endpoint, tuple[str, ...]]:
    """Make an endpoint from a file, from options, or from both; one of that name is changed to it, as in az.

    Raises InvalidSpecError, ConflictError when an online endpoint has the name.
    """
    from mlctl.spec.asset import load_asset
    from mlctl.storage.hidden_texts import with_hidden_labels

    spec = load_asset("batch-endpoint", path, overrides=overrides, fields=fields)
    data = with_hidden_labels(spec.data, desk.store.secrets)
    now = desk.clock.now()
    endpoint = Endpoint(
        name=str(data["name"]).lower(),
        kind=BATCH,
        auth_mode=str(data.get("auth_mode") or "aad_token"),
        description=data.get("description"),
        tags=texts(data.get("tags")),
        properties=texts(data.get("properties")),
        created_at=now,
        created_by=desk.user,
        modified_at=now,
        document={key: data[key] for key in _KEPT if data.get(key)},
    )
    known = next((found for found in desk.store.endpoints.list(BATCH) if found.name == endpoint.name), None)
    if known is None:
        _check_default(desk, endpoint)
        desk.store.endpoints.insert(endpoint)
    else:
        if "defaults" not in endpoint.document and "defaults" in known.document:
            kept = {**endpoint.document, "defaults": known.document["defaults"]}
            endpoint = replace(endpoint, document=kept)
        _check_default(desk, endpoint)
        fields = {name: getattr(endpoint, name) for name in _FROM_THE_SPEC}
        endpoint = desk.store.endpoints.update(known, "update", by=desk.user, at=now, **fields)
    return endpoint, tuple(f"{problem.location}: {problem.message}" for problem in spec.problems)


def describe(desk: EndpointDesk, endpoint: Endpoint) -> dict[str, Any]:
    """An endpoint in the words of `az ml batch-endpoint show`."""
    return {
        "defaults": {},
        **endpoint.document,
        "name": endpoint.name,
        "id": f"azureml://locations/local/workspaces/{desk.store.name}/batchEndpoints/{endpoint.name}",
        "location": "local",
        "auth_mode": endpoint.auth_mode,
        "description": endpoint.description,
        "tags": endpoint.tags,
        "properties": endpoint.properties,
        "provisioning_state": endpoint.provisioning_state,
        "creation_context": creation_context(endpoint.created_at, endpoint.created_by, endpoint.modified_at),
    }


def update(desk: EndpointDesk, name: str, changes: Mapping[str, Any]) -> Endpoint:
    """Change description, tags, properties or the default deployment. Raises NotFoundError, UsageError."""
    endpoint = desk.store.endpoints.get(BATCH, name)
    refused = sorted(key for key in changes if key not in UPDATABLE)
    if refused:
        raise UsageError(f"batch-endpoint update cannot change {', '.join(refused)}", hint=", ".join(UPDATABLE))
    from mlctl.storage.hidden_texts import with_hidden_labels

    plain = with_hidden_labels({key: value for key, value in changes.items() if key != "defaults"}, desk.store.secrets)
    for key in ("tags", "properties"):
        if key in plain:
            plain[key] = texts(plain[key])
    document = endpoint.document
    if "defaults" in changes:
        document = {**document, "defaults": dict(changes["defaults"] or {})}
    fields = {**plain, "document": document}
    _check_default(desk, replace(endpoint, **fields))
    return desk.store.endpoints.update(endpoint, "update", by=desk.user, at=desk.clock.now(), **fields)


def set_default(desk: EndpointDesk, endpoint: str, deployment: str) -> Endpoint:
    """Make a deployment the one that is invoked without a name."""
    return update(desk, endpoint, {"defaults": {"deployment_name": deployment}})


def delete(desk: EndpointDesk, name: str) -> None:
    """Forget an endpoint with its deployments; its jobs stay. Raises NotFoundError."""
    from mlctl.operations.batch_code import code_folders

    desk.store.endpoints.delete(BATCH, name)
    code_folders(desk.store, name).remove()


def default_deployment(desk: EndpointDesk, endpoint: Endpoint) -> str:
    """The deployment that is invoked without a name: the default one, or the only one, as in az.

    Raises ConflictError when there are several and none is the default, NotFoundError when there is none.
    """
    chosen = (endpoint.document.get("defaults") or {}).get("deployment_name")
    names = [found.name for found in desk.store.endpoints.deployments(endpoint.name)]
    if chosen in names:
        return str(chosen)
    if len(names) == 1:
        return names[0]
    if not names:
        raise NotFoundError(
            f"endpoint '{endpoint.name}' has no deployment", hint="mlctl batch-deployment create -f FILE --set-default"
        )
    raise ConflictError(
        f"endpoint '{endpoint.name}' has no default deployment",
        hint=f"give --deployment-name, or set one: mlctl batch-endpoint update -n {endpoint.name} "
        f"--set defaults.deployment_name={names[0]}",
        details={"deployments": names},
    )


def list_jobs(desk: JobDesk, endpoint: str, deployment: str | None = None) -> list[dict[str, Any]]:
    """The scoring jobs of an endpoint, or of one of its deployments, newest first. Raises NotFoundError."""
    desk.store.endpoints.get(BATCH, endpoint)
    if deployment is not None:
        desk.store.endpoints.deployment(endpoint, deployment)
    for backend in desk.store.jobs.backends_at_work():
        desk.connect(backend).jobs.look_after()
    return [describe_job(desk, record) for record in desk.store.jobs.of_deployments(endpoint, deployment)]


def _check_default(desk: EndpointDesk, endpoint: Endpoint) -> None:
    defaults = endpoint.document.get("defaults") or {}
    unknown = sorted(key for key in defaults if key != "deployment_name")
    if unknown:
        raise UsageError(f"defaults cannot have {', '.join(unknown)}", hint="write deployment_name=<name>")
    if defaults.get("deployment_name"):
        desk.store.endpoints.deployment(endpoint.name, str(defaults["deployment_name"]))
