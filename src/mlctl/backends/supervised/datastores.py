"""Inputs and outputs of a job that are in datastores of other machines, or in folders registered as datastores."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any

from mlctl.errors import MlctlError, NotFoundError, UnsupportedError, located
from mlctl.store.workspaces import WorkspaceStore

_PLAIN = ("uri_file", "uri_folder", "mltable")
_FOLDERS = ("uri_folder", "mltable", "mlflow_model", "custom_model", "triton_model")


def is_elsewhere(data: Mapping[str, Any], store: WorkspaceStore) -> bool:
    """Whether an input is fetched through a datastore. Raises NotFoundError for an unknown datastore."""
    from mlctl.storage import addresses

    with located(f"inputs.{data['name']}.path: "):
        return addresses.is_elsewhere(data["uri"], store, folder=data["type"] in _FOLDERS)


def check_datastores(payload: Mapping[str, Any], store: WorkspaceStore, environ: Mapping[str, str]) -> list[str]:
    """Refuse, before a job is taken, data whose datastore cannot be used; and say which outputs stay with the job.

    Raises UnavailableError without the extra, AuthError for a credential that is not there, UnsupportedError.
    """
    from mlctl.storage.addresses import Storage, locate
    from mlctl.storage.datastores import check_datastore

    storage = Storage(store, environ)
    for data in payload["inputs"]:
        if data["mode"] != "direct" and is_elsewhere(data, store):
            address = locate(data["uri"], store)
            assert address is not None
            with located(f"inputs.{data['name']}.path: "):
                check_datastore(address.datastore, storage.vault)
    said = []
    for data in payload["outputs"]:
        if data["mode"] == "direct" or "deliver" not in data:
            continue
        try:
            address = locate(data["deliver"], store)
        except NotFoundError as error:
            said.append(f"outputs.{data['name']} stays in the job's folder: {error.message}; {error.hint}")
            continue
        assert address is not None
        with located(f"outputs.{data['name']}.path: "):
            check_datastore(address.datastore, storage.vault)
            if address.is_local:
                address.below(store.datastore_folder(address.datastore.name))  # no link of it leads out
    return said


def variables_used(store: WorkspaceStore) -> set[str]:
    """Names of the variables that credentials of this workspace are in; whoever runs a job later needs them."""
    from mlctl.storage.credentials import variables

    return variables([[one.credentials, one.settings] for one in store.datastores.registered()])


def bring_remote(inputs: Sequence[Mapping[str, Any]], store: WorkspaceStore, cache: Path) -> dict[str, Path]:
    """Name of the input -> where its files are now, in the cache of this machine."""
    from mlctl.storage.errands import fetch_all

    uris = {data["name"]: data["uri"] for data in inputs}
    if not uris:
        return {}
    try:
        found = fetch_all(uris, store.folder, cache)
    except MlctlError as error:
        error.message = f"inputs.{error.details.get('name')}.path: {error.message}"
        raise
    for data in inputs:
        is_file = found[data["name"]].is_file()
        if is_file == (data["type"] in ("uri_folder", "mltable")) and data["type"] in _PLAIN:
            what, right = ("a file", "uri_file") if is_file else ("a folder", "uri_folder")
            raise UnsupportedError(
                f"inputs.{data['name']}: {data['uri']!r} is {what}, not {data['type']}", hint=f"write type: {right}"
            )
    return found


def link_output(data: Mapping[str, Any], store: WorkspaceStore) -> Path | None:
    """Let an output in a registered folder of this machine be written there; returns that folder.

    The place of the output in the job's folder becomes a link to it. None for an output that is delivered at the end.
    """
    from mlctl.storage.addresses import locate

    try:
        address = locate(data["deliver"], store)
    except NotFoundError:
        return None
    if address is None or not address.is_local:
        return None
    place = address.below(store.datastore_folder(address.datastore.name))
    target = Path(data["target"])
    if data["type"] == "uri_file":
        place, target = place.parent, target.parent
    place.mkdir(parents=True, exist_ok=True)
    target.parent.mkdir(parents=True, exist_ok=True)
    if not target.is_symlink():
        target.symlink_to(place)
    return place


def deliver_outputs(outputs: Iterable[Mapping[str, Any]], store: WorkspaceStore) -> list[str]:
    """Bring what a job wrote to the datastores that it named; a sentence for each. Raises the errors of a transfer."""
    from mlctl.storage.errands import deliver_all

    wanted = {}
    for data in outputs:
        source = Path(data["target"])
        linked = source.is_symlink() or source.parent.is_symlink()
        if "deliver" not in data or data["mode"] == "direct" or linked or not source.exists():
            continue
        if store.datastores.find(_datastore_of(data["deliver"])) is not None:
            wanted[data["name"]] = (source, data["deliver"])
    if not wanted:
        return []
    try:
        return deliver_all(wanted, store.folder)
    except MlctlError as error:
        error.message = f"outputs.{error.details.get('name')}: {error.message}"
        raise


def _datastore_of(uri: str) -> str:
    from mlctl.spec.references import parse

    return parse(uri).datastore or ""
