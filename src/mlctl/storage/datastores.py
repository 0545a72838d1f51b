"""From a datastore's record to a place: a folder of this machine, or a file system of fsspec."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, NoReturn
from urllib.parse import urlsplit

from mlctl.entities.datastore import LOCAL_FOLDER, S3, Datastore
from mlctl.errors import NotFoundError, UnavailableError, UnsupportedError
from mlctl.storage.credentials import Vault
from mlctl.storage.failures import translated

EXTRA = "pip install 'mlctl[storage]'"

UNSUPPORTED = {
    "azure_file": (
        "there is no way to a file share but mounting it",
        "mount the share (SMB or NFS) and register the folder: type: local_folder",
    ),
    "azure_data_lake_gen1": ("Azure has retired Data Lake Storage Gen1", "move the data to azure_data_lake_gen2"),
}
"""Types whose files cannot be reached: why, and what to do."""

_LOCAL_HOST = re.compile(r"localhost|[\d.]+|\[.*\]")


@dataclass(frozen=True, slots=True)
class Remote:
    """An opened datastore that is elsewhere.

    `files`: the file system of fsspec; `root`: container or bucket; `flavour`: azure or s3. `identity`: what tells
    this place from all others, the same in every process. `secrets` are never to be shown.
    """

    name: str
    flavour: str
    files: Any = field(repr=False)
    root: str
    identity: str
    secrets: tuple[str, ...] = field(default=(), repr=False)

    def full(self, path: str) -> str:
        """A path of the datastore as fsspec wants it."""
        return f"{self.root}/{path}".rstrip("/")


def open_datastore(datastore: Datastore, vault: Vault) -> Path | Remote:
    """The place that a datastore means. Nothing is asked over the network yet.

    Raises UnsupportedError for a type that cannot be reached, UnavailableError without the extra `storage`, AuthError
    for a credential that is not there, NotFoundError for a local folder that is not there.
    """
    if datastore.type == LOCAL_FOLDER:
        return _local_folder(datastore)
    if datastore.type in UNSUPPORTED:
        _refuse(datastore)
    credentials = vault.reveal(datastore.credentials)
    secrets = tuple(_texts(credentials))
    opened = _open_s3 if datastore.type == S3 else _open_azure
    try:
        return opened(datastore, vault.reveal(datastore.settings), credentials, secrets)
    except ImportError as error:
        raise _missing(datastore, error.name or "a package") from error
    except Exception as error:
        # an SDK may quote a key that it cannot decode
        raise translated(error, f"cannot open datastore '{datastore.name}'", secrets) from None


def check_datastore(datastore: Datastore, vault: Vault) -> None:
    """Whether `open_datastore` can work, without loading an SDK. Raises as it does."""
    import importlib.util

    if datastore.type == LOCAL_FOLDER:
        _local_folder(datastore)
        return
    if datastore.type in UNSUPPORTED:
        _refuse(datastore)
    package = "s3fs" if datastore.type == S3 else "adlfs"
    if importlib.util.find_spec(package) is None:
        raise _missing(datastore, package)
    vault.reveal(datastore.credentials)


def account_url(settings: Mapping[str, Any]) -> str:
    """The address of the blob service of an azure_blob, azure_data_lake_gen2 or one_lake datastore.

    `endpoint` is a suffix (core.windows.net, core.chinacloudapi.cn), or host and port of something that has the
    account in the path, such as Azurite. `protocol` is https or http.
    """
    protocol = settings.get("protocol") or "https"
    if "one_lake_workspace_name" in settings:
        return f"{protocol}://{str(settings['endpoint']).replace('.dfs.', '.blob.')}"
    endpoint, account = str(settings.get("endpoint") or "core.windows.net").rstrip("/"), settings["account_name"]
    if "://" in endpoint:
        protocol, _, endpoint = endpoint.partition("://")
    parts = urlsplit(f"//{endpoint}")
    if parts.port is None and not _LOCAL_HOST.fullmatch(parts.hostname or ""):
        return f"{protocol}://{account}.blob.{endpoint}"
    return f"{protocol}://{endpoint}" if parts.path.endswith(f"/{account}") else f"{protocol}://{endpoint}/{account}"


def _refuse(datastore: Datastore) -> NoReturn:
    why, hint = UNSUPPORTED[datastore.type]
    raise UnsupportedError(f"datastore '{datastore.name}' ({datastore.type}) cannot be read: {why}", hint=hint)


def _missing(datastore: Datastore, package: str) -> UnavailableError:
    message = f"datastore '{datastore.name}' needs the extra 'storage' ({package} is not installed)"
    return UnavailableError(message, hint=EXTRA)


def _local_folder(datastore: Datastore) -> Path:
    folder = Path(datastore.settings["path"])
    if not folder.is_dir():
        raise NotFoundError(
            f"the folder of datastore '{datastore.name}' is not there: {folder}", hint="is the share mounted?"
        )
    return folder


def _open_azure(
    datastore: Datastore, settings: Mapping[str, Any], credentials: Mapping[str, Any], secrets: tuple[str, ...]
) -> Remote:
    from adlfs import AzureBlobFileSystem
    from azure.storage.blob.aio import BlobServiceClient

    url = account_url(settings)
    token = _azure_token(credentials)
    account = str(settings.get("account_name") or "onelake")
    key = {"account_name": account, "account_key": credentials["account_key"]} if "account_key" in credentials else None

    class BlobFiles(AzureBlobFileSystem):  # type: ignore[misc]
        """adlfs at exactly this address: adlfs alone speaks http to nobody, and takes variables for credentials."""

        def do_connect(self) -> None:
            self.service_client = BlobServiceClient(url, credential=key or credentials.get("sas_token") or token)

    # fsspec keeps its objects by their arguments, and a credential is none of them here
    files = BlobFiles(account_name=account, credential=token, anon=True, skip_instance_cache=True)
    root, prefix = _azure_root(datastore.type, settings)
    return Remote(datastore.name, "azure", files, f"{root}{prefix}", f"{url}/{root}{prefix}", secrets)


def _azure_root(kind: str, settings: Mapping[str, Any]) -> tuple[str, str]:
    if kind == "one_lake":
        artifact = settings["artifact"]
        return str(settings["one_lake_workspace_name"]), f"/{artifact['name']}/Files"
    return str(settings["filesystem" if kind == "azure_data_lake_gen2" else "container_name"]), ""


def _azure_token(credentials: Mapping[str, Any]) -> Any:
    """The credential object for an application, or for the identity of the caller when there is nothing else."""
    if "account_key" in credentials or "sas_token" in credentials:
        return None
    from azure.identity import aio

    authority = urlsplit(str(credentials.get("authority_url") or "")).netloc
    more = {"authority": authority} if authority else {}
    if "client_secret" in credentials:
        return aio.ClientSecretCredential(
            credentials["tenant_id"], credentials["client_id"], credentials["client_secret"], **more
        )
    if "thumbprint" in credentials:
        data = str(credentials.get("certificate", "")).encode()
        return aio.CertificateCredential(
            credentials["tenant_id"], credentials["client_id"], certificate_data=data, **more
        )
    return aio.DefaultAzureCredential(**more)


def _open_s3(
    datastore: Datastore, settings: Mapping[str, Any], credentials: Mapping[str, Any], secrets: tuple[str, ...]
) -> Remote:
    from s3fs import S3FileSystem

    endpoint = settings.get("endpoint")
    files = S3FileSystem(
        key=credentials.get("access_key_id"),
        secret=credentials.get("secret_access_key"),
        token=credentials.get("session_token"),
        endpoint_url=endpoint,
        client_kwargs={"region_name": settings["region"]} if settings.get("region") else {},
        config_kwargs={"s3": {"addressing_style": "path"}} if endpoint else {},
        use_listings_cache=False,
        skip_instance_cache=True,
    )
    bucket = str(settings["bucket_name"])
    return Remote(datastore.name, "s3", files, bucket, f"{endpoint or 's3'}/{bucket}", secrets)


def _texts(value: Any) -> Iterator[str]:
    if isinstance(value, Mapping):
        for item in value.values():
            yield from _texts(item)
    elif isinstance(value, str) and len(value) > 3:
        yield value
