"""Which kind a document resembles most, when its keys have mistakes in them: the nearest schema, if one is near enough.

A spec with a typo in the very key that tells its kind must not pass as something that is no spec. So every key but one
has to be a key of the kind, exactly or nearly, and one of them has to be telling: words such as `name` or `image` are
in half of all YAML files.
"""

from __future__ import annotations

import functools
from collections.abc import Mapping
from typing import Any

from mlctl.spec.kinds import KINDS, TYPES, Kind
from mlctl.spec.problems import close_matches
from mlctl.spec.schema import own_keys

MOST_KEYS = 60
"""Keys of a document that is looked at; no spec has more at its top."""

_NEAR = 0.85
_COMMON = frozenset(
    {
        "name", "version", "description", "type", "tags", "properties", "path", "id", "kind", "display_name",
        "location", "inputs", "outputs", "image", "environment", "command", "jobs", "settings", "code", "resources",
        "services", "source", "status", "model", "data", "metadata", "build", "task", "limits", "args", "files", "conf",
        "target", "endpoint", "size", "identity", "credentials", "schema", "owner", "stage", "title", "config",
        "variables", "environment_variables", "protocol", "provisioning_state", "scoring_uri", "is_default", "features",
        "output",
    }
)  # fmt: skip


def nearest_kind(data: Mapping[str, Any]) -> Kind | None:
    """The kind whose keys the document has, mistakes allowed; None when no kind is near."""
    keys = [key for key in data if isinstance(key, str) and key != "$schema"]
    if not 2 <= len(keys) <= MOST_KEYS:
        return None
    best: tuple[int, Kind] | None = None
    for kind in KINDS.values():
        score = _score(keys, data, kind)
        if score and (best is None or score > best[0]):
            best = (score, kind)
    return best[1] if best else None


def _score(keys: list[str], data: Mapping[str, Any], kind: Kind) -> int:
    """How near the keys are to those of a kind; 0 when they are not."""
    known = own_keys()[kind.name]
    exact = [key for key in keys if key in known]
    near = _near([key for key in keys if key not in known], known, spare=min(1, len(keys) - 2))
    if near is None:
        return 0
    telling = {*exact, *near} - _COMMON
    told = _is_type(data.get("type"), kind)
    return 2 * len(exact) + len(near) + 3 * len(telling) + 6 * told if telling or told else 0


def _near(keys: list[str], known: frozenset[str], *, spare: int) -> list[str] | None:
    """The known keys that these nearly are; None as soon as more than `spare` of them are near to none."""
    near = []
    for key in keys:
        match = next((word for word in _alike(key) if word in known), None)
        if match is not None:
            near.append(match)
        elif spare:
            spare -= 1
        else:
            return None
    return near


@functools.lru_cache(maxsize=MOST_KEYS)
def _alike(key: str) -> list[str]:
    """The keys of all kinds that a key nearly is, the nearest first; the same key is asked for kind after kind."""
    words = _every_key()
    return close_matches(key, words, most=len(words), cutoff=_NEAR)


@functools.cache
def _every_key() -> frozenset[str]:
    return frozenset(word for keys in own_keys().values() for word in keys)


def _is_type(value: Any, kind: Kind) -> bool:
    """Whether a `type` is that of a kind, or nearly."""
    types = [word for word, name in TYPES.get(kind.family, {}).items() if name == kind.name]
    if not isinstance(value, str):
        return False
    word = value.lower()
    return word in types or (len(word) > 5 and bool(close_matches(word, types, most=1, cutoff=0.85)))
