"""From a record to a place: addresses of services, types that cannot be reached, what is missing."""

from __future__ import annotations

import importlib.util
from pathlib import Path
from typing import Any

import pytest

from mlctl.entities.datastore import Datastore
from mlctl.errors import AuthError, NotFoundError, UnavailableError, UnsupportedError
from mlctl.storage.addresses import is_elsewhere, locate
from mlctl.storage.credentials import Vault
from mlctl.storage.datastores import account_url, check_datastore, open_datastore
from mlctl.store.workspaces import WorkspaceStore


@pytest.mark.parametrize(
    ("settings", "url"),
    [
        ({"account_name": "acc"}, "https://acc.blob.core.windows.net"),
        ({"account_name": "acc", "endpoint": "core.chinacloudapi.cn"}, "https://acc.blob.core.chinacloudapi.cn"),
        (
            {"account_name": "acc", "endpoint": "core.usgovcloudapi.net", "protocol": "http"},
            "http://acc.blob.core.usgovcloudapi.net",
        ),
        ({"account_name": "acc", "endpoint": "127.0.0.1:10000", "protocol": "http"}, "http://127.0.0.1:10000/acc"),
        ({"account_name": "acc", "endpoint": "http://localhost:10000/acc/"}, "http://localhost:10000/acc"),
        ({"account_name": "acc", "endpoint": "azurite:10000"}, "https://azurite:10000/acc"),
        (
            {"one_lake_workspace_name": "w", "endpoint": "onelake.dfs.fabric.microsoft.com"},
            "https://onelake.blob.fabric.microsoft.com",
        ),
    ],
)
def test_the_address_of_the_blob_service(settings: dict[str, Any], url: str) -> None:
    assert account_url(settings) == url


@pytest.mark.parametrize("kind", ["azure_file", "azure_data_lake_gen1"])
def test_types_that_cannot_be_reached_say_what_to_do(kind: str, store: WorkspaceStore) -> None:
    vault = Vault(store.secrets, {})
    for check in (open_datastore, check_datastore):
        with pytest.raises(UnsupportedError, match="far"):
            check(Datastore("far", kind), vault)


def test_without_the_extra_the_line_that_installs_it_is_told(
    store: WorkspaceStore, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(importlib.util, "find_spec", lambda _name: None)
    with pytest.raises(UnavailableError) as caught:
        check_datastore(Datastore("far", "s3"), Vault(store.secrets, {}))
    assert caught.value.hint == "pip install 'mlctl[storage]'"


def test_a_credential_that_is_not_there_is_told_before_a_job_is_taken(store: WorkspaceStore) -> None:
    far = Datastore("far", "s3", credentials={"secret_access_key": "${{env:NOT_SET}}"})
    with pytest.raises(AuthError, match="NOT_SET"):
        check_datastore(far, Vault(store.secrets, {}))


def test_a_folder_that_went_away_is_told(store: WorkspaceStore, tmp_path: Path) -> None:
    near = Datastore("near", "local_folder", settings={"path": str(tmp_path)})
    assert open_datastore(near, Vault(store.secrets, {})) == tmp_path
    gone = Datastore("near", "local_folder", settings={"path": str(tmp_path / "gone")})
    with pytest.raises(NotFoundError, match="is not there"):
        open_datastore(gone, Vault(store.secrets, {}))


def test_an_address_means_the_datastore_that_was_registered_for_it(store: WorkspaceStore) -> None:
    store.datastores.put(Datastore("blob", "azure_blob", settings={"account_name": "acc", "container_name": "c"}))
    store.datastores.put(
        Datastore("lake", "azure_data_lake_gen2", settings={"account_name": "acc", "filesystem": "fs"})
    )
    store.datastores.put(Datastore("bucket", "s3", settings={"bucket_name": "b"}))
    found = {
        "azureml://datastores/blob/paths/a/b%20c/": ("blob", "a/b c"),
        "azureml://subscriptions/s/resourcegroups/g/workspaces/w/datastores/blob/paths/a": ("blob", "a"),
        "wasbs://c@acc.blob.core.windows.net/a": ("blob", "a"),
        "abfss://fs@acc.dfs.core.windows.net/a/b/": ("lake", "a/b"),
        "abfss://fs@acc.dfs.core.windows.net": ("lake", ""),
        "https://acc.blob.core.windows.net/c/a.csv": ("blob", "a.csv"),
        "s3://b/x/y": ("bucket", "x/y"),
    }
    for uri, (name, path) in found.items():
        address = locate(uri, store)
        assert address is not None, uri
        assert (address.datastore.name, address.path) == (name, path)
        assert is_elsewhere(uri, store, folder=True)


def test_an_address_without_datastore_is_reached_with_the_callers_identity(store: WorkspaceStore) -> None:
    address = locate("abfss://c@acc.dfs.core.chinacloudapi.cn/a", store)
    assert address is not None
    assert account_url(address.datastore.settings) == "https://acc.blob.core.chinacloudapi.cn"
    assert address.datastore.credentials == {}
    assert locate("abfss://c@acc.dfs.core.windows.net/a", store, unregistered=False) is None
    assert locate("s3://other/x", store) is not None
    for other in ("https://example.com/x", "https://acc.blob.core.windows.net/c/a?sig=x", "./x", "gs://b/x"):
        assert locate(other, store) is None


def test_one_public_blob_is_fetched_over_the_web(store: WorkspaceStore) -> None:
    uri = "wasbs://c@acc.blob.core.windows.net/a.csv"
    assert not is_elsewhere(uri, store, folder=False)
    assert is_elsewhere(uri, store, folder=True)
    assert not is_elsewhere("azureml://datastores/workspaceblobstore/paths/a", store, folder=True)
    with pytest.raises(NotFoundError):
        is_elsewhere("azureml://datastores/none/paths/a", store, folder=True)


@pytest.mark.parametrize(
    "uri",
    [
        "azureml://datastores/far/paths/a/../../b",
        "azureml://datastores/far/paths/%2e%2e/b",
        "s3://bucket/../b",
        "abfss://c@a.dfs.core.windows.net/x/../../b",
        "https://a.blob.core.windows.net/c/../b",
    ],
)
def test_a_path_that_leads_out_is_no_address(store: WorkspaceStore, uri: str) -> None:
    store.datastores.put(Datastore("far", "azure_blob", settings={"account_name": "a", "container_name": "c"}))
    with pytest.raises(UnsupportedError, match="leads out of its root"):
        locate(uri, store)
