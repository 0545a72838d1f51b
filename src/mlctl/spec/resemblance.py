"""Which kind a document resembles most, when its keys have mistakes in them: the nearest schema, if one is near enough.

A spec with a typo in the very key that tells its kind must not pass as something that is no spec. So every key but one
has to be a key of the kind, exactly or nearly, and one of them has to be telling: words such as `name` or `image` are
in half of all YAML files.
"""

from __future__ import annotations

from collections.abc import Mapping
from difflib import get_close_matches
from typing import Any

from mlctl.spec.kinds import KINDS, TYPES, Kind
from mlctl.spec.schema import load_schema

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
    known = load_schema(kind.name).get("properties", {})
    exact = [key for key in keys if key in known]
    rest = [key for key in keys if key not in known]
    near = [match[0] for key in rest if (match := get_close_matches(key, known, n=1, cutoff=_NEAR))]
    if len(exact) + len(near) < max(2, len(keys) - 1):
        return 0
    telling = {*exact, *near} - _COMMON
    told = _is_type(data.get("type"), kind)
    return 2 * len(exact) + len(near) + 3 * len(telling) + 6 * told if telling or told else 0


def _is_type(value: Any, kind: Kind) -> bool:
    """Whether a `type` is that of a kind, or nearly."""
    types = [word for word, name in TYPES.get(kind.family, {}).items() if name == kind.name]
    if not isinstance(value, str):
        return False
    word = value.lower()
    return word in types or (len(word) > 5 and bool(get_close_matches(word, types, n=1, cutoff=0.85)))
