"""Batch deployments: from a YAML file to what a scoring job needs."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import asdict, replace
from pathlib import Path
from typing import Any

from mlctl.assets.resolver import Resolver
from mlctl.backends.submitted import environment_document
from mlctl.entities.batch_deployment import settings_of
from mlctl.entities.clock import creation_context
from mlctl.entities.command_job import CommandJob
from mlctl.entities.endpoint import BATCH, SUCCEEDED, Deployment
from mlctl.entities.environment import BuildContext, Environment
from mlctl.entities.online_deployment import ModelFiles
from mlctl.entities.tags import texts
from mlctl.errors import ConflictError, InvalidSpecError, UnsupportedError, UsageError, located
from mlctl.operations.batch_code import NO_CODE_SCRIPT
from mlctl.operations.batch_endpoints import set_default
from mlctl.operations.deployed_files import code_of, links_of, model_of
from mlctl.operations.endpoints import EndpointDesk
from mlctl.operations.job_assets import resolve_environment
from mlctl.operations.jobs import JobDesk, choose_compute
from mlctl.operations.registries import registry_sources
from mlctl.spec.check import SpecCheck

UPDATABLE = (
    "description",
    "tags",
    "properties",
    "mini_batch_size",
    "max_concurrency_per_instance",
    "error_threshold",
    "retry_settings",
    "output_action",
    "output_file_name",
    "logging_level",
    "resources",
    "environment_variables",
)
_PLAIN = ("description", "tags", "properties")


def create(
    desk: EndpointDesk,
    path: Path,
    *,
    overrides: Sequence[str] = (),
    fields: Mapping[str, Any] | None = None,
    backend: str | None = None,
    update: bool = False,
    default: bool = False,
) -> tuple[Deployment, tuple[str, ...]]:
    """Store model and code of a deployment; one of that name is replaced, as in az. With `update` it must be there.

    Raises InvalidSpecError, NotFoundError for endpoint, model or environment, UnsupportedError for pipelines.
    """
    from mlctl.spec.asset import load_asset

    spec = load_asset("batch-deployment", path, overrides=overrides, fields=fields)
    data = spec.data
    _refuse_pipelines(spec)
    endpoint = desk.store.endpoints.get(BATCH, str(data["endpoint_name"]).lower())
    name = str(data["name"])
    known = desk.store.endpoints.find_deployment(endpoint.name, name)
    if known is None and update:
        desk.store.endpoints.deployment(endpoint.name, name)
    with desk.store.content.adding():
        plan, model, environment = _plan(desk, spec)
        stays = known is not None and update and not desk.store.computes.find(_compute_name(spec))
        chosen, said = _compute(desk, spec, environment, backend or (known.backend if known and stays else None))
        plan["compute"] = chosen.name
        now = desk.clock.now()
        generation = desk.store.endpoints.next_generation(endpoint.name, name)
        deployment = Deployment(
            endpoint=endpoint.name,
            name=name,
            backend=chosen.backend,
            generation=generation,
            active=generation,
            provisioning_state=SUCCEEDED,
            description=data.get("description"),
            tags=texts(data.get("tags")),
            properties={**texts(data.get("properties")), **_digests(plan)},
            created_at=known.created_at if known else now,
            created_by=known.created_by if known else desk.user,
            modified_at=now,
            document=_document(spec, plan, model),
        )
        what = f"{'update' if known else 'create'} {name}"
        links = links_of(deployment, model=model, code=plan.get("code"), environment=environment.asset)
        deployment = desk.keep(deployment, plan, what, links)
    if default:
        set_default(desk, endpoint.name, name)
    return deployment, (*(f"{problem.location}: {problem.message}" for problem in spec.problems), *said)


def change(desk: EndpointDesk, endpoint: str, name: str, changes: Mapping[str, Any]) -> Deployment:
    """Change how a deployment scores, or what is said about it. Raises NotFoundError, UsageError."""
    known = desk.store.endpoints.deployment(endpoint, name, BATCH)
    refused = sorted(key for key in changes if key not in UPDATABLE)
    if refused:
        raise UsageError(
            f"batch-deployment update cannot change {', '.join(refused)} by --set",
            hint="give the changed file with -f",
        )
    plain: dict[str, Any] = {
        key: texts(value) if key != "description" else value for key, value in changes.items() if key in _PLAIN
    }
    document = {**known.document, **{key: value for key, value in changes.items() if key not in _PLAIN}}
    document |= checked_settings(document)
    document["environment_variables"] = texts(document.get("environment_variables"))
    deployment = replace(
        known, **plain, document=document, generation=known.generation + 1, active=known.generation + 1
    )
    plan = desk.plan(endpoint, name, known.generation)
    return desk.keep(replace(deployment, modified_at=desk.clock.now()), plan, f"update {name}")


def checked_settings(document: Mapping[str, Any]) -> dict[str, Any]:
    """The settings in a document that options have changed, in order again. Raises UsageError."""
    try:
        found = settings_of(document)
    except (TypeError, ValueError, AttributeError) as error:
        raise UsageError(f"a setting has a value that is none: {error}", hint="numbers are whole numbers") from error
    for key, least in (
        ("mini_batch_size", 1),
        ("max_concurrency_per_instance", 1),
        ("instance_count", 1),
        ("error_threshold", -1),
        ("max_retries", 0),
        ("timeout", 1),
    ):
        if getattr(found, key) < least:
            raise UsageError(f"{key} cannot be {getattr(found, key)}", hint=f"a whole number, at least {least}")
    if found.output_action not in ("append_row", "summary_only"):
        raise UsageError(f"output_action cannot be '{found.output_action}'", hint="append_row or summary_only")
    name = found.output_file_name
    if name in (".", "..") or "/" in name or "\\" in name:
        raise UsageError(f"output_file_name cannot be '{name}'", hint="a name without a folder")
    if found.logging_level not in ("debug", "info", "warning"):
        raise UsageError(f"logging_level cannot be '{found.logging_level}'", hint="debug, info or warning")
    return found.document


def describe(desk: EndpointDesk, deployment: Deployment) -> dict[str, Any]:
    """A deployment in the words of `az ml batch-deployment show`."""
    return {
        **deployment.document,
        "name": deployment.name,
        "endpoint_name": deployment.endpoint,
        "id": f"azureml://locations/local/workspaces/{desk.store.name}/batchEndpoints/{deployment.endpoint}"
        f"/deployments/{deployment.name}",
        "backend": deployment.backend,
        "description": deployment.description,
        "tags": deployment.tags,
        "properties": deployment.properties,
        "provisioning_state": deployment.provisioning_state,
        "creation_context": creation_context(deployment.created_at, deployment.created_by, deployment.modified_at),
    }


def delete(desk: EndpointDesk, endpoint: str, name: str) -> None:
    """Forget a deployment; its jobs stay. Raises NotFoundError, and ConflictError for the default one of several."""
    found = desk.store.endpoints.get(BATCH, endpoint)
    defaults = found.document.get("defaults") or {}
    others = [one.name for one in desk.store.endpoints.deployments(endpoint) if one.name != name]
    if defaults.get("deployment_name") == name and others:
        raise ConflictError(
            f"deployment '{name}' is the default one of '{endpoint}'",
            hint=f"take another first: mlctl batch-endpoint update -n {endpoint} "
            f"--set defaults.deployment_name={others[0]}",
        )
    now = desk.clock.now()
    desk.store.endpoints.delete_deployment(endpoint, name, by=desk.user, at=now)
    if defaults.get("deployment_name") == name:
        without = {key: value for key, value in found.document.items() if key != "defaults"}
        desk.store.endpoints.update(found, "no default", by=desk.user, at=now, document=without)


def environment_of_plan(plan: Mapping[str, Any]) -> Environment:
    """The environment that `create` has put into a plan."""
    kept = plan["environment"]
    if isinstance(kept, str):
        return Environment(reference=kept)
    build = kept.get("build")
    return Environment(
        image=kept.get("image"),
        build=BuildContext(**build) if build else None,
        conda=kept.get("conda_file"),
        conda_source=kept.get("conda_source"),
        os_type=kept.get("os_type", "linux"),
    )


def _plan(desk: EndpointDesk, spec: SpecCheck) -> tuple[dict[str, Any], ModelFiles | None, Environment]:
    """What a job needs of the deployment, as plain data, with model and code in the content store."""
    resolver = Resolver(desk.store, registry_sources(desk.settings, desk.store))
    where = f"{spec.document.source}: "
    with located(f"{where}model: "):
        model = model_of(desk.store, spec, resolver)
    code, script = code_of(desk.store, spec, spec.data.get("code_configuration"))
    no_code = model is not None and model.type == "mlflow_model" and code is None
    if not no_code and code is None:
        raise InvalidSpecError(
            f"{where}deployment '{spec.data['name']}' has no code_configuration",
            hint="only an MLflow model (type: mlflow_model) scores without a script",
        )
    found = spec.environments.get(("environment",))
    if found is not None:
        with located(f"{where}environment: "):
            environment = resolve_environment(found, resolver)
    elif no_code and model is not None:
        from mlctl.operations.model_environments import environment_of_model

        environment = environment_of_model(desk.store, model, files=True)
    else:
        raise InvalidSpecError(
            f"{where}deployment '{spec.data['name']}' has no environment", hint="add 'environment: …'"
        )
    kept = environment_document(environment)
    if isinstance(kept, dict) and environment.conda_source:
        kept["conda_source"] = environment.conda_source
    plan = {
        "kind": BATCH,
        "model": asdict(model) if model else None,
        "code": code,
        "script": script or NO_CODE_SCRIPT,
        "environment": kept,
    }
    return plan, model, environment


def _compute_name(spec: SpecCheck) -> str:
    return str(spec.data.get("compute") or "").removeprefix("azureml:")


def _compute(desk: EndpointDesk, spec: SpecCheck, environment: Environment, backend: str | None) -> Any:
    job = CommandJob(
        command="",
        environment=environment,
        compute=spec.data.get("compute"),
        source=spec.document.source,
        lines=spec.document.lines(),
    )
    jobs = JobDesk(desk.store, desk.settings, desk.clock, desk.connect)
    return choose_compute(jobs, job, backend=backend, strict=False)


def _refuse_pipelines(spec: SpecCheck) -> None:
    if spec.kind.name == "pipelineComponentBatchDeployment" or spec.data.get("type") == "pipeline":
        raise UnsupportedError(
            f"{spec.document.source}: batch deployments of type 'pipeline' are not available yet",
            hint="available: model",
            details={"type": "pipeline", "available": ["model"]},
        )


def _document(spec: SpecCheck, plan: Mapping[str, Any], model: ModelFiles | None) -> dict[str, Any]:
    data = spec.data
    inner = data.get("settings") or {}
    variables = {**(data.get("environment_variables") or {}), **(inner.get("environment_variables") or {})}
    return {
        "type": "model",
        "model": (model.reference or data.get("model")) if model else None,
        "code_configuration": data.get("code_configuration"),
        "environment": plan["environment"],
        "environment_variables": texts(variables),
        "compute": f"azureml:{plan['compute']}",
        **settings_of(data).document,
    }


def _digests(plan: Mapping[str, Any]) -> dict[str, str]:
    """What the history keeps of a generation."""
    model = plan["model"] or {}
    found = {
        "mlctl.code": plan["code"],
        "mlctl.model": model.get("content"),
        "mlctl.modelReference": model.get("reference"),
    }
    return {key: value for key, value in found.items() if value}
