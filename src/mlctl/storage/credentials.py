"""Credentials by reference: where a secret is found is kept and shown, the secret itself is read when it is needed.

${{env:NAME}}               an environment variable
${{file:/path}}             the first line of a file (absolute, or below ~)
${{keyring:SERVICE/USER}}   the keyring of the system, through the package keyring
${{secret:NAME}}            the workspace's own store of secrets, for what came in clear (store/secrets.py)
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from mlctl.errors import AuthError, UnavailableError, UsageError
from mlctl.spec.rules.secret_patterns import is_stand_in, names_secret, secrets_in
from mlctl.store.secrets import SecretStore

SECRET_KEYS = frozenset({
    "account_key", "sas_token", "client_secret", "certificate", "access_key_id", "secret_access_key", "session_token",
    "pat", "password", "key", "api_key",
})  # fmt: skip
"""Keys of datastores and connections that hold a secret; the schemas mark them with `x-secret`."""

_FORMS = "${{env:NAME}}, ${{file:/path}} or ${{keyring:SERVICE/USER}}"
_REFERENCE = re.compile(r"\$\{\{\s*(env|file|keyring|secret):\s*(\S+(?: \S+)*)\s*\}\}")


@dataclass(frozen=True, slots=True)
class Vault:
    """Where secrets are read: the workspace's own store, and the variables of the caller."""

    secrets: SecretStore
    environ: Mapping[str, str]

    def reveal(self, value: Any) -> Any:
        """The value with each reference in it replaced by its secret.

        Raises AuthError for a variable or file that is not there, UnavailableError without the package keyring.
        """
        if isinstance(value, Mapping):
            return {key: self.reveal(item) for key, item in value.items()}
        if isinstance(value, list):
            return [self.reveal(item) for item in value]
        found = _REFERENCE.fullmatch(value) if isinstance(value, str) else None
        return value if found is None else self._read(found[1], found[2])

    def _read(self, where: str, name: str) -> str:
        if where == "secret":
            return self.secrets.get(name)
        if where == "env":
            if not self.environ.get(name):
                raise AuthError(f"the variable {name}, which holds a credential, is not set", hint=f"export {name}=…")
            return self.environ[name]
        return _from_file(name) if where == "file" else _from_keyring(name)


@dataclass(frozen=True, slots=True)
class Sealed:
    """A document without secrets, and the keys (`credentials.account_key`) whose secret was put away."""

    document: dict[str, Any]
    keys: tuple[str, ...] = ()
    stand_ins: tuple[str, ...] = ()
    """Keys whose value looks like a stand-in for a secret (`<key>`, `XXXX`)."""


def seal(document: Mapping[str, Any], owner: str, secrets: SecretStore) -> Sealed:
    """Put the secrets of a document into the store and leave references. `owner`: datastore-<name>, connection-<name>.

    A secret is what stands at a key that holds one, and what has the form of one. Raises UsageError for a reference
    that cannot be followed, and the errors of the store.
    """
    keys: list[str] = []
    stand_ins: list[str] = []

    def sealed(value: Any, path: tuple[str, ...]) -> Any:
        if isinstance(value, Mapping):
            return {key: sealed(item, (*path, str(key))) for key, item in value.items()}
        if isinstance(value, list):
            return [sealed(item, (*path, str(index))) for index, item in enumerate(value)]
        if not _is_secret(value, path):
            return value
        keys.append(".".join(path))
        if isinstance(value, str) and is_stand_in(value):
            stand_ins.append(keys[-1])
        name = secrets.put(owner, re.sub(r"[^\w-]", "_", "-".join(path)), str(value))
        return f"${{{{secret:{name}}}}}"

    return Sealed(sealed(document, ()), tuple(keys), tuple(stand_ins))


def references(value: Any) -> Iterator[tuple[str, str]]:
    """Each reference in a value, as (where, name)."""
    if isinstance(value, Mapping):
        for item in value.values():
            yield from references(item)
    elif isinstance(value, list):
        for item in value:
            yield from references(item)
    elif isinstance(value, str) and (found := _REFERENCE.fullmatch(value)):
        yield found[1], found[2]


def variables(documents: Iterable[Any]) -> set[str]:
    """Names of the environment variables that documents refer to."""
    return {name for document in documents for where, name in references(document) if where == "env"}


def _is_secret(value: Any, path: tuple[str, ...]) -> bool:
    """Whether a value must not be kept. Raises UsageError for a file reference that depends on the working folder."""
    key = path[-1] if path else ""
    named = key in SECRET_KEYS or names_secret(key)
    if isinstance(value, bool) or value is None or value == "":
        return False
    if isinstance(value, int | float):
        return named
    found = _REFERENCE.fullmatch(value)
    if found is None:
        return named or next(secrets_in(value), None) is not None
    if found[1] == "file" and not Path(found[2]).expanduser().is_absolute():
        raise UsageError(f"{'.'.join(path)}: {found[2]} is relative", hint="write the file's absolute path")
    if found[1] == "keyring" and "/" not in found[2]:
        raise UsageError(f"{'.'.join(path)}: {value} names no user", hint=f"write {_FORMS}")
    return False


def _from_file(name: str) -> str:
    path = Path(name).expanduser()
    try:
        return (
            path.read_text(encoding="utf-8").partition("\n")[0].strip() if path.suffix != ".pem" else path.read_text()
        )
    except OSError as error:
        raise AuthError(f"the file {path}, which holds a credential, cannot be read: {error.strerror}") from error
    except UnicodeDecodeError as error:
        raise AuthError(f"the file {path}, which holds a credential, is no text") from error


def _from_keyring(name: str) -> str:
    service, _, user = name.rpartition("/")
    try:
        import keyring
        import keyring.errors
    except ImportError as error:
        raise UnavailableError(
            f"the credential {name} is in a keyring, and the package keyring is not installed",
            hint="pip install 'mlctl[storage]'",
        ) from error
    try:
        found = keyring.get_password(service, user)
    except keyring.errors.KeyringError as error:
        raise UnavailableError(f"the keyring cannot be read: {error}", hint=f"use another form: {_FORMS}") from error
    if not found:
        raise AuthError(f"the keyring has no entry '{user}' of '{service}'", hint=f"keyring set {service} {user}")
    return found
