"""Addresses of files in datastores: azureml://datastores/…, abfss://, wasbs://, s3://, and https:// of a blob."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path, PurePosixPath
from urllib.parse import unquote

from mlctl.entities.datastore import LOCAL_FOLDER, S3, Datastore
from mlctl.errors import UnsupportedError
from mlctl.spec.references import DATASTORE, parse
from mlctl.storage.credentials import Vault
from mlctl.storage.datastores import Remote, open_datastore
from mlctl.store.uploads import UPLOADS, uploads_folder
from mlctl.store.workspaces import WorkspaceStore

_BLOB = re.compile(
    r"(?:wasbs?|abfss?)://(?P<container>[^@/]+)@(?P<account>[^./]+)\.(?:blob|dfs)\.(?P<suffix>[^/]+)(?:/(?P<path>.*))?"
)
_WEB_BLOB = re.compile(r"https?://(?P<account>[^./]+)\.(?:blob|dfs)\.[^/]+/(?P<container>[^/?]+)/(?P<path>[^?]*)")
_S3 = re.compile(r"s3://(?P<bucket>[^/]+)(?:/(?P<path>.*))?")
_UPLOAD = re.compile(rf"azureml://.*\bdatastores/[^/]+/paths/{UPLOADS}/(?P<digest>[0-9a-f]{{64}})/(?P<path>.+)")


@dataclass(frozen=True, slots=True)
class Address:
    """A path in a datastore."""

    datastore: Datastore
    path: str

    @property
    def is_local(self) -> bool:
        """Whether it is a folder of this machine."""
        return self.datastore.type == LOCAL_FOLDER

    def below(self, root: Path) -> Path:
        """The path in the folder of a datastore of this machine. Raises UnsupportedError for a link out of it."""
        return inside(root, self.path, f"azureml://datastores/{self.datastore.name}/paths/{self.path}")


@dataclass(frozen=True, slots=True)
class Storage:
    """The datastores of a workspace, with the variables of the caller for their credentials."""

    store: WorkspaceStore
    environ: Mapping[str, str]

    @property
    def vault(self) -> Vault:
        """Where secrets are read."""
        return Vault(self.store.secrets, self.environ)

    def open(self, datastore: Datastore) -> Path | Remote:
        """As `open_datastore`."""
        return open_datastore(datastore, self.vault)


def locate(uri: str, store: WorkspaceStore, *, unregistered: bool = True) -> Address | None:
    """The datastore and the path that an address means; None when it means none.

    A full address of a container or bucket means the datastore that was registered for it. Without one, and with
    `unregistered`, it is reached with the identity of the caller. Raises NotFoundError for an unknown datastore name,
    UnsupportedError for a path with `..`.
    """
    reference = parse(uri)
    if reference.kind == DATASTORE:
        return Address(store.datastores.get(reference.datastore or ""), _path(reference.path, uri))
    if found := _S3.fullmatch(uri):
        wanted = {"bucket_name": found["bucket"]}
        return _registered(store, wanted, _path(found["path"], uri)) or (
            Address(Datastore(f"s3://{found['bucket']}", S3, settings=wanted), _path(found["path"], uri))
            if unregistered
            else None
        )
    if found := _BLOB.fullmatch(uri):
        wanted = {"account_name": found["account"], "container_name": found["container"]}
        here = _registered(store, wanted, _path(found["path"], uri))
        if here is not None or not unregistered:
            return here
        name = uri.partition("://")[0] + f"://{found['container']}@{found['account']}"
        return Address(
            Datastore(name, "azure_blob", settings={**wanted, "endpoint": found["suffix"]}), _path(found["path"], uri)
        )
    if found := _WEB_BLOB.match(uri):
        # an address with a signature brings its own credentials
        wanted = {"account_name": found["account"], "container_name": found["container"]}
        return None if "?" in uri else _registered(store, wanted, _path(found["path"], uri))
    return None


def is_elsewhere(uri: str, store: WorkspaceStore, *, folder: bool) -> bool:
    """Whether an address means files that are to be fetched through a datastore.

    A public blob that is one file needs none: it is fetched over https (`folder` False).
    """
    if "://" not in uri or kept_here(uri, store) is not None:
        return False
    if not folder and _BLOB.fullmatch(uri):
        return locate(uri, store, unregistered=False) is not None
    address = locate(uri, store)
    return address is not None and not address.is_local


def kept_here(uri: str, store: WorkspaceStore) -> Path | None:
    """Where the workspace itself shows the files of an upload that is in some datastore; None when it has them not.

    The path of an upload holds the digest of its files, so they are the same in any datastore.
    """
    found = _UPLOAD.fullmatch(uri)
    if found is None:
        return None
    place = inside(uploads_folder(store) / found["digest"], found["path"], uri)
    return place if place.exists() else None


def _registered(store: WorkspaceStore, wanted: Mapping[str, str], path: str) -> Address | None:
    for datastore in store.datastores.registered():
        settings = dict(datastore.settings)
        settings.setdefault("container_name", settings.get("filesystem"))
        if all(settings.get(key) == value for key, value in wanted.items()):
            return Address(datastore, path)
    return None


def parts_below(path: str, uri: str) -> tuple[str, ...]:
    """The parts of a path as an address has it. Raises UnsupportedError for one that leads out of where it begins."""
    parts = PurePosixPath(unquote(path)).parts
    if ".." in parts or (parts and parts[0] == "/"):
        raise UnsupportedError(f"{uri!r} leads out of its root", hint="write the path without '..'")
    return parts


def inside(root: Path, path: str, uri: str) -> Path:
    """`path` below `root`. Raises UnsupportedError for what leads out of it, by `..` or by a link."""
    place = root.joinpath(*parts_below(path, uri))
    if not place.resolve().is_relative_to(root.resolve()):
        raise UnsupportedError(
            f"{uri!r} leads out of its root: a link in it goes to {place.resolve()}",
            hint="name a path without links that leave it, or register the other folder as a datastore",
        )
    return place


def _path(text: str | None, uri: str) -> str:
    path = unquote(text or "").strip("/")
    parts_below(path, uri)
    return path
