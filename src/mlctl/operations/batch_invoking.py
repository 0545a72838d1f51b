"""A call of a batch endpoint: a command job that scores files in mini batches."""

from __future__ import annotations

import re
import shlex
from collections.abc import Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from mlctl.assets.resolver import Resolver
from mlctl.entities.batch_deployment import BatchSettings, settings_of
from mlctl.entities.command_job import CommandJob, Input, Output
from mlctl.entities.endpoint import BATCH, Deployment
from mlctl.entities.tags import texts
from mlctl.errors import ConflictError, InvalidSpecError, NotFoundError, UsageError
from mlctl.operations.batch_code import PACKAGE, code_folders
from mlctl.operations.batch_deployments import checked_settings, environment_of_plan
from mlctl.operations.batch_endpoints import default_deployment
from mlctl.operations.job_assets import resolve_job
from mlctl.operations.jobs import JobDesk, Prepared, choose_compute
from mlctl.operations.registries import registry_sources
from mlctl.store.uploads import address, expose

if TYPE_CHECKING:
    from mlctl.operations.endpoints import EndpointDesk

ENDPOINT, DEPLOYMENT = "azureml.endpointName", "azureml.deploymentName"
"""Properties of a scoring job, as Azure ML has them."""

DEFAULT_INPUT = "input"
SCORE, JOURNAL = "score", "journal"
_RESUMED, _RESUMED_OUTPUT = "resumed_journal", "resumed_score"
_TAKEN = (SCORE, JOURNAL, "model", _RESUMED, _RESUMED_OUTPUT)
_DATA = ("uri_file", "uri_folder", "mltable")
_KEYS = (
    "$schema", "inputs", "outputs", "mini_batch_size", "error_threshold", "retry_settings", "output_file_name",
    "logging_level", "output_action", "max_concurrency_per_instance", "resources", "job_name", "properties",
)  # fmt: skip
_NAME = re.compile(r"\w+")


@dataclass(frozen=True, slots=True)
class Invocation:
    """What is to be scored. `given`: inputs, outputs and settings as the YAML of a call has them.

    `resume`: the job that this one goes on with.
    """

    endpoint: str
    given: Mapping[str, Any]
    deployment: str | None = None
    job_name: str | None = None
    experiment_name: str | None = None
    resume: str | None = None


def invoke(desk: EndpointDesk, call: Invocation, folder: Path) -> Prepared:
    """Plan the job of a call. Local paths of inputs start at `folder`.

    Raises NotFoundError for endpoint, deployment or input, ConflictError for a job that cannot be resumed, UsageError.
    """
    unknown = sorted(key for key in call.given if key not in _KEYS)
    if unknown:
        raise UsageError(f"a call cannot have {', '.join(unknown)}", hint=f"it can have {', '.join(_KEYS[1:])}")
    jobs = JobDesk(desk.store, desk.settings, desk.clock, desk.connect)
    endpoint = desk.store.endpoints.get(BATCH, call.endpoint)
    if call.resume is not None:
        call = _resumed(jobs, call)
    name = call.deployment or default_deployment(desk, endpoint)
    deployment = desk.store.endpoints.deployment(endpoint.name, name)
    plan = desk.plan(endpoint.name, name, deployment.generation)
    settings = _settings(deployment, call.given)
    job = _job(desk, call, deployment, plan, folder=folder)
    compute, said = choose_compute(jobs, job, backend=deployment.backend, strict=False)
    job = resolve_job(job, Resolver(desk.store, registry_sources(desk.settings, desk.store)))
    job = _with_command(job, plan, settings, resume=call.resume is not None)
    backend = desk.connect(compute.backend)
    planned = backend.jobs.plan(job, compute)
    return Prepared(planned, backend, (*said, *planned.warnings))


def _settings(deployment: Deployment, given: Mapping[str, Any]) -> BatchSettings:
    """The deployment's settings under those of the call."""
    merged = {**deployment.document, **{key: value for key, value in given.items() if value is not None}}
    for key in ("retry_settings", "resources"):
        merged[key] = {**deployment.document.get(key, {}), **(given.get(key) or {})}
    return settings_of(checked_settings(merged))


def _inputs(given: Mapping[str, Any], folder: Path) -> tuple[dict[str, Input], dict[str, Any]]:
    """The one input of a model deployment, as an entity and as a spec has it."""
    inputs = given.get("inputs") or {}
    if not isinstance(inputs, Mapping) or len(inputs) != 1:
        named = ", ".join(inputs) if inputs else "none"
        raise UsageError(
            f"a model is scored with one input, not with {named}", hint="--input PATH, or --set inputs.data.path=PATH"
        )
    name, value = next(iter(inputs.items()))
    value = {"path": value} if isinstance(value, str) else value
    if not isinstance(value, Mapping) or not value.get("path"):
        raise UsageError(f"input '{name}' has no path", hint=f"--set inputs.{name}.path=PATH")
    if not _NAME.fullmatch(str(name)) or name in _TAKEN:
        raise UsageError(f"an input cannot be named '{name}'", hint="letters, digits and underscores")
    kind = value.get("type")
    if kind is not None and kind not in _DATA:
        raise UsageError(f"type of input '{name}' cannot be '{kind}'", hint=", ".join(_DATA))
    path = _place(str(value["path"]), folder)
    mode = str(value.get("mode") or "ro_mount")
    entity = Input(str(name), type=kind or _guessed_type(path), mode=mode, path=path)
    written = {"path": path, "mode": mode, **({"type": kind} if kind else {})}
    return {str(name): entity}, {str(name): written}


def _place(text: str, folder: Path) -> str:
    from mlctl.spec.references import FILE, LOCAL, parse

    reference = parse(text)
    if reference.kind not in (LOCAL, FILE):
        return text
    place = (folder / (reference.path or "")).resolve()
    if not place.exists():
        raise NotFoundError(f"input {text!r} does not exist", hint=f"looked at {place}")
    return str(place)


def _guessed_type(path: str) -> str:
    """A local file is a file, and so is what the web has; everything else is a folder unless its asset knows better."""
    return "uri_file" if path.startswith(("http://", "https://")) or Path(path).is_file() else "uri_folder"


def _job(
    desk: EndpointDesk, call: Invocation, deployment: Deployment, plan: Mapping[str, Any], *, folder: Path
) -> CommandJob:
    """The job without its command, which depends on what its references turn out to be."""
    inputs, document = _inputs(call.given, folder)
    for given in (*_model_input(desk, plan), *_resumed_inputs(call.resume)):
        inputs[given.name] = given
        document[given.name] = {"type": given.type, "path": given.asset or given.path}
    outputs = _outputs(call.given)
    name = call.job_name or call.given.get("job_name") or desk.clock.new_job_name()
    properties = {ENDPOINT: deployment.endpoint, DEPLOYMENT: deployment.name}
    return CommandJob(
        command="",
        environment=environment_of_plan(plan),
        name=name,
        compute=plan["compute"],
        code=str(code_folders(desk.store, deployment.endpoint).folder(plan["code"])),
        display_name=name,
        experiment_name=call.experiment_name or deployment.endpoint,
        properties={**texts(call.given.get("properties")), **properties},
        environment_variables=dict(deployment.document.get("environment_variables") or {}),
        inputs=inputs,
        outputs=outputs,
        document={
            "type": "command",
            "compute": deployment.document.get("compute"),
            "environment": plan["environment"],
            "properties": properties,
            "inputs": document,
            "outputs": {key: {"type": one.type, "path": one.path} for key, one in outputs.items()},
        },
        source=f"batch-endpoint {deployment.endpoint}",
    )


def _model_input(desk: EndpointDesk, plan: Mapping[str, Any]) -> list[Input]:
    model = plan["model"]
    if not model:
        return []
    expose(desk.store, model["content"], model["base"])
    kind = model["type"] or "custom_model"
    return [Input("model", type=kind, path=address(model["content"], model["base"]), asset=model["reference"])]


def _resumed_inputs(job: str | None) -> list[Input]:
    """What the earlier job has written."""
    if job is None:
        return []
    places = ((_RESUMED, JOURNAL), (_RESUMED_OUTPUT, SCORE))
    return [Input(name, path=f"azureml://jobs/{job}/outputs/{output}/paths/") for name, output in places]


def _outputs(given: Mapping[str, Any]) -> dict[str, Output]:
    """`score`, where the user wants it, and the journal, which stays with the job."""
    wanted = given.get("outputs") or {}
    if not isinstance(wanted, Mapping) or set(wanted) - {SCORE}:
        raise UsageError(f"the output of a scoring job is '{SCORE}'", hint=f"--set outputs.{SCORE}.path=azureml://…")
    value = wanted.get(SCORE) or {}
    value = {"path": value} if isinstance(value, str) else value
    score = Output(SCORE, path=value.get("path"), asset_name=value.get("name"), asset_version=value.get("version"))
    return {SCORE: score, JOURNAL: Output(JOURNAL)}


def _with_command(job: CommandJob, plan: Mapping[str, Any], settings: BatchSettings, *, resume: bool) -> CommandJob:
    data = next(given for given in job.inputs.values() if given.name not in _TAKEN)
    words = [
        f"$(command -v python || command -v python3) -m {PACKAGE}",
        f"--script {shlex.quote(plan['script'])}",
        f'--input "${{{{inputs.{data.name}}}}}" --input-type {data.type}',
        f'--output "${{{{outputs.{SCORE}}}}}" --journal "${{{{outputs.{JOURNAL}}}}}"',
        f"--workers {settings.workers} --mini-batch-size {settings.mini_batch_size}",
        f"--max-retries {settings.max_retries} --timeout {settings.timeout}",
        f"--error-threshold {settings.error_threshold} --output-action {settings.output_action}",
        f"--output-file-name {shlex.quote(settings.output_file_name)} --logging-level {settings.logging_level}",
    ]
    if plan["model"]:
        words.append('--model "${{inputs.model}}"')
    if resume:
        words.append(
            f'--resume-journal "${{{{inputs.{_RESUMED}}}}}" --resume-output "${{{{inputs.{_RESUMED_OUTPUT}}}}}"'
        )
    command = " ".join(words)
    return replace(job, command=command, document={**job.document, "command": command})


def _resumed(desk: JobDesk, call: Invocation) -> Invocation:
    """The call with the input, the output and the deployment of the job that it goes on with, unless it has its own."""
    record = desk.backend_of(call.resume or "").jobs.get(call.resume or "")
    endpoint, deployment = record.properties.get(ENDPOINT), record.properties.get(DEPLOYMENT)
    if endpoint != call.endpoint:
        raise InvalidSpecError(f"job '{record.name}' is no scoring job of endpoint '{call.endpoint}'")
    if not record.is_terminal:
        raise ConflictError(
            f"job '{record.name}' is {record.status}: it goes on by itself",
            hint=f"mlctl job wait -n {record.name}, or mlctl job cancel -n {record.name}",
        )
    from mlctl.assets.places import output_places

    places = output_places(record.name, desk.store)
    if not (places[JOURNAL] / "journal.jsonl").is_file():
        done = (places[JOURNAL] / "summary.json").is_file()
        why = "it has scored every file" if done else "it has not scored any file"
        hint = "its result is in the output 'score'" if done else "invoke the endpoint again instead"
        raise ConflictError(f"job '{record.name}' cannot be resumed: {why}", hint=hint)
    given = dict(call.given)
    document = desk.store.jobs.plan(record.name)["spec"]
    if not given.get("inputs"):
        given["inputs"] = {name: value for name, value in document["inputs"].items() if name not in _TAKEN}
    path = document.get("outputs", {}).get(SCORE, {}).get("path")
    if path and not (given.get("outputs") or {}).get(SCORE):
        given["outputs"] = {SCORE: {"path": path}}
    return replace(call, given=given, deployment=call.deployment or deployment)
