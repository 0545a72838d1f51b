"""Addresses that hold a signature, a token or a password: how they are shown."""

from __future__ import annotations

import re
from collections.abc import Callable
from urllib.parse import urlsplit

from mlctl.store.downloads import SIGNATURE, SIGNED

HIDDEN = "…"
"""Stands for what is not told."""

_SECRET = re.compile(
    r"(?:(?:access|auth|sas|id|refresh)_?)?token|(?:client_?)?secret|password|passwd|pwd|"
    r"(?:x-goog-)?signature|(?:api|subscription|account|access|shared|functions?)[_-]?key",
    re.IGNORECASE,
)
_PERHAPS = re.compile(r"code|key", re.IGNORECASE)
_RANDOM = re.compile(r"(?=.*[0-9])[A-Za-z0-9%+/=_-]{20,}")


def printable(address: str, *, mark: str = HIDDEN, is_told: Callable[[str], bool] = lambda _text: False) -> str:
    """The address with `mark` for what may be a secret: user and password, a signature, a token. All else stays.

    So two addresses that mean different files stay different. What `is_told` may be shown: it stands in for a secret.
    """
    try:
        parts = urlsplit(address)
    except ValueError:
        return address
    if "://" not in address or parts.scheme in ("azureml", "file"):
        return address
    if parts.scheme in ("http", "https") or ":" in parts.netloc.rpartition("@")[0]:
        user, at, host = parts.netloc.rpartition("@")
        password = user.rpartition(":")[2]
        if at and user and not password.startswith(HIDDEN) and not is_told(password):
            parts = parts._replace(netloc=f"{mark}@{host}")
    query = _pairs(parts.query, mark, is_told)
    fragment = _pairs(parts.fragment, mark, is_told) if "=" in parts.fragment else parts.fragment
    return parts._replace(query=query, fragment=fragment).geturl()


def _pairs(text: str, mark: str, is_told: Callable[[str], bool]) -> str:
    pairs = [pair.partition("=") for pair in text.split("&")]
    signed = any(SIGNATURE.match(f"{key}=") and not is_told(value) for key, _, value in pairs)

    def is_secret(key: str, value: str) -> bool:
        if not value or value.startswith(HIDDEN):
            return False
        if signed and SIGNED.match(f"{key}="):
            return True  # the rest of a signature changes with it
        named = _SECRET.fullmatch(key) or (_PERHAPS.fullmatch(key) and _RANDOM.fullmatch(value))
        return named is not None and not is_told(value)

    told = [f"{key}={mark}" if is_secret(key, value) else f"{key}{equals}{value}" for key, equals, value in pairs]
    return "&".join(told)
