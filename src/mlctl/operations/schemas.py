"""The JSON Schemas as files for editors and other validators: complete in themselves, in the words of the standard.

A plain validator cannot warn, and does not know what an option of a command will supply. So an exported schema lets
pass what mlctl only warns of, and asks for no key that an option can give.
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from mlctl.errors import AuthError, NotFoundError, UsageError
from mlctl.files import replace_file
from mlctl.spec.kinds import ALIASES, FAMILIES, KINDS, Kind, default_kind, kind_named
from mlctl.spec.problems import WARNING, did_you_mean
from mlctl.spec.schema import Schema, complete_schema

_NAMED = ("properties", "$defs", "patternProperties")
_LISTED = ("anyOf", "oneOf", "allOf", "prefixItems")
_SINGLE = ("items", "additionalProperties", "propertyNames", "not", "if", "then", "else")


def find_kind(name: str) -> Kind:
    """The kind with that name of schema, or the one that a group of az means. Raises NotFoundError with the nearest."""
    kind = kind_named(name) or default_kind(name)
    if kind is not None:
        return kind
    hint = did_you_mean(name, [*KINDS, *ALIASES, *FAMILIES], otherwise="'mlctl schema list' shows all")
    raise NotFoundError(f"no kind of spec '{name}'", hint=hint)


def find_kinds(name: str) -> list[Kind]:
    """All kinds of a group of az, or the one kind of that name. Raises NotFoundError with the nearest."""
    if name in KINDS:
        return [KINDS[name]]
    return [kind for kind in KINDS.values() if kind.family == name] or [find_kind(name)]


def exported(kind: Kind) -> Schema:
    """The schema of a kind with all definitions that it needs, free of mlctl's own keywords."""
    schema: Schema = _plain(complete_schema(kind.name))
    return schema


def schema_text(kind: Kind) -> str:
    """The exported schema as JSON, keys in the order in which the schema has them."""
    return json.dumps(exported(kind), indent=2, ensure_ascii=False) + "\n"


def export(folder: Path, names: Sequence[str] = ()) -> list[dict[str, Any]]:
    """Write `<kind>.schema.json` into `folder` for the named kinds, or for all; rows with `kind` and `path`.

    Each file is replaced as a whole. Raises NotFoundError for an unknown kind before anything is written.
    """
    kinds = [kind for name in names for kind in find_kinds(name)] or list(KINDS.values())
    rows = []
    try:
        folder.mkdir(parents=True, exist_ok=True)
        for kind in dict.fromkeys(kinds):
            path = folder / f"{kind.name}.schema.json"
            replace_file(path, schema_text(kind).encode())
            rows.append({"kind": kind.name, "path": str(path)})
    except (FileExistsError, NotADirectoryError) as error:
        raise UsageError(
            f"'{error.filename}' is not a folder", hint="name a folder; it is made when missing"
        ) from error
    except PermissionError as error:
        raise AuthError(f"'{error.filename}' may not be written", hint="check the rights of the folder") from error
    return rows


def _plain(schema: Any) -> Any:
    if not isinstance(schema, dict):
        return schema
    if schema.get("readOnly"):
        # dropped unseen, so anything may stand there
        return {key: value for key, value in schema.items() if key in ("description", "readOnly")}
    found = {key: value for key, value in schema.items() if not key.startswith("x-")}
    if schema.get("x-unknown") == WARNING:
        found.pop("additionalProperties", None)
    supplied = schema.get("x-supplied", {})
    if "required" in found:
        found["required"] = [key for key in found["required"] if key not in supplied]
    for key in found.keys() & set(_NAMED):
        found[key] = {name: _plain(part) for name, part in found[key].items()}
    for key in found.keys() & set(_LISTED):
        found[key] = [_plain(part) for part in found[key]]
    for key in found.keys() & set(_SINGLE):
        found[key] = _plain(found[key])
    return found
