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
from collections.abc import Callable, Iterator, Mapping
from typing import Any

from mlctl.entities.hidden import HIDDEN, TAG
from mlctl.errors import NotFoundError
from mlctl.spec.rules.secret_patterns import is_stand_in, names_secret, secrets_in
from mlctl.store.secrets import SecretStore
from mlctl.store.signed_addresses import printable

_OWNER = "address"
_KEY = f"{_OWNER}.key"
_ADDRESS = re.compile(r"[A-Za-z][A-Za-z0-9+.-]*://[^\s\"'<>|;`]+")
_WHOLE_ADDRESS = re.compile(r"[A-Za-z][A-Za-z0-9+.-]*://[^\r\n]+")
_ASSIGNED = re.compile(r"(?<![\w.$-])([A-Z][A-Z0-9_]{2,})=(\"[^\"]*\"|'[^']*'|[^\s;&|\"'#]+)")
_BEARER = re.compile(r"(?i)\bbearer\s+([A-Za-z0-9._~+/=-]{12,})")
_MARK = re.compile(f"{HIDDEN}([0-9a-f]{{8}})?")
_NAMED = ("environment_variables", "variables", "tags", "properties", "inputs", "parameters")
"""Maps whose keys may say that their values are secrets."""

_SHORTEST = 8
"""Characters that the value of such a key has to have, to be hidden where another text has it."""


def conceal(data: Any, secrets: SecretStore) -> Any:
    """Plain data as it may be kept and shown; each text that says less than it did goes to the workspace's secrets.

    Raises the errors of `SecretStore`.
    """
    known = _named_secrets(data)
    return _mapped(data, lambda text, whole: _concealed(text, secrets, known, whole=whole))


def with_hidden_labels(data: Mapping[str, Any], secrets: SecretStore) -> dict[str, Any]:
    """A document whose description, tags and properties are as `conceal` returns them; the rest is what it is."""
    labels = {key: data[key] for key in ("description", "tags", "properties") if key in data}
    return {**data, **conceal(labels, secrets)}


def reveal(data: Any, secrets: SecretStore) -> Any:
    """What `conceal` was given."""
    return _mapped(data, lambda text, _whole: _revealed(text, secrets))


def shown(data: Any) -> Any:
    """What `conceal` returns, but for the tags; nothing is kept."""
    known = _named_secrets(data)
    return _mapped(data, lambda text, whole: HIDDEN if whole else _hidden(text, HIDDEN, known))


def secrets_of(data: Any) -> set[str]:
    """The names of the secrets that texts of plain data stand for, known or not."""
    found: set[str] = set()

    def note(text: str, _whole: bool) -> str:
        found.update(_names_of(text))
        return text

    _mapped(data, note)
    return found


def has_hidden(data: Any, secrets: SecretStore) -> bool:
    """Whether a text of plain data stands for a secret of the workspace."""
    return not secrets_of(data).isdisjoint(secrets.names(_OWNER))


def unused_secrets(secrets: SecretStore, used: set[str]) -> list[str]:
    """The names of hidden texts that are in nobody's use."""
    return [name for name in secrets.names(_OWNER) if name != _KEY and name not in used]


def check_known(data: Any, secrets: SecretStore) -> None:
    """Raise NotFoundError for a text whose secret was hidden in another workspace, or is gone."""

    def check(text: str, _whole: bool) -> str:
        if HIDDEN in text and _revealed(text, secrets) == text and _stands_for_a_secret(text):
            raise NotFoundError(
                f"what {HIDDEN} stands for in {text!r} is not known in this workspace", hint="give the whole text again"
            )
        return text

    _mapped(data, check)


def _stands_for_a_secret(text: str) -> bool:
    if TAG.fullmatch(text):
        return True
    filled = [_MARK.sub("secret-0123456789abcdef", found) for found in _ADDRESS.findall(text)]
    return any(printable(address) != address for address in filled)


def _mapped(data: Any, change: Callable[[str, bool], str], *, is_secret: bool = False) -> Any:
    """`change` is told whether the name of a value says that it is a secret."""
    if isinstance(data, str):
        return change(data, is_secret and bool(data) and not _is_placeholder(data) and not _MARK.fullmatch(data))
    if isinstance(data, Mapping):
        return {
            key: {name: _mapped(value, change, is_secret=_names_secret(name)) for name, value in item.items()}
            if key in _NAMED and isinstance(item, Mapping)
            else _mapped(item, change)
            for key, item in data.items()
        }
    if isinstance(data, list | tuple):
        return [_mapped(item, change) for item in data]
    return data


def _names_secret(name: Any) -> bool:
    # what mlctl makes of a literal input is named after it
    return names_secret(str(name).removeprefix("AZUREML_PARAMETER_"))


def _named_secrets(data: Any) -> tuple[str, ...]:
    """The values that are secrets by their names, the longest first: other texts may have them, too."""
    found: set[str] = set()

    def note(text: str, whole: bool) -> str:
        if whole and len(text) >= _SHORTEST:
            found.add(text)
        return text

    _mapped(data, note)
    return tuple(sorted(found, key=len, reverse=True))


def _is_placeholder(value: str) -> bool:
    """Whether a whole value is a stand-in, such as `<key>` or `$KEY`. One that only holds such signs is a secret."""
    return is_stand_in(value) and (re.search(r"[$<{]", value) is None or value[0] in "$<{" or "${{" in value)


def _concealed(text: str, secrets: SecretStore, known: tuple[str, ...], *, whole: bool) -> str:
    plain = HIDDEN if whole else _hidden(text, HIDDEN, known)
    if plain == text:
        return text
    # a mark alone says nothing of what it stands for: it always has a tag
    if plain != HIDDEN and secrets.add(f"{_OWNER}.{_digest(plain)}", text):
        return plain
    tag = hmac.new(_tag_key(secrets), text.encode("utf-8", "surrogatepass"), hashlib.sha256).hexdigest()[:8]
    secrets.put(_OWNER, f"{_digest(plain)}-{tag}", text)
    return f"{HIDDEN}{tag}" if whole else _hidden(text, f"{HIDDEN}{tag}", known)


def _revealed(text: str, secrets: SecretStore) -> str:
    for name in _names_of(text):
        try:
            return secrets.get(name)
        except NotFoundError:
            continue
    return text


def _names_of(text: str) -> Iterator[str]:
    """The names of the secrets that a text may stand for: what looks like a tag may be the user's own words."""
    if HIDDEN not in text:
        return
    for found in dict.fromkeys(TAG.findall(text)):
        yield f"{_OWNER}.{_digest(text.replace(found, HIDDEN))}-{found.removeprefix(HIDDEN)}"
    if text != HIDDEN:
        yield f"{_OWNER}.{_digest(text)}"


def _hidden(text: str, mark: str, known: tuple[str, ...]) -> str:
    if "://" in text:
        pattern = _WHOLE_ADDRESS if _WHOLE_ADDRESS.fullmatch(text) else _ADDRESS
        text = pattern.sub(lambda found: printable(found[0], mark=mark, is_told=is_stand_in), text)
    for value in known:
        text = text.replace(value, mark)
    if "=" in text:
        text = _ASSIGNED.sub(lambda found: _hidden_value(found, 2, mark) if names_secret(found[1]) else found[0], text)
    if "earer" in text.lower():
        text = _BEARER.sub(lambda found: _hidden_value(found, 1, mark), text)
    for found in reversed(list(secrets_in(text))):
        if HIDDEN not in text[found.start : found.end]:
            text = text[: found.start] + mark + text[found.end :]
    return text


def _hidden_value(found: re.Match[str], group: int, mark: str) -> str:
    value = found[group]
    bare = value.strip("\"'")
    if not bare or is_stand_in(bare) or HIDDEN in bare:
        return found[0]
    start = found.start(group) - found.start()
    return found[0][:start] + value.replace(bare, mark) + found[0][start + len(value) :]


def _digest(plain: str) -> str:
    return hashlib.sha256(plain.encode("utf-8", "surrogatepass")).hexdigest()[:32]


def _tag_key(secrets: SecretStore) -> bytes:
    """The key of this workspace's tags, made when it is needed first."""
    while True:
        try:
            return secrets.get(_KEY).encode()
        except NotFoundError:
            secrets.add(_KEY, os.urandom(32).hex())
