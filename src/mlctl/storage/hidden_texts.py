"""Texts that hold a secret, such as an address with a signature: kept for their readers, told to nobody.

What is stored, planned and printed is the text with `…` for the secret. The whole one is a secret of the workspace,
found by that text. A second text that would look the same gets a tag (`sig=…3f9a2c1b`), so each is found for itself:
nobody gets the credentials of another. The tag is a keyed digest, from which nothing can be guessed.
"""

from __future__ import annotations

import hashlib
import hmac
import os
import re
from collections.abc import Callable, Mapping
from typing import Any

from mlctl.entities.asset import TAG
from mlctl.errors import NotFoundError
from mlctl.spec.rules.secret_patterns import is_stand_in, names_secret, secrets_in
from mlctl.store.secrets import SecretStore
from mlctl.store.signed_addresses import HIDDEN, printable

_OWNER = "address"
_KEY = f"{_OWNER}.key"
_ADDRESS = re.compile(r"[A-Za-z][A-Za-z0-9+.-]*://[^\s\"'<>|;`]+")
_WHOLE_ADDRESS = re.compile(r"[A-Za-z][A-Za-z0-9+.-]*://[^\r\n]+")
_MARK = re.compile(f"{HIDDEN}([0-9a-f]{{8}})?")
_VARIABLES = ("environment_variables", "variables")


def conceal(data: Any, secrets: SecretStore) -> Any:
    """Plain data as it may be kept and shown; each text that says less than it did goes to the workspace's secrets.

    Raises the errors of `SecretStore`.
    """
    return _mapped(data, lambda text, whole: _concealed(text, secrets, whole=whole))


def reveal(data: Any, secrets: SecretStore) -> Any:
    """What `conceal` was given."""
    return _mapped(data, lambda text, _whole: _revealed(text, secrets))


def shown(data: Any) -> Any:
    """What `conceal` returns, but for the tags; nothing is kept."""
    return _mapped(data, lambda text, whole: HIDDEN if whole else _hidden(text, HIDDEN))


def secrets_of(data: Any) -> set[str]:
    """The names of the secrets that texts of plain data stand for, known or not."""
    found: set[str] = set()

    def note(text: str, _whole: bool) -> str:
        if HIDDEN in text:
            found.add(_name_of(text))
        return text

    _mapped(data, note)
    return found


def unused_secrets(secrets: SecretStore, used: set[str]) -> list[str]:
    """The names of hidden texts that are in nobody's use."""
    return [name for name in secrets.names(_OWNER) if name != _KEY and name not in used]


def check_known(text: str, secrets: SecretStore) -> None:
    """Raise NotFoundError for an address whose secret was hidden in another workspace, or is gone."""
    if HIDDEN not in text or not _ADDRESS.search(text) or _revealed(text, secrets) != text:
        return
    filled = [_MARK.sub("secret-0123456789abcdef", found) for found in _ADDRESS.findall(text)]
    if any(printable(address) != address for address in filled):
        raise NotFoundError(
            f"what {HIDDEN} stands for in {text!r} is not known in this workspace", hint="give the whole address again"
        )


def _mapped(data: Any, change: Callable[[str, bool], str], *, is_secret: bool = False) -> Any:
    """`change` is told whether the name of a variable says that its value is a secret."""
    if isinstance(data, str):
        return change(data, is_secret and not is_stand_in(data) and not _MARK.fullmatch(data))
    if isinstance(data, Mapping):
        return {
            key: {name: _mapped(value, change, is_secret=names_secret(str(name))) for name, value in item.items()}
            if key in _VARIABLES and isinstance(item, Mapping)
            else _mapped(item, change)
            for key, item in data.items()
        }
    if isinstance(data, list | tuple):
        return [_mapped(item, change) for item in data]
    return data


def _concealed(text: str, secrets: SecretStore, *, whole: bool) -> str:
    plain = HIDDEN if whole else _hidden(text, HIDDEN)
    if plain == text:
        return text
    # a mark alone says nothing of what it stands for: it always has a tag
    if not whole and secrets.add(f"{_OWNER}.{_digest(plain)}", text):
        return plain
    tag = hmac.new(_tag_key(secrets), text.encode(), hashlib.sha256).hexdigest()[:8]
    secrets.put(_OWNER, f"{_digest(plain)}-{tag}", text)
    return f"{HIDDEN}{tag}" if whole else _hidden(text, f"{HIDDEN}{tag}")


def _revealed(text: str, secrets: SecretStore) -> str:
    if HIDDEN not in text or text == HIDDEN:
        return text
    try:
        return secrets.get(_name_of(text))
    except NotFoundError:
        return text


def _name_of(text: str) -> str:
    """The name of the secret that a text stands for, if it does."""
    tag = next(iter(TAG.findall(text)), "").removeprefix(HIDDEN)
    return f"{_OWNER}.{_digest(TAG.sub(HIDDEN, text))}{f'-{tag}' if tag else ''}"


def _hidden(text: str, mark: str) -> str:
    if _WHOLE_ADDRESS.fullmatch(text):
        text = printable(text, mark=mark, is_told=is_stand_in)
    elif "://" in text:
        text = _ADDRESS.sub(lambda found: printable(found[0], mark=mark, is_told=is_stand_in), text)
    for found in reversed(list(secrets_in(text))):
        text = text[: found.start] + mark + text[found.end :]
    return text


def _digest(plain: str) -> str:
    return hashlib.sha256(plain.encode()).hexdigest()[:32]


def _tag_key(secrets: SecretStore) -> bytes:
    """The key of this workspace's tags, made when it is needed first."""
    while True:
        try:
            return secrets.get(_KEY).encode()
        except NotFoundError:
            secrets.add(_KEY, os.urandom(32).hex())
