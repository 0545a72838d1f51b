"""`data import`: files of an outside store, brought to a datastore and registered as a data asset."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path, PurePosixPath
from typing import Any
from urllib.parse import urlsplit

from mlctl.entities.asset import DATA, Asset, next_number
from mlctl.entities.clock import iso_time
from mlctl.entities.connection import Connection
from mlctl.entities.datastore import S3, Datastore
from mlctl.errors import UnsupportedError, UsageError
from mlctl.operations.assets import AssetDesk
from mlctl.operations.assets import create as create_asset
from mlctl.spec.asset import load_asset
from mlctl.spec.references import parse, substitute
from mlctl.storage.addresses import Address, Storage, locate
from mlctl.storage.delivery import put
from mlctl.storage.fetching import fetch
from mlctl.store.workspaces import WorkspaceStore

_SOURCE = "azureml.importSource"
"""Property of an asset that was imported: connection and path it came from."""


def import_data(
    desk: AssetDesk,
    storage: Storage,
    path: Path | None,
    *,
    overrides: Sequence[str],
    fields: Mapping[str, Any],
    cache: Path,
) -> tuple[Asset, tuple[str, ...]]:
    """Bring the files that a spec's `source` names to its `path`, and register them; with sentences for the user.

    Without a version the next number is taken. Raises InvalidSpecError, UnsupportedError for a database and for a
    connection that has no files, NotFoundError, and the errors of a transfer.
    """
    spec = load_asset(DATA, path, overrides=overrides, fields=fields)
    data = spec.data
    if not data.get("name"):
        raise UsageError("an import needs a name", hint="add 'name: …' to the file, or give --name")
    source = data.get("source")
    if not isinstance(source, Mapping):
        raise UsageError("an import needs a source", hint="add 'source:' with type: file_system and a connection")
    if source.get("type") == "database" or "query" in source or "stored_procedure" in source:
        raise UnsupportedError(
            "source: a database cannot be read here",
            hint="export the table to files of a datastore, or import with type: file_system (s3, azure_blob, "
            "azure_data_lake_gen2)",
        )
    name = (parse(str(source["connection"])).name or str(source["connection"])).removeprefix("azureml:")
    origin = source_of(desk.store.connections.get(name), str(source.get("path") or ""))
    fetched = fetch(origin, storage, cache, progress=desk.progress)
    version = str(data.get("version") or _next_version(desk.store, data["name"]))
    values = {"name": data["name"], "version": version}
    uri = substitute(str(data["path"]), values.get)
    _bring(fetched, uri, storage, desk)
    kept = {key: data[key] for key in ("name", "type", "description", "tags") if data.get(key)}
    asset, said = create_asset(desk, DATA, None, fields={**kept, "version": version, "path": uri})
    properties = {**asset.properties, _SOURCE: f"{name}:{origin.path}"}
    asset = desk.store.assets.update(asset, {"properties": properties}, modified_at=desk.clock.now())
    return asset, (*(f"{problem.location}: {problem.message}" for problem in spec.problems), *said)


def imports_of(store: WorkspaceStore, name: str, *, view: str, max_results: int | None) -> list[dict[str, Any]]:
    """The imports that made versions of a data asset, newest first. An import is done when its version is there."""
    found = [one for one in store.assets.list_versions(DATA, name, view=view) if _SOURCE in one.properties]
    return [
        {
            "name": one.name,
            "version": one.version,
            "status": "Completed",
            "source": one.properties[_SOURCE],
            "path": one.path,
            "creation_context": {"created_at": iso_time(one.created_at)},
        }
        for one in (found if max_results is None else found[:max_results])
    ]


def source_of(connection: Connection, path: str) -> Address:
    """The files that a path of a connection means. Raises UnsupportedError for a connection without files."""
    credentials = {key: value for key, value in connection.credentials.items() if key != "type"}
    target = connection.target or ""
    if connection.type == "s3":
        bucket, endpoint = _bucket(target)
        settings = {"bucket_name": bucket, **({"endpoint": endpoint} if endpoint else {})}
        settings |= {key: value for key, value in connection.settings.get("metadata", {}).items() if key == "region"}
        return Address(Datastore(connection.name, S3, settings=settings, credentials=credentials), path.strip("/"))
    if connection.type in ("azure_blob", "azure_data_lake_gen2"):
        settings = _container(connection, target)
        return Address(
            Datastore(connection.name, "azure_blob", settings=settings, credentials=credentials), path.strip("/")
        )
    raise UnsupportedError(
        f"connection '{connection.name}' ({connection.type}) has no files to import",
        hint="connections with files: s3, azure_blob, azure_data_lake_gen2",
    )


def _next_version(store: WorkspaceStore, name: str) -> int:
    known = store.assets.knows(DATA, name)
    return next_number([one.version for one in store.assets.list_versions(DATA, name, view="all")]) if known else 1


def _bucket(target: str) -> tuple[str, str | None]:
    """Bucket and endpoint of `bucket`, `s3://bucket`, `https://bucket.s3.amazonaws.com`, `http://host:9000/bucket`."""
    parts = urlsplit(target)
    if parts.scheme in ("http", "https"):
        host = parts.hostname or ""
        if host.endswith("amazonaws.com") and not host.startswith("s3"):
            return host.partition(".")[0], None
        return parts.path.strip("/").partition("/")[0], f"{parts.scheme}://{parts.netloc}"
    return target.removeprefix("s3://").strip("/").partition("/")[0], None


def _container(connection: Connection, target: str) -> dict[str, Any]:
    """Account, endpoint and container of a blob connection, from its keys or the address it points to."""
    settings = connection.settings
    parts = urlsplit(str(settings.get("url") or target))
    host, port = parts.hostname or "", f":{parts.port}" if parts.port else ""
    account, _, suffix = host.partition(".")
    path = [part for part in parts.path.split("/") if part]
    if not suffix.startswith(("blob.", "dfs.")):
        # the account is in the path, as with Azurite
        account, path, endpoint = (path or [""])[0], path[1:], f"{host}{port}"
    else:
        endpoint = suffix.partition(".")[2]
    return {
        "account_name": settings.get("account_name") or account,
        "container_name": settings.get("container_name") or (path or [""])[0],
        "endpoint": endpoint,
        "protocol": parts.scheme or "https",
    }


def _bring(fetched: Path, uri: str, storage: Storage, desk: AssetDesk) -> None:
    address = locate(uri, desk.store, unregistered=False)
    if address is None:
        raise UnsupportedError(
            f"path: '{uri}' is no place in a datastore", hint="write azureml://datastores/<name>/paths/<folder>"
        )
    is_file = fetched.is_file()
    if is_file and uri.endswith("/"):
        address = Address(address.datastore, str(PurePosixPath(address.path) / fetched.name))
    put(fetched, address, storage, progress=desk.progress)
