"""mlctl datastore and mlctl connection."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from tests.unit.cli.calls import Call

from mlctl.store.secrets import SecretStore

BLOB = {"name": "blob", "type": "azure_blob", "account_name": "acc", "container_name": "c"}


def _file(name: str, data: dict[str, Any]) -> str:
    path = Path(f"{name}.yml")
    path.write_text(json.dumps(data))
    return str(path)


def test_life_of_a_datastore(call: Call) -> None:
    file = _file("blob", {**BLOB, "credentials": {"account_key": "${{env:KEY}}"}})
    made = call("datastore", "create", "-f", file, "--set", "tags.a=1").json
    assert (made["name"], made["type"], made["account_name"], made["tags"]) == ("blob", "azure_blob", "acc", {"a": "1"})
    assert made["credentials"] == {"account_key": "${{env:KEY}}"}
    listed = call("datastore", "list", "-o", "table").out.splitlines()
    assert listed[0].split() == ["Name", "Type", "AccountName"]
    assert listed[-1].split() == ["blob", "azure_blob", "acc"]
    changed = call(
        "datastore", "update", "-n", "blob", "--set", "container_name=d", "credentials.account_key=${{env:B}}"
    )
    assert (changed.json["container_name"], changed.json["credentials"]) == ("d", {"account_key": "${{env:B}}"})
    assert changed.json["creation_context"] == made["creation_context"]
    assert call("datastore", "update", "-n", "blob", "--set", "type=s3").code == 2
    assert call("datastore", "update", "-n", "blob", "--remove", "account_name").code == 5
    again = call("datastore", "update", "-f", file).json
    assert again["container_name"] == "c"
    assert call("datastore", "delete", "-n", "blob") == (0, "", "")
    assert call("datastore", "show", "-n", "blob").code == 3


def test_the_four_of_every_workspace_are_shown_and_stay(call: Call) -> None:
    names = [row["name"] for row in call("datastore", "list").json]
    assert names[0] == "workspaceblobstore"
    assert len(names) == 4
    assert call("datastore", "show", "-n", names[0]).json["type"] == "local_folder"
    assert call("datastore", "delete", "-n", names[0]).code == 6
    assert call("datastore", "update", "-n", names[0], "--set", "description=x").code == 6
    assert call("datastore", "create", "-f", _file("blob", BLOB), "-n", names[0]).code == 6


def test_a_folder_is_found_from_its_file_and_must_be_there(call: Call) -> None:
    Path("share").mkdir()
    made = call("datastore", "create", "-f", _file("near", {"name": "near", "type": "local_folder", "path": "share"}))
    assert made.json["path"] == str(Path("share").absolute())
    gone = call("datastore", "create", "-f", _file("gone", {"name": "gone", "type": "local_folder", "path": "gone"}))
    assert gone.code == 3


def test_a_type_that_cannot_be_read_is_kept_with_a_warning(call: Call) -> None:
    share = {"name": "share", "type": "azure_file", "account_name": "acc", "file_share_name": "s"}
    made = call("datastore", "create", "-f", _file("share", share))
    assert made.code == 0
    assert "local_folder" in made.err


def test_life_of_a_connection(call: Call) -> None:
    git = {"name": "git", "type": "git", "target": "https://x", "credentials": {"type": "pat", "pat": "${{env:PAT}}"}}
    made = call("connection", "create", "-f", _file("git", git)).json
    assert (made["type"], made["target"], made["credentials"]) == ("git", "https://x", git["credentials"])
    assert [row["name"] for row in call("connection", "list", "-t", "git").json] == ["git"]
    assert call("connection", "list", "--type", "s3").json == []
    assert call("connection", "update", "-n", "git", "--set", "target=https://y").json["target"] == "https://y"
    assert call("connection", "delete", "-n", "git").code == 1
    assert call("connection", "delete", "-n", "git", "-y") == (0, "", "")
    assert call("connection", "show", "-n", "git").code == 3


@pytest.mark.parametrize("kind", ["api_key", "azure_open_ai"])
def test_an_api_key_is_printed_when_asked_for_and_no_other_secret_is(call: Call, kind: str) -> None:
    address = "azure_endpoint" if kind == "azure_open_ai" else "api_base"
    data = {"name": "ai", "type": kind, address: "https://x", "api_key": "n0t-4-r34l-k3y"}
    made = call("connection", "create", "-f", _file("ai", data))
    assert "n0t-4" not in made.out + made.err
    assert "in clear" in made.err
    assert call("connection", "show", "-n", "ai").json["api_key"].startswith("${{secret:")
    assert call("connection", "show", "-n", "ai", "--populate-secrets").json["api_key"] == "n0t-4-r34l-k3y"
    login = {"type": "username_password", "username": "u", "password": "p4ss-w0rd-1"}
    call("connection", "create", "-f", _file("git", {"name": "g", "type": "git", "target": "t", "credentials": login}))
    assert "p4ss" not in call("connection", "list", "-p").out


def test_a_secret_that_is_replaced_or_whose_owner_goes_leaves_nothing(call: Call, tmp_path: Path) -> None:
    secrets = tmp_path / "home" / "workspaces" / "default" / "secrets"
    call("datastore", "create", "-f", _file("b", {**BLOB, "credentials": {"sas_token": "sv=1&sig=abc"}}))
    assert [path.name for path in secrets.iterdir()] == ["datastore-blob.credentials-sas_token"]
    call("datastore", "create", "-f", _file("b", {**BLOB, "credentials": {"account_key": "clear"}}))
    assert [path.name for path in secrets.iterdir()] == ["datastore-blob.credentials-account_key"]
    call("datastore", "delete", "-n", "blob")
    assert list(secrets.iterdir()) == []


def test_a_crash_report_holds_no_secret(call: Call, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def breaks(_store: object, _owner: str, _key: str, text: str) -> str:
        raise RuntimeError(f"account_key={text}")

    monkeypatch.setattr(SecretStore, "put", breaks)
    file = _file("b", {**BLOB, "credentials": {"account_key": "cl34r-t3xt"}})
    words = ("datastore", "create", "-f", file, "--set", "credentials.account_key=cl34r-t3xt", "--debug")
    answer = call(*words)
    assert answer.code == 1
    (report,) = (tmp_path / "home" / "crashes").iterdir()
    assert "RuntimeError" in report.read_text()
    assert "cl34r" not in report.read_text()
