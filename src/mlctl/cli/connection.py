"""`mlctl connection …`: how something outside is reached."""

from __future__ import annotations

from typing import Annotated, Any

import typer

from mlctl.cli.command import command
from mlctl.cli.names import complete_connections
from mlctl.cli.options import POLICY, File, ForceString, MaxResults, NewName, Operations, SetValues, Yes
from mlctl.cli.verbs import changed_fields, confirm, first
from mlctl.context import Context
from mlctl.entities.connection import Connection

ConnectionName = Annotated[
    str,
    typer.Option(
        "--name", "-n", metavar="CONNECTION", autocompletion=complete_connections, help="Name of the connection."
    ),
]
PopulateSecrets = Annotated[
    bool, typer.Option("--populate-secrets", "-p", help="Print the API key; without, where it is found.")
]


@command(accepted=POLICY)
def create(
    context: Context,
    *,
    file: File,
    name: NewName = None,
    populate_secrets: PopulateSecrets = False,
    set_: SetValues = None,
) -> dict[str, Any]:
    """Register a connection from a YAML file; one of that name is replaced.

    Secrets are references: ${{env:NAME}}, ${{file:/path}}, ${{keyring:SERVICE/USER}}. One in clear is moved to a file
    that only you may read.
    """
    from mlctl.operations.connections import create as create_connection

    fields = {} if name is None else {"name": name}
    connection, said = create_connection(context.store, context.clock, file, overrides=set_ or (), fields=fields)
    return _shown(context, connection, said, populate_secrets=populate_secrets)


@command
def show(context: Context, *, name: ConnectionName, populate_secrets: PopulateSecrets = False) -> dict[str, Any]:
    """Show a connection; of its secrets only where they are found."""
    return _shown(context, context.store.connections.get(name), [], populate_secrets=populate_secrets)


@command(name="list", view="connection list")
def list_(
    context: Context,
    *,
    type_: Annotated[
        str | None, typer.Option("--type", "-t", metavar="TEXT", help="Only connections of this type.")
    ] = None,
    max_results: MaxResults = None,
    populate_secrets: PopulateSecrets = False,
) -> list[dict[str, Any]]:
    """List the connections of the workspace."""
    found = [one for one in context.store.connections.list() if type_ is None or one.type == type_.lower()]
    return [_shown(context, one, [], populate_secrets=populate_secrets) for one in first(found, max_results)]


@command(accepted=POLICY)
def update(
    context: Context,
    *,
    name: ConnectionName,
    operations: Operations = None,
    force_string: ForceString = False,
    populate_secrets: PopulateSecrets = False,
) -> dict[str, Any]:
    """Change a connection with --set, --add and --remove."""
    from mlctl.operations.connections import READ_ONLY, describe
    from mlctl.operations.connections import update as update_connection

    connection, said = context.store.connections.get(name), list[str]()
    before = describe(context.store, connection)
    updatable = {key for key in before if key not in READ_ONLY}
    changes = changed_fields(before, operations, force_string=force_string, updatable=updatable, kind="connection")
    if changes:
        connection, said = update_connection(context.store, context.clock, connection, changes)
    return _shown(context, connection, said, populate_secrets=populate_secrets)


@command(accepted=POLICY)
def delete(context: Context, *, name: ConnectionName, yes: Yes = False) -> None:
    """Forget a connection and its stored secrets."""
    from mlctl.operations.connections import delete as delete_connection

    context.store.connections.get(name)
    confirm(context, yes=yes, what=f"delete connection {name!r}")
    delete_connection(context.store, name)


def _shown(context: Context, connection: Connection, said: list[str], *, populate_secrets: bool) -> dict[str, Any]:
    from mlctl.operations.connections import describe
    from mlctl.storage.credentials import Vault

    context.say.warnings(said)
    vault = Vault(context.store.secrets, context.settings.environ) if populate_secrets else None
    return describe(context.store, connection, vault=vault)
