"""`mlctl online-deployment …`: models that answer behind an endpoint."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Any

import typer

from mlctl.cli.command import Accepted, Result, command
from mlctl.cli.names import complete_deployments, complete_endpoints
from mlctl.cli.online_endpoint import Local, desk_of
from mlctl.cli.options import (
    POLICY,
    File,
    ForceString,
    NewName,
    NoCache,
    NoWait,
    Operations,
    OptionalFile,
    PushTarget,
    SetValues,
    Yes,
    lower_case,
)
from mlctl.cli.verbs import changed_fields, confirm
from mlctl.cli.words import FLAG
from mlctl.context import Context
from mlctl.entities.endpoint import ONLINE, Deployment
from mlctl.errors import UsageError
from mlctl.operations.endpoints import EndpointDesk

Name = Annotated[
    str, typer.Option("--name", "-n", metavar="DEPLOYMENT", autocompletion=complete_deployments, help="Name.")
]
Endpoint = Annotated[
    str,
    typer.Option(
        "--endpoint-name",
        "-e",
        metavar="ENDPOINT",
        autocompletion=complete_endpoints,
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
        autocompletion=complete_endpoints,
        callback=lower_case,
        help="Wins over the YAML.",
    ),
]
BackendName = Annotated[
    str | None, typer.Option("--backend", metavar="local|docker", help="Where it runs, whatever the settings say.")
]
_AZURE = (
    Accepted(("--local-enable-gpu",), FLAG),
    Accepted(("--package-model",), FLAG),
    Accepted(("--vscode-debug",), FLAG),
    Accepted(("--web",), FLAG),
    Accepted(("--skip-script-validation",), FLAG),
)


@command(accepted=(*POLICY, *_AZURE))
def create(
    context: Context,
    *,
    file: File,
    name: NewName = None,
    endpoint_name: OptionalEndpoint = None,
    all_traffic: Annotated[bool, typer.Option("--all-traffic", help="Give it all traffic once it answers.")] = False,
    backend: BackendName = None,
    set_: SetValues = None,
    local: Local = False,
    no_wait: NoWait = False,
) -> dict[str, Any]:
    """Create a deployment and wait until it answers. One that cannot be started says why, with its last log lines."""
    del local
    if all_traffic and no_wait:
        raise UsageError("--all-traffic waits for the deployment to answer", hint="leave --no-wait out")
    fields = {"name": name, "endpoint_name": endpoint_name}
    return _deploy(context, file, fields, overrides=set_, backend=backend, no_wait=no_wait, all_traffic=all_traffic)


@command(accepted=(*POLICY, *_AZURE))
def update(
    context: Context,
    *,
    file: OptionalFile = None,
    name: NewName = None,
    endpoint_name: OptionalEndpoint = None,
    backend: BackendName = None,
    operations: Operations = None,
    force_string: ForceString = False,
    local: Local = False,
    no_wait: NoWait = False,
) -> dict[str, Any]:
    """Change a deployment. With a file new processes take over when they answer; until then the old ones go on."""
    from mlctl.operations.online_deployments import UPDATABLE, change, describe, wait

    del local
    if file is not None:
        fields = {"name": name, "endpoint_name": endpoint_name}
        return _deploy(context, file, fields, backend=backend, no_wait=no_wait, update=True)
    if not name or not endpoint_name:
        raise UsageError("online-deployment update needs --name and --endpoint-name, or a file")
    desk = desk_of(context)
    before = describe(desk, desk.store.endpoints.deployment(endpoint_name, name, ONLINE))
    changes = changed_fields(
        before, operations, force_string=force_string, updatable=UPDATABLE, kind="online-deployment"
    )
    deployment = change(desk, endpoint_name, name, changes)
    if "instance_count" in changes and not no_wait:
        deployment = wait(desk, deployment)
    return describe(desk, deployment)


@command(accepted=(Accepted(("--web",), FLAG),))
def show(context: Context, *, name: Name, endpoint_name: Endpoint, local: Local = False) -> dict[str, Any]:
    """Show a deployment, its replicas, and why it failed if it did."""
    from mlctl.operations.online_deployments import describe

    del local
    desk = desk_of(context)
    return describe(desk, desk.store.endpoints.deployment(endpoint_name, name, ONLINE))


@command(name="list", view="online-deployment list")
def list_(context: Context, *, endpoint_name: Endpoint, local: Local = False) -> list[dict[str, Any]]:
    """List the deployments of an endpoint."""
    from mlctl.operations.online_deployments import describe

    del local
    desk = desk_of(context)
    desk.store.endpoints.get(ONLINE, endpoint_name)
    return [describe(desk, found) for found in desk.store.endpoints.deployments(endpoint_name)]


@command(accepted=POLICY)
def delete(
    context: Context,
    *,
    name: Name,
    endpoint_name: Endpoint,
    yes: Yes = False,
    local: Local = False,
    no_wait: NoWait = False,
) -> None:
    """Delete a deployment that gets no traffic; requests that run are finished."""
    from mlctl.operations.online_deployments import delete as delete_deployment

    del local, no_wait
    desk = desk_of(context)
    desk.store.endpoints.deployment(endpoint_name, name, ONLINE)
    confirm(context, yes=yes, what=f"delete deployment {name!r} of endpoint {endpoint_name!r}")
    delete_deployment(desk, endpoint_name, name)


@command(accepted=POLICY)
def get_logs(
    context: Context,
    *,
    name: Name,
    endpoint_name: Endpoint,
    lines: Annotated[int, typer.Option("--lines", "-l", min=1, metavar="NUMBER", help="How many lines.")] = 5000,
    container: Annotated[
        str,
        typer.Option(
            "--container",
            "-c",
            metavar="inference-server|storage-initializer",
            help="The server's log, or that of what happens before it starts.",
        ),
    ] = "inference-server",
    local: Local = False,
) -> Result:
    """Print the last lines of a deployment's log, as plain text."""
    del local
    desk = desk_of(context)
    deployment = desk.store.endpoints.deployment(endpoint_name, name, ONLINE)
    found = desk.endpoints(deployment.backend).logs(deployment, lines=lines, container=container)
    return Result(log=[f"{line}\n".encode() for line in found])


@command
def export(
    context: Context,
    *,
    name: Name,
    endpoint_name: Endpoint,
    format_: Annotated[
        str, typer.Option("--format", metavar="compose|iotedge|systemd", help="What will run it on the other machine.")
    ],
    push: PushTarget = None,
    to: Annotated[
        Path | None,
        typer.Option("--to", metavar="FOLDER", help="A new folder for the files; <endpoint>-<deployment> without."),
    ] = None,
    port: Annotated[
        int | None,
        typer.Option("--port", min=1, max=65535, metavar="PORT", help="Port of the other machine; 5001 without."),
    ] = None,
    include_secrets: Annotated[
        bool, typer.Option("--include-secrets", help="Write the values of secrets too, for their owner alone.")
    ] = False,
    no_cache: NoCache = False,
) -> dict[str, Any]:
    """Build the image of a deployment and write the files that run it where there is no mlctl.

    With --push the files name the image by its digest in that registry. The build's log goes to stderr.
    """
    from mlctl.backends.base import ImageOrder
    from mlctl.cli.environment_images import shown_log
    from mlctl.operations.edge import Export
    from mlctl.operations.edge import export as take_out

    folder = to or Path(f"{endpoint_name}-{name}")
    wanted = Export(format_.lower(), folder, push=push, port=port, include_secrets=include_secrets)
    with shown_log(context) as log:
        made, told = take_out(
            desk_of(context), endpoint_name, name, wanted, order=ImageOrder(no_cache=no_cache), log=log
        )
    context.say.warnings(told)
    return made


def _deploy(
    context: Context,
    file: Path,
    fields: dict[str, str | None],
    *,
    no_wait: bool,
    overrides: list[str] | None = None,
    backend: str | None = None,
    all_traffic: bool = False,
    update: bool = False,
) -> dict[str, Any]:
    from mlctl.operations.endpoints import update as update_endpoint
    from mlctl.operations.online_deployments import create as create_deployment
    from mlctl.operations.online_deployments import describe, wait

    desk = desk_of(context)
    deployment, warnings = create_deployment(
        desk, file, overrides=overrides or (), fields=fields, backend=backend, update=update
    )
    context.say.warnings(warnings)
    if no_wait:
        return describe(desk, deployment)
    deployment = wait(desk, deployment)
    if all_traffic:
        update_endpoint(desk, deployment.endpoint, {"traffic": _all(desk, deployment)}, what="traffic")
    return describe(desk, deployment)


def _all(desk: EndpointDesk, deployment: Deployment) -> dict[str, int]:
    names = [found.name for found in desk.store.endpoints.deployments(deployment.endpoint)]
    return {name: 100 if name == deployment.name else 0 for name in names}
