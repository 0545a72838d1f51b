"""Connections: how one is registered and changed, and how it is shown."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from mlctl.entities.clock import Clock, iso_time
from mlctl.entities.connection import Connection
from mlctl.errors import UsageError
from mlctl.operations.datastores import named_secrets, warnings_of
from mlctl.storage.credentials import Vault, seal

if TYPE_CHECKING:
    from mlctl.spec.check import SpecCheck
    from mlctl.store.workspaces import WorkspaceStore

_SHARED = ("$schema", "name", "type", "target", "description", "tags", "credentials", "id", "creation_context")
_TARGETS = ("azure_endpoint", "endpoint", "url", "api_base")
_API_KEYS = ("api_key", "key")

READ_ONLY = ("id", "name", "type", "creation_context")
"""What `connection update` may not change."""


def create(
    store: WorkspaceStore, clock: Clock, path: Path | None, *, overrides: Sequence[str], fields: Mapping[str, Any]
) -> tuple[Connection, list[str]]:
    """Register the connection of a YAML file, or replace the one of that name; with sentences for the user.

    Secrets in clear are put into the workspace's store of secrets. Raises InvalidSpecError with every problem.
    """
    from mlctl.spec.asset import load_asset

    spec = load_asset("connection", path, overrides=overrides, fields=fields)
    return _keep(store, clock, spec, [f"{problem.location}: {problem.message}" for problem in spec.problems])


def update(
    store: WorkspaceStore, clock: Clock, before: Connection, changes: Mapping[str, Any]
) -> tuple[Connection, list[str]]:
    """Change a connection: `changes` maps fields as `describe` shows them to new values. Raises as `create`."""
    from mlctl.spec.asset import load_asset

    document = {**_document(before), **changes}
    given = {key: value for key, value in document.items() if value not in (None, "", {})}
    return _keep(store, clock, load_asset("connection", None, fields=given), [])


def delete(store: WorkspaceStore, name: str) -> None:
    """Forget a connection and its secrets. Raises NotFoundError."""
    store.connections.delete(name)
    store.secrets.delete(f"connection-{name}")


def describe(store: WorkspaceStore, connection: Connection, *, vault: Vault | None = None) -> dict[str, Any]:
    """A connection in the words of `az ml connection show`; secrets are references.

    With a `vault`, API keys are filled in, as az does for --populate-secrets; no other secret ever is.
    """
    credentials, settings = dict(connection.credentials), dict(connection.settings)
    if vault is not None:
        for part in (credentials, settings):
            part.update({key: vault.reveal(part[key]) for key in _API_KEYS if key in part})
    target = connection.target or next((settings[key] for key in _TARGETS if settings.get(key)), None)
    return {
        "id": f"azureml://locations/local/workspaces/{store.name}/connections/{connection.name}",
        "name": connection.name,
        "type": connection.type,
        "target": target,
        "description": connection.description or "",
        "tags": connection.tags,
        **settings,
        "credentials": credentials or None,
        "creation_context": {"created_at": iso_time(connection.created_at or None)},
    }


def _keep(store: WorkspaceStore, clock: Clock, spec: SpecCheck, said: list[str]) -> tuple[Connection, list[str]]:
    from mlctl.storage.hidden_texts import with_hidden_labels

    data = with_hidden_labels(spec.data, store.secrets)
    if not data.get("name"):
        raise UsageError("a connection needs a name", hint="add 'name: …' to the file, or give --name")
    known = store.connections.find(data["name"])
    owner = f"connection-{data['name']}"
    kept = {key: value for key, value in data.items() if key not in _SHARED or key in ("target", "credentials")}
    sealed = seal(kept, owner, store.secrets)
    settings = dict(sealed.document)
    target, credentials = settings.pop("target", None), settings.pop("credentials", None)
    connection = Connection(
        name=data["name"],
        type=data["type"],
        target=target,
        description=data.get("description"),
        tags={str(key): str(value) for key, value in (data.get("tags") or {}).items()},
        settings=settings,
        credentials=dict(credentials or {}),
    )
    connection = replace(connection, created_at=(known.created_at if known else 0.0) or clock.now())
    store.connections.put(connection)
    store.secrets.delete(owner, keep=named_secrets(target, settings, connection.credentials))
    return connection, [*said, *warnings_of(sealed, store)]


def _document(connection: Connection) -> dict[str, Any]:
    return {
        "name": connection.name,
        "type": connection.type,
        "target": connection.target,
        "description": connection.description,
        "tags": connection.tags,
        **connection.settings,
        "credentials": connection.credentials,
    }
