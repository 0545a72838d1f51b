"""Datastores: how one is registered and changed, and how it is shown."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from mlctl.entities.clock import Clock, iso_time
from mlctl.entities.datastore import LOCAL_FOLDER, Datastore
from mlctl.errors import NotFoundError, UsageError
from mlctl.storage.credentials import Sealed, references, seal
from mlctl.storage.datastores import UNSUPPORTED

if TYPE_CHECKING:
    from mlctl.spec.check import SpecCheck
    from mlctl.store.workspaces import WorkspaceStore

_SHARED = ("$schema", "name", "type", "description", "tags", "properties", "credentials", "id")

READ_ONLY = ("id", "name", "type", "creation_context")
"""What `datastore update` may not change; all else of a datastore may be."""


def create(
    store: WorkspaceStore, clock: Clock, path: Path | None, *, overrides: Sequence[str], fields: Mapping[str, Any]
) -> tuple[Datastore, list[str]]:
    """Register the datastore of a YAML file, or replace the one of that name, as az does; with sentences for the user.

    Secrets in clear are put into the workspace's store of secrets. Raises InvalidSpecError with every problem,
    ConflictError for a built-in name, NotFoundError for a local folder that is not there.
    """
    from mlctl.spec.asset import load_asset

    spec = load_asset("datastore", path, overrides=overrides, fields=fields)
    return keep(store, clock, _datastore(spec), [f"{problem.location}: {problem.message}" for problem in spec.problems])


def update(
    store: WorkspaceStore, clock: Clock, before: Datastore, changes: Mapping[str, Any]
) -> tuple[Datastore, list[str]]:
    """Change a datastore: `changes` maps fields as `describe` shows them to new values, None to take one away.

    The result is checked as a file would be. Raises as `create`.
    """
    from mlctl.spec.asset import load_asset

    document = {**_document(before), **changes}
    given = {key: value for key, value in document.items() if value not in (None, "", {})}
    spec = load_asset("datastore", None, fields=given)
    return keep(store, clock, _datastore(spec), [])


def keep(store: WorkspaceStore, clock: Clock, wanted: Datastore, said: list[str]) -> tuple[Datastore, list[str]]:
    """Put a checked datastore into the workspace, without its secrets. Raises ConflictError for a built-in name."""
    from mlctl.storage.hidden_texts import with_hidden_labels

    labels = with_hidden_labels({"description": wanted.description, "tags": wanted.tags}, store.secrets)
    wanted = replace(wanted, **labels)
    known = store.datastores.find(wanted.name)
    store.datastores.check_free(wanted.name)
    owner = f"datastore-{wanted.name}"
    sealed = seal({**wanted.settings, "credentials": wanted.credentials}, owner, store.secrets)
    credentials = sealed.document.pop("credentials")
    datastore = replace(
        wanted,
        settings=sealed.document,
        credentials=credentials,
        created_at=(known.created_at if known else 0.0) or clock.now(),
    )
    store.datastores.put(datastore)
    store.secrets.delete(owner, keep=named_secrets(datastore.settings, datastore.credentials))
    said = [*said, *warnings_of(sealed, store)]
    if datastore.type in UNSUPPORTED:
        why, hint = UNSUPPORTED[datastore.type]
        said.append(f"datastore '{datastore.name}' is kept, but cannot be read here: {why}; {hint}")
    return datastore, said


def delete(store: WorkspaceStore, name: str) -> None:
    """Forget a datastore and its secrets; its files stay. Raises NotFoundError, ConflictError for a built-in one."""
    store.datastores.delete(name)
    store.secrets.delete(f"datastore-{name}")


def describe(store: WorkspaceStore, datastore: Datastore) -> dict[str, Any]:
    """A datastore in the words of `az ml datastore show`; credentials are references, never secrets."""
    return {
        "id": f"azureml://locations/local/workspaces/{store.name}/datastores/{datastore.name}",
        "name": datastore.name,
        "type": datastore.type,
        "description": datastore.description or "",
        "tags": datastore.tags,
        **datastore.settings,
        "credentials": datastore.credentials,
        "creation_context": {"created_at": iso_time(datastore.created_at or None)},
    }


def named_secrets(*documents: Any) -> frozenset[str]:
    """Names of the secrets of the workspace's own store that documents refer to."""
    return frozenset(name for document in documents for where, name in references(document) if where == "secret")


def warnings_of(sealed: Sealed, store: WorkspaceStore) -> list[str]:
    """What the user should know about secrets that came in clear."""
    said = []
    if sealed.keys:
        said.append(
            f"{', '.join(sealed.keys)} came in clear: kept in {store.folder / 'secrets'} for your eyes only, and shown "
            "as a reference; better is ${{env:NAME}}, ${{file:/path}} or ${{keyring:SERVICE/USER}} in the file"
        )
    said += [f"{key} looks like a stand-in for a secret; it was kept as it is" for key in sealed.stand_ins]
    return said


def _datastore(spec: SpecCheck) -> Datastore:
    from mlctl.spec.paths import absolute

    data = spec.data
    settings = {key: value for key, value in data.items() if key not in _SHARED}
    if data["type"] == LOCAL_FOLDER:
        folder = Path(absolute(spec.document, str(Path(data["path"]).expanduser())))
        if not folder.is_dir():
            raise NotFoundError(f"path: {folder} is no folder", hint="make it or mount it first")
        settings["path"] = str(folder)
    if not data.get("name"):
        raise UsageError("a datastore needs a name", hint="add 'name: …' to the file, or give --name")
    return Datastore(
        name=data["name"],
        type=data["type"],
        description=data.get("description"),
        tags={str(key): str(value) for key, value in (data.get("tags") or {}).items()},
        settings=settings,
        credentials=dict(data.get("credentials") or {}),
    )


def _document(datastore: Datastore) -> dict[str, Any]:
    return {
        "name": datastore.name,
        "type": datastore.type,
        "description": datastore.description,
        "tags": datastore.tags,
        **datastore.settings,
        "credentials": datastore.credentials,
    }
