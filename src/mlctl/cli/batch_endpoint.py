"""`mlctl batch-endpoint …`: names under which files are scored in jobs."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Annotated, Any

import typer

from mlctl.cli.command import command
from mlctl.cli.job_desk import job_desk
from mlctl.cli.names import complete_batch_deployments, complete_batch_endpoints, complete_jobs
from mlctl.cli.online_endpoint import desk_of
from mlctl.cli.options import (
    POLICY,
    ForceString,
    NewName,
    NoWait,
    Operations,
    OptionalFile,
    SetValues,
    Yes,
    lower_case,
)
from mlctl.cli.verbs import changed_fields, confirm
from mlctl.context import Context
from mlctl.errors import UsageError

EndpointName = Annotated[
    str,
    typer.Option(
        "--name", "-n", metavar="ENDPOINT", autocompletion=complete_batch_endpoints, callback=lower_case, help="Name."
    ),
]


InputPath = Annotated[
    str | None, typer.Option("--input", metavar="PATH", help="A folder or file, an asset, a datastore path, a URL.")
]
InputType = Annotated[
    str | None, typer.Option("--input-type", metavar="uri_folder|uri_file|mltable", help="What --input is.")
]
Inputs = Annotated[str | None, typer.Option("--inputs", metavar="JSON", help="The input as a map.")]
Outputs = Annotated[str | None, typer.Option("--outputs", metavar="JSON", help="The output 'score' as a map.")]
OutputPath = Annotated[str | None, typer.Option("--output-path", metavar="URI", help="Datastore path for the results.")]
DeploymentName = Annotated[
    str | None,
    typer.Option(
        "--deployment-name",
        "-d",
        metavar="DEPLOYMENT",
        autocompletion=complete_batch_deployments,
        help="The default one without.",
    ),
]
JobName = Annotated[str | None, typer.Option("--job-name", metavar="JOB", help="Name of the job.")]
ExperimentName = Annotated[
    str | None, typer.Option("--experiment-name", metavar="TEXT", help="Experiment; the endpoint's name without.")
]
MiniBatchSize = Annotated[
    int | None, typer.Option("--mini-batch-size", "-m", min=1, metavar="NUMBER", help="Files of a mini batch.")
]
InstanceCount = Annotated[
    int | None,
    typer.Option("--instance-count", "-c", min=1, metavar="NUMBER", help="Times the workers of an instance."),
]
Resume = Annotated[
    str | None,
    typer.Option(
        "--resume",
        metavar="JOB",
        autocompletion=complete_jobs,
        help="Go on where this job stopped; no file is scored twice.",
    ),
]


@command(accepted=POLICY)
def create(
    context: Context,
    *,
    name: NewName = None,
    file: OptionalFile = None,
    set_: SetValues = None,
    no_wait: NoWait = False,
) -> dict[str, Any]:
    """Create a batch endpoint, or change the one of that name."""
    from mlctl.operations.batch_endpoints import create as create_endpoint
    from mlctl.operations.batch_endpoints import describe

    del no_wait
    desk = desk_of(context)
    fields = {"name": name.lower() if name else None}
    endpoint, warnings = create_endpoint(desk, file, overrides=set_ or (), fields=fields)
    context.say.warnings(warnings)
    return describe(desk, endpoint)


@command
def show(context: Context, *, name: EndpointName) -> dict[str, Any]:
    """Show a batch endpoint and its default deployment."""
    from mlctl.operations.batch_endpoints import describe

    desk = desk_of(context)
    return describe(desk, desk.store.endpoints.get("batch", name))


@command(name="list", view="batch-endpoint list")
def list_(context: Context) -> list[dict[str, Any]]:
    """List the batch endpoints of the workspace."""
    from mlctl.operations.batch_endpoints import describe

    desk = desk_of(context)
    return [describe(desk, endpoint) for endpoint in desk.store.endpoints.list("batch")]


@command(accepted=POLICY)
def update(
    context: Context,
    *,
    name: NewName = None,
    file: OptionalFile = None,
    defaults: Annotated[
        str | None,
        typer.Option("--defaults", metavar="deployment_name=NAME", help="The deployment that is invoked by default."),
    ] = None,
    operations: Operations = None,
    force_string: ForceString = False,
    no_wait: NoWait = False,
) -> dict[str, Any]:
    """Change the default deployment, tags, properties or description."""
    from mlctl.operations.batch_endpoints import UPDATABLE, describe
    from mlctl.operations.batch_endpoints import update as update_endpoint

    del no_wait
    desk = desk_of(context)
    changes: dict[str, Any] = {}
    if file is not None:
        from mlctl.spec.asset import load_asset

        data = load_asset("batch-endpoint", file, fields={"name": name}).data
        name = str(data.get("name") or "")
        changes = {key: data[key] for key in UPDATABLE if key in data}
    if not name:
        raise UsageError("batch-endpoint update needs --name, or a file with a name")
    before = describe(desk, desk.store.endpoints.get("batch", name))
    if defaults is not None:
        changes["defaults"] = _pairs(defaults, "--defaults")
    if operations:
        changes |= changed_fields(
            {**before, **changes}, operations, force_string=force_string, updatable=UPDATABLE, kind="batch-endpoint"
        )
    return describe(desk, update_endpoint(desk, name, changes))


@command(accepted=POLICY)
def delete(context: Context, *, name: EndpointName, yes: Yes = False, no_wait: NoWait = False) -> None:
    """Delete a batch endpoint with its deployments; its jobs and their results stay."""
    from mlctl.operations.batch_endpoints import delete as delete_endpoint

    del no_wait
    desk = desk_of(context)
    desk.store.endpoints.get("batch", name)
    confirm(context, yes=yes, what=f"delete batch endpoint {name!r} with all of its deployments")
    delete_endpoint(desk, name)


@command(accepted=POLICY)
def invoke(
    context: Context,
    *,
    name: EndpointName,
    input_: InputPath = None,
    input_type: InputType = None,
    inputs: Inputs = None,
    outputs: Outputs = None,
    output_path: OutputPath = None,
    file: OptionalFile = None,
    set_: SetValues = None,
    deployment_name: DeploymentName = None,
    job_name: JobName = None,
    experiment_name: ExperimentName = None,
    mini_batch_size: MiniBatchSize = None,
    instance_count: InstanceCount = None,
    resume: Resume = None,
) -> dict[str, Any]:
    """Score files in a job; returns as soon as it is queued. See the job with mlctl job stream."""
    from mlctl.operations.batch_invoking import DEFAULT_INPUT, Invocation
    from mlctl.operations.batch_invoking import invoke as call
    from mlctl.operations.jobs import describe

    if input_type is not None and input_ is None:
        raise UsageError("--input-type says what --input is", hint="give --input")
    fields: dict[str, Any] = {
        "inputs": _json(inputs, "--inputs"),
        "outputs": _json(outputs, "--outputs"),
        "mini_batch_size": mini_batch_size,
        "resources.instance_count": instance_count,
    }
    if input_ is not None:
        fields["inputs"] = {DEFAULT_INPUT: {"path": input_, **({"type": input_type} if input_type else {})}}
    if output_path is not None:
        fields["outputs"] = {"score": {"path": output_path}}
    given, folder = _given(file, set_ or [], fields)
    wanted = Invocation(name, given, deployment_name, job_name, experiment_name, resume)
    prepared = call(desk_of(context), wanted, folder)
    context.say.warnings(prepared.warnings)
    return describe(job_desk(context), prepared.backend.jobs.submit(prepared.plan))


@command(view="job list", accepted=POLICY)
def list_jobs(context: Context, *, name: EndpointName) -> list[dict[str, Any]]:
    """List the scoring jobs of a batch endpoint, the newest first."""
    from mlctl.operations.batch_endpoints import list_jobs as jobs_of

    return jobs_of(job_desk(context), name)


def _given(file: Path | None, overrides: list[str], fields: dict[str, Any]) -> tuple[dict[str, Any], Path]:
    """What a call says in its file, under --set, under the other options; and where its local paths start."""
    from mlctl.spec.document import Document
    from mlctl.spec.overrides import override_document
    from mlctl.spec.reader import read_file

    folder = Path.cwd()
    document = Document({}, {}, "the command line", folder=str(folder)) if file is None else read_file(file)
    override_document(document, overrides, fields)
    return document.data, Path(document.folder)


def _json(text: str | None, option: str) -> dict[str, Any] | None:
    if text is None:
        return None
    try:
        found = json.loads(text)
    except ValueError as error:
        raise UsageError(f"{option} is no JSON: {error}", hint='such as {"data": {"path": "./files"}}') from error
    if not isinstance(found, dict):
        raise UsageError(f"{option} is no map", hint='such as {"data": {"path": "./files"}}')
    return found


def _pairs(text: str, option: str) -> dict[str, str]:
    pairs = [word.partition("=") for word in text.split()]
    if not pairs or not all(name and separator and value for name, separator, value in pairs):
        raise UsageError(f"{option} cannot be {text!r}", hint=f"write {option} deployment_name=blue")
    return {name: value for name, _, value in pairs}
