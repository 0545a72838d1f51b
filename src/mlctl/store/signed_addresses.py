"""Addresses that hold a signature, a token or a password: how they are shown."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator

from mlctl.entities.hidden import HIDDEN
from mlctl.store.downloads import SIGNATURE, SIGNED

_SECRET = re.compile(
    r"(?:(?:access|auth|sas|id|refresh)_?)?token|(?:client_?)?secret|password|passwd|pwd|"
    r"(?:x-goog-)?signature|(?:api|subscription|account|access|shared|functions?)[_-]?key",
    re.IGNORECASE,
)
_PERHAPS = re.compile(r"code|key", re.IGNORECASE)
_RANDOM = re.compile(r"(?=.*[0-9])[A-Za-z0-9%+/=_-]{20,}")


# A password may hold any sign but blanks; where a port stands behind the colon, there is none.
_USER = re.compile(r"(?P<scheme>[A-Za-z][A-Za-z0-9+.-]*)://(?P<user>[^\s/?#@:]*(?::(?!\d+(?:[/?#]|$))[^\s?#@]*)?)@")
_PAIR = re.compile(r"(?<=[?&#])(?P<key>[^\s=&#?]+)=(?P<value>[^\s&#]*)")


def printable(address: str, *, mark: str = HIDDEN, is_told: Callable[[str], bool] = lambda _text: False) -> str:
    """The address with `mark` for what may be a secret: user and password, a signature, a token. All else stays.

    So two addresses that mean different files stay different. What `is_told` may be shown: it stands in for a secret.
    """
    scheme = address.partition("://")[0]
    if scheme == address or scheme in ("azureml", "file"):
        return address
    spans = [*_user(address, is_told), *_parameters(address, is_told)]
    for start, end in reversed(spans):
        address = address[:start] + mark + address[end:]
    return address


def _user(address: str, is_told: Callable[[str], bool]) -> Iterator[tuple[int, int]]:
    found = _USER.match(address)
    if found is None or not (found["scheme"].lower() in ("http", "https") or ":" in found["user"]):
        return
    password = found["user"].partition(":")[2] or found["user"]
    if password and not password.startswith(HIDDEN) and not is_told(password):
        yield found.span("user")


def _parameters(address: str, is_told: Callable[[str], bool]) -> Iterator[tuple[int, int]]:
    pairs = list(_PAIR.finditer(address))
    signed = any(SIGNATURE.match(pair[0]) and not is_told(pair["value"]) for pair in pairs)
    for pair in pairs:
        key, value = pair["key"], pair["value"]
        if not value or value.startswith(HIDDEN):
            continue
        named = _SECRET.fullmatch(key) or (_PERHAPS.fullmatch(key) and _RANDOM.fullmatch(value))
        # the rest of a signature changes with it
        if (signed and SIGNED.match(pair[0])) or (named and not is_told(value)):
            yield pair.span("value")
