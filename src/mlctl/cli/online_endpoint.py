"""`mlctl online-endpoint …`: stable addresses with keys, in front of deployments."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Any

import typer

from mlctl.cli.command import Accepted, Result, command
from mlctl.cli.names import complete_endpoints
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
from mlctl.cli.words import FLAG
from mlctl.context import Context
from mlctl.errors import UsageError
from mlctl.operations.endpoints import EndpointDesk
from mlctl.settings.user import current_user

EndpointName = Annotated[
    str,
    typer.Option(
        "--name", "-n", metavar="ENDPOINT", autocompletion=complete_endpoints, callback=lower_case, help="Name."
    ),
]
Traffic = Annotated[
    str | None, typer.Option("--traffic", "-r", metavar="NAME=PERCENT…", help='Percents, such as "blue=90 green=10".')
]
Local = Annotated[bool, typer.Option("--local", help="Taken as in az; without another back end all is local.")]
_WEB = Accepted(("--web", "-e"), FLAG)


def desk_of(context: Context) -> EndpointDesk:
    """What operations on endpoints need."""
    return EndpointDesk(context.store, context.settings, context.clock, context.backend, current_user())


@command(accepted=(*POLICY, _WEB))
def create(
    context: Context,
    *,
    name: NewName = None,
    file: OptionalFile = None,
    auth_mode: Annotated[
        str | None, typer.Option("--auth-mode", metavar="key|aml_token", help="How callers prove who they are.")
    ] = None,
    host: Annotated[
        str | None, typer.Option("--host", metavar="ADDRESS", help="Address to listen on; loopback without.")
    ] = None,
    port: Annotated[
        int | None,
        typer.Option("--port", min=1, max=65535, metavar="PORT", help="Port; a free one from 5001 on without."),
    ] = None,
    set_: SetValues = None,
    local: Local = False,
    no_wait: NoWait = False,
) -> dict[str, Any]:
    """Create an endpoint: an address that stays, with keys. It listens on loopback unless --host says otherwise."""
    from mlctl.operations.answering import wait_until_it_answers
    from mlctl.operations.endpoints import create as create_endpoint
    from mlctl.operations.endpoints import describe, settle

    del local
    desk = desk_of(context)
    fields = {"name": name.lower() if name else None, "auth_mode": auth_mode}
    endpoint, warnings = create_endpoint(desk, file, overrides=set_ or (), fields=fields, host=host, port=port)
    context.say.warnings(warnings)
    if not no_wait and port is None:
        endpoint = settle(desk, endpoint)
    elif not no_wait:
        wait_until_it_answers(desk, endpoint)
    return describe(desk, endpoint)


@command(accepted=(_WEB,))
def show(
    context: Context,
    *,
    name: EndpointName,
    systemd_unit: Annotated[
        bool, typer.Option("--systemd-unit", help="Print a unit that starts it after a reboot instead.")
    ] = False,
    local: Local = False,
) -> dict[str, Any] | Result:
    """Show an endpoint: its address, traffic and whether it runs."""
    from mlctl.operations.endpoints import show as show_endpoint
    from mlctl.operations.services import systemd_unit as write_unit

    del local
    if systemd_unit:
        return Result(log=[write_unit(desk_of(context), name).encode()])
    return show_endpoint(desk_of(context), name)


@command(name="list", view="online-endpoint list")
def list_(context: Context, *, local: Local = False) -> list[dict[str, Any]]:
    """List the online endpoints of the workspace."""
    from mlctl.operations.endpoints import list_endpoints

    del local
    return list_endpoints(desk_of(context))


@command(accepted=(*POLICY, _WEB))
def update(
    context: Context,
    *,
    name: EndpointName,
    file: OptionalFile = None,
    traffic: Traffic = None,
    mirror_traffic: Annotated[
        str | None,
        typer.Option("--mirror-traffic", metavar="NAME=PERCENT", help="Copies of requests, such as green=10."),
    ] = None,
    operations: Operations = None,
    force_string: ForceString = False,
    local: Local = False,
    no_wait: NoWait = False,
) -> dict[str, Any]:
    """Change traffic, mirror traffic, tags or description. Takes effect at once, and no request is lost."""
    from mlctl.operations.endpoints import UPDATABLE
    from mlctl.operations.endpoints import show as show_endpoint
    from mlctl.operations.endpoints import update as update_endpoint

    del local
    desk = desk_of(context)
    before = show_endpoint(desk, name)
    changes: dict[str, Any] = _from_file(file)
    for key, text in (("traffic", traffic), ("mirror_traffic", mirror_traffic)):
        if text is not None:
            changes[key] = parse_traffic(text, f"--{key.replace('_', '-')}")
    if operations:
        changes |= changed_fields(
            {**before, **changes}, operations, force_string=force_string, updatable=UPDATABLE, kind="online-endpoint"
        )
    what = "traffic" if {"traffic", "mirror_traffic"} & changes.keys() else "update"
    return update_endpoint(desk, name, changes, what=what, wait=not no_wait)


@command(accepted=POLICY)
def delete(
    context: Context, *, name: EndpointName, yes: Yes = False, local: Local = False, no_wait: NoWait = False
) -> None:
    """Delete an endpoint with its deployments, keys and history; requests that run are finished."""
    from mlctl.operations.endpoints import delete as delete_endpoint
    from mlctl.operations.endpoints import show as show_endpoint

    del local, no_wait
    desk = desk_of(context)
    show_endpoint(desk, name)
    confirm(context, yes=yes, what=f"delete endpoint {name!r} with all of its deployments")
    delete_endpoint(desk, name)


@command(accepted=POLICY)
def invoke(
    context: Context,
    *,
    name: EndpointName,
    request_file: Annotated[Path, typer.Option("--request-file", "-r", metavar="FILE", help="JSON to send.")],
    deployment_name: Annotated[
        str | None, typer.Option("--deployment-name", "-d", metavar="DEPLOYMENT", help="Ask this one.")
    ] = None,
    local: Local = False,
) -> str:
    """Call an endpoint with its key; prints the answer as one text (-o tsv prints it bare)."""
    from mlctl.operations.invoking import invoke as call
    from mlctl.operations.invoking import read_request

    del local
    return call(desk_of(context), name, read_request(request_file), deployment=deployment_name)


@command(accepted=POLICY)
def get_credentials(context: Context, *, name: EndpointName) -> dict[str, Any]:
    """Print the keys of an endpoint, or a fresh token."""
    from mlctl.operations.endpoints import credentials

    return credentials(desk_of(context), name)


@command(accepted=POLICY)
def regenerate_keys(
    context: Context,
    *,
    name: EndpointName,
    key_type: Annotated[
        str, typer.Option("--key-type", metavar="primary|secondary", help="Which key gets a new value.")
    ] = "primary",
    no_wait: NoWait = False,
) -> dict[str, Any]:
    """Give the primary or the secondary key a new value; the old one stops working at once."""
    from mlctl.operations.endpoints import regenerate

    del no_wait
    return regenerate(desk_of(context), name, key_type)


@command
def start(context: Context, *, name: EndpointName) -> dict[str, Any]:
    """Start an endpoint with its deployments, after a stop or a reboot."""
    from mlctl.operations.endpoints import start as start_endpoint

    return start_endpoint(desk_of(context), name)


@command
def stop(context: Context, *, name: EndpointName) -> dict[str, Any]:
    """Stop an endpoint; requests that run are finished, and start brings all of it back."""
    from mlctl.operations.endpoints import stop as stop_endpoint

    return stop_endpoint(desk_of(context), name)


def parse_traffic(text: str, option: str) -> dict[str, str]:
    """`"blue=90 green=10"` as a map; percents are checked later. Raises UsageError for other text."""
    pairs = [word.partition("=") for word in text.replace(",", " ").split()]
    if not all(name and separator and value for name, separator, value in pairs):
        raise UsageError(f"{option} cannot be {text!r}", hint=f'write {option} "blue=90 green=10"')
    return {name: value for name, _, value in pairs}


def _from_file(file: Path | None) -> dict[str, Any]:
    """What an endpoint's YAML changes."""
    if file is None:
        return {}
    from mlctl.spec.asset import load_asset

    data = load_asset("online-endpoint", file).data
    known = ("description", "tags", "properties", "traffic", "mirror_traffic", "auth_mode")
    return {key: data[key] for key in known if key in data}


@command
def rollout(
    context: Context,
    *,
    name: EndpointName,
    to: Annotated[str, typer.Option("--to", metavar="DEPLOYMENT", help="The deployment that gets the traffic.")],
    steps: Annotated[
        str, typer.Option("--steps", metavar="PERCENT,…", help="Its share, step by step.")
    ] = "5,25,50,100",
    every: Annotated[str, typer.Option("--every", metavar="TIME", help="How long each step is watched.")] = "2m",
    abort_if: Annotated[
        list[str] | None,
        typer.Option("--abort-if", metavar="CONDITION", help="error_rate>2%, p95>300ms …; the traffic goes back then."),
    ] = None,
    min_requests: Annotated[
        int,
        typer.Option("--min-requests", min=1, metavar="NUMBER", help="Requests before a condition counts."),
    ] = 20,
) -> dict[str, Any]:
    """Move traffic to a deployment step by step, and back at once when it does not do well (exit 10)."""
    from mlctl.entities.clock import parse_duration
    from mlctl.operations.rollouts import parse_condition, parse_steps
    from mlctl.operations.rollouts import rollout as roll_out

    try:
        seconds = parse_duration(every)
    except ValueError as error:
        raise UsageError(f"--every: {error}") from error
    return roll_out(
        desk_of(context),
        name,
        to,
        steps=parse_steps(steps),
        every=seconds,
        conditions=[parse_condition(text) for text in abort_if or ()],
        minimum=min_requests,
        say=context.say.note,
    )


@command(view="online-endpoint history")
def history(context: Context, *, name: EndpointName) -> list[dict[str, Any]]:
    """Who changed what and when, with the weights and the digests after each change."""
    from mlctl.operations.rollouts import history as changes

    return changes(desk_of(context), name)


@command
def rollback(
    context: Context,
    *,
    name: EndpointName,
    to: Annotated[
        int | None, typer.Option("--to", metavar="NUMBER", help="A change of the history; the weights before without.")
    ] = None,
) -> dict[str, Any]:
    """Bring back the weights of an earlier change."""
    from mlctl.operations.rollouts import rollback as roll_back

    return roll_back(desk_of(context), name, to, context.say.warning)
