"""Addresses that hold a signature, a token or a password: kept for their readers, told to nobody.

What is stored, planned and printed is the address without them. The whole one is a secret of the workspace, found by
that address, so whoever gives the address again with a new signature renews it for all that is read from there.
"""

from __future__ import annotations

import hashlib
import re
from collections.abc import Iterator, Mapping
from typing import Any
from urllib.parse import urlsplit

from mlctl.errors import NotFoundError
from mlctl.store.downloads import SIGNATURE, SIGNED
from mlctl.store.secrets import SecretStore

HIDDEN = "…"
"""Stands for what is not told."""

_OWNER = "address"
_ADDRESS = re.compile(r"[A-Za-z][\w+.-]*://\S+")
_SECRET = re.compile(r"(?:(?:access|auth|sas)_?)?token|(?:client_?)?secret|password|passwd|pwd|api_?key", re.IGNORECASE)


def conceal(address: str, secrets: SecretStore) -> str:
    """The address as it may be shown; the whole one goes to the secrets of the workspace when that is less.

    Raises the errors of `SecretStore.put`.
    """
    shown = printable(address)
    if shown != address and HIDDEN not in address:
        secrets.put(_OWNER, _key(shown), address)
    return shown


def reveal(address: str, secrets: SecretStore) -> str:
    """The address as it was given; it may have been shown since."""
    if HIDDEN not in address:
        return address
    try:
        return secrets.get(f"{_OWNER}.{_key(address)}")
    except NotFoundError:
        return address


def conceal_all(data: Any, secrets: SecretStore) -> Any:
    """Plain data with each address in it as it may be shown, also where a text mentions one of them.

    Raises the errors of `SecretStore.put`.
    """
    return _retold(data, {text: conceal(text, secrets) for text in _addresses(data) if printable(text) != text})


def reveal_all(data: Any, secrets: SecretStore) -> Any:
    """What `conceal_all` was given."""
    return _retold(data, {text: reveal(text, secrets) for text in _addresses(data) if HIDDEN in text})


def printable_all(data: Any) -> Any:
    """What `conceal_all` returns, with nothing kept."""
    return _retold(data, {text: printable(text) for text in _addresses(data) if printable(text) != text})


def printable(address: str) -> str:
    """The address with what may be a secret replaced: user and password, a signature, a token. All else stays.

    So two addresses that mean different files stay different.
    """
    try:
        parts = urlsplit(address)
    except ValueError:
        return address
    if "://" not in address or parts.scheme in ("azureml", "file"):
        return address
    if parts.scheme in ("http", "https") or ":" in parts.netloc.rpartition("@")[0]:
        user, at, host = parts.netloc.rpartition("@")
        parts = parts._replace(netloc=f"{HIDDEN}@{host}" if at and user else host)
    pairs = [pair.partition("=") for pair in parts.query.split("&")]
    signed = any(SIGNATURE.match(f"{key}=") for key, _, _ in pairs)
    query = "&".join(
        f"{key}={HIDDEN}"
        if value and (_SECRET.fullmatch(key) or (signed and SIGNED.match(f"{key}=")))
        else f"{key}{equals}{value}"
        for key, equals, value in pairs
    )
    return parts._replace(query=query).geturl()


def _addresses(data: Any) -> Iterator[str]:
    if isinstance(data, str):
        if _ADDRESS.fullmatch(data):
            yield data
    elif isinstance(data, Mapping):
        for item in data.values():
            yield from _addresses(item)
    elif isinstance(data, list | tuple):
        for item in data:
            yield from _addresses(item)


def _retold(data: Any, words: Mapping[str, str]) -> Any:
    if isinstance(data, str):
        # the longest first: one address may begin like another
        for told in sorted(words, key=len, reverse=True):
            data = data.replace(told, words[told])
    elif isinstance(data, Mapping):
        return {key: _retold(item, words) for key, item in data.items()}
    elif isinstance(data, list | tuple):
        return [_retold(item, words) for item in data]
    return data


def _key(shown: str) -> str:
    return hashlib.sha256(shown.encode()).hexdigest()[:32]
