"""Credentials by reference: what is sealed, what is revealed, what is told."""

from __future__ import annotations

import json
import sys
import types
from pathlib import Path

import pytest

from mlctl.errors import AuthError, NotFoundError, UnavailableError, UsageError
from mlctl.storage.credentials import SECRET_KEYS, Vault, seal, variables
from mlctl.store.secrets import SecretStore

ROOT = Path(__file__).parents[3]


@pytest.fixture
def secrets(tmp_path: Path) -> SecretStore:
    return SecretStore(tmp_path / "secrets")


def test_a_secret_in_clear_becomes_a_reference_to_a_file_of_the_owner(secrets: SecretStore, tmp_path: Path) -> None:
    sealed = seal({"account_name": "a", "credentials": {"account_key": "clear"}}, "datastore-x", secrets)
    reference = "${{secret:datastore-x.credentials-account_key}}"
    assert sealed.document == {"account_name": "a", "credentials": {"account_key": reference}}
    assert sealed.keys == ("credentials.account_key",)
    place = tmp_path / "secrets" / "datastore-x.credentials-account_key"
    assert place.read_text() == "clear"
    assert place.stat().st_mode & 0o777 == 0o600
    assert place.parent.stat().st_mode & 0o777 == 0o700
    assert Vault(secrets, {}).reveal(sealed.document)["credentials"] == {"account_key": "clear"}


@pytest.mark.parametrize("form", ["${{env:NAME}}", "${{ env:NAME }}", "${{file:/a/b}}", "${{keyring:s/u}}"])
def test_a_reference_stays_as_it_is(secrets: SecretStore, form: str) -> None:
    assert seal({"credentials": {"account_key": form}}, "o", secrets).document == {"credentials": {"account_key": form}}


@pytest.mark.parametrize(
    ("document", "key"),
    [
        ({"metadata": {"db_password": "12345"}}, "metadata.db_password"),
        ({"credentials": {"password": 12345}}, "credentials.password"),
        ({"target": "https://user:pa55word@host/x"}, "target"),
        ({"target": "Server=x;Password=hunter22;"}, "target"),
        ({"list": [{"token": "abc"}]}, "list.0.token"),
    ],
)
def test_a_secret_is_found_by_its_key_and_by_its_form(
    secrets: SecretStore, document: dict[str, object], key: str
) -> None:
    sealed = seal(document, "o", secrets)
    assert sealed.keys == (key,)
    assert Vault(secrets, {}).reveal(sealed.document) == json.loads(json.dumps(document), parse_int=str)


def test_a_stand_in_is_kept_and_told(secrets: SecretStore) -> None:
    assert seal({"account_key": "<your key>"}, "o", secrets).stand_ins == ("account_key",)


@pytest.mark.parametrize("form", ["${{file:here/key}}", "${{keyring:service}}"])
def test_a_reference_that_cannot_be_followed_is_refused(secrets: SecretStore, form: str) -> None:
    with pytest.raises(UsageError):
        seal({"account_key": form}, "o", secrets)


def test_variables_and_files_are_read_when_they_are_needed(secrets: SecretStore, tmp_path: Path) -> None:
    (tmp_path / "key").write_text("from file\nmore\n")
    vault = Vault(secrets, {"NAME": "from env"})
    assert vault.reveal(["${{env:NAME}}", f"${{{{file:{tmp_path}/key}}}}"]) == ["from env", "from file"]
    with pytest.raises(AuthError, match="OTHER"):
        vault.reveal("${{env:OTHER}}")
    with pytest.raises(AuthError, match="cannot be read"):
        vault.reveal("${{file:/no/such/file}}")
    with pytest.raises(NotFoundError):
        vault.reveal("${{secret:gone}}")
    with pytest.raises(NotFoundError):
        vault.reveal("${{secret:../mlctl.db}}")


def test_the_keyring_is_asked_by_service_and_user(secrets: SecretStore, monkeypatch: pytest.MonkeyPatch) -> None:
    fake = types.ModuleType("keyring")
    fake.errors = types.ModuleType("keyring.errors")  # type: ignore[attr-defined]
    fake.errors.KeyringError = RuntimeError  # type: ignore[attr-defined]
    fake.get_password = lambda service, user: {("storage/prod", "me"): "kept"}.get((service, user))  # type: ignore[attr-defined]
    monkeypatch.setitem(sys.modules, "keyring", fake)
    monkeypatch.setitem(sys.modules, "keyring.errors", fake.errors)  # type: ignore[attr-defined]
    vault = Vault(secrets, {})
    assert vault.reveal("${{keyring:storage/prod/me}}") == "kept"
    with pytest.raises(AuthError, match="no entry 'you'"):
        vault.reveal("${{keyring:storage/you}}")
    monkeypatch.setitem(sys.modules, "keyring", None)
    with pytest.raises(UnavailableError) as caught:
        vault.reveal("${{keyring:storage/you}}")
    assert caught.value.hint == "pip install 'mlctl[storage]'"


def test_secrets_of_an_owner_go_with_it_and_those_of_others_stay(secrets: SecretStore) -> None:
    for owner in ("datastore-a", "datastore-ab", "connection-a.b", "connection-a"):
        secrets.put(owner, "key", owner)
    secrets.put("datastore-a", "other", "x")
    secrets.delete("datastore-a", keep=frozenset({"datastore-a.other"}))
    secrets.delete("connection-a")
    assert secrets.get("datastore-a.other") == "x"
    assert secrets.get("datastore-ab.key") == "datastore-ab"
    assert secrets.get("connection-a.b.key") == "connection-a.b"
    for gone in ("datastore-a.key", "connection-a.key"):
        with pytest.raises(NotFoundError):
            secrets.get(gone)


def test_variables_are_named() -> None:
    assert variables([{"a": "${{env:ONE}}", "b": ["${{ env:TWO }}", "${{file:/x}}", "env:THREE"]}]) == {"ONE", "TWO"}


def test_every_key_that_the_schemas_call_a_secret_is_known() -> None:
    marked = set()
    for path in (ROOT / "schemas").glob("*.json"):
        if "onnection" in path.name or "atastore" in path.name:
            marked |= set(_marked(json.loads(path.read_text())))
    assert marked
    assert marked <= SECRET_KEYS


def _marked(schema: object) -> list[str]:
    if not isinstance(schema, dict):
        return []
    found = [key for key, part in schema.get("properties", {}).items() if part.get("x-secret")]
    return found + [name for part in schema.values() for name in _marked(part)]
