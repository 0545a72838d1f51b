"""`mlctl batch-deployment …`: models that score files behind a batch endpoint."""

from __future__ import annotations

from typing import Annotated, Any

import typer

from mlctl.cli.command import Accepted, command
from mlctl.cli.job_desk import job_desk
from mlctl.cli.names import complete_batch_deployments, complete_batch_endpoints
from mlctl.cli.online_deployment import BackendName
from mlctl.cli.online_endpoint import desk_of
from mlctl.cli.options import (
    POLICY,
    File,
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
from mlctl.cli.words import FLAG
from mlctl.context import Context
from mlctl.entities.endpoint import BATCH
from mlctl.errors import UsageError

Name = Annotated[
    str, typer.Option("--name", "-n", metavar="DEPLOYMENT", autocompletion=complete_batch_deployments, help="Name.")
]
Endpoint = Annotated[
    str,
    typer.Option(
        "--endpoint-name",
        "-e",
        metavar="ENDPOINT",
        autocompletion=complete_batch_endpoints,
        callback=lower_case,
        help="Its endpoint.",
    ),
]
OptionalEndpoint = Annotated[
    str | None,
    typer.Option(
        "--endpoint-name",
        "-e",
        metavar="ENDPOINT",
        autocompletion=complete_batch_endpoints,
        callback=lower_case,
        help="Wins over the YAML.",
    ),
]


@command(accepted=(*POLICY, Accepted(("--skip-script-validation",), FLAG)))
def create(
    context: Context,
    *,
    file: File,
    name: NewName = None,
    endpoint_name: OptionalEndpoint = None,
    set_default: Annotated[
        bool, typer.Option("--set-default", help="Make it the one that is invoked without a name.")
    ] = False,
    backend: BackendName = None,
    set_: SetValues = None,
    no_wait: NoWait = False,
) -> dict[str, Any]:
    """Create a batch deployment, or replace the one of that name. Nothing runs until the endpoint is invoked."""
    from mlctl.operations.batch_deployments import create as create_deployment
    from mlctl.operations.batch_deployments import describe

    del no_wait
    desk = desk_of(context)
    fields = {"name": name, "endpoint_name": endpoint_name}
    deployment, warnings = create_deployment(
        desk, file, overrides=set_ or (), fields=fields, backend=backend, default=set_default
    )
    context.say.warnings(warnings)
    return describe(desk, deployment)


@command
def show(context: Context, *, name: Name, endpoint_name: Endpoint) -> dict[str, Any]:
    """Show a batch deployment."""
    from mlctl.operations.batch_deployments import describe

    desk = desk_of(context)
    return describe(desk, desk.store.endpoints.deployment(endpoint_name, name, BATCH))


@command(name="list", view="batch-deployment list")
def list_(context: Context, *, endpoint_name: Endpoint) -> list[dict[str, Any]]:
    """List the deployments of a batch endpoint."""
    from mlctl.operations.batch_deployments import describe

    desk = desk_of(context)
    desk.store.endpoints.get(BATCH, endpoint_name)
    return [describe(desk, found) for found in desk.store.endpoints.deployments(endpoint_name)]


@command(accepted=POLICY)
def update(
    context: Context,
    *,
    file: OptionalFile = None,
    name: NewName = None,
    endpoint_name: OptionalEndpoint = None,
    operations: Operations = None,
    force_string: ForceString = False,
    no_wait: NoWait = False,
) -> dict[str, Any]:
    """Change a batch deployment: all of it with a file, how it scores and its tags with --set."""
    from mlctl.operations.batch_deployments import UPDATABLE, change, describe
    from mlctl.operations.batch_deployments import create as create_deployment

    del no_wait
    desk = desk_of(context)
    if file is not None:
        fields = {"name": name, "endpoint_name": endpoint_name}
        deployment, warnings = create_deployment(desk, file, fields=fields, update=True)
        context.say.warnings(warnings)
        name, endpoint_name = deployment.name, deployment.endpoint
    if not name or not endpoint_name:
        raise UsageError("batch-deployment update needs --name and --endpoint-name, or a file")
    found = desk.store.endpoints.deployment(endpoint_name, name, BATCH)
    changes = changed_fields(
        describe(desk, found), operations, force_string=force_string, updatable=UPDATABLE, kind="batch-deployment"
    )
    return describe(desk, change(desk, endpoint_name, name, changes) if changes else found)


@command(accepted=POLICY)
def delete(context: Context, *, name: Name, endpoint_name: Endpoint, yes: Yes = False, no_wait: NoWait = False) -> None:
    """Delete a batch deployment; its jobs and their results stay."""
    from mlctl.operations.batch_deployments import delete as delete_deployment

    del no_wait
    desk = desk_of(context)
    desk.store.endpoints.deployment(endpoint_name, name, BATCH)
    confirm(context, yes=yes, what=f"delete deployment {name!r} of batch endpoint {endpoint_name!r}")
    delete_deployment(desk, endpoint_name, name)


@command(view="job list", accepted=POLICY)
def list_jobs(context: Context, *, name: Name, endpoint_name: Endpoint) -> list[dict[str, Any]]:
    """List the scoring jobs of a batch deployment, the newest first."""
    from mlctl.operations.batch_endpoints import list_jobs as jobs_of

    return jobs_of(job_desk(context), endpoint_name, name)
