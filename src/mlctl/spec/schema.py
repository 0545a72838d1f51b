"""The JSON Schemas: found, read once, and looked into.

They live in `schemas/` at the top of the repository and in `mlctl/schemas` of the installed package. A schema is loaded
together with `common.schema.json`, whose definitions become its own, so that every `$ref` is a local `#/$defs/name`.
"""

from __future__ import annotations

import functools
import json
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

Schema = dict[str, Any]

_COMMON = "common.schema.json"


def schemas_folder() -> Path:
    """The folder with the schemas: in the package, or in the repository for an editable install."""
    package = Path(__file__).parent.parent
    inside = package / "schemas"
    return inside if inside.is_dir() else package.parent.parent / "schemas"


@functools.cache
def load_schema(name: str) -> Schema:
    """The schema `name` (such as `commandJob`), complete in itself."""
    folder = schemas_folder()
    own = (folder / f"{name}.schema.json").read_text(encoding="utf-8").replace(f"{_COMMON}#", "#")
    schema: Schema = json.loads(own)
    common: Schema = json.loads((folder / _COMMON).read_text(encoding="utf-8"))
    schema["$defs"] = {**common["$defs"], **schema.get("$defs", {})}
    # a relative $id would be the base of the references
    schema.pop("$id", None)
    return schema


def resolve(schema: Schema, root: Schema) -> Schema:
    """The schema that a `$ref` leads to, or the schema itself."""
    while "$ref" in schema:
        schema = root["$defs"][schema["$ref"].removeprefix("#/$defs/")]
    return schema


def schema_at(root: Schema, schema_path: Sequence[str | int]) -> Schema:
    """The schema that a validator's schema path leads to, `$ref` steps included. The path ends before the keyword."""
    here: Any = root
    for part in schema_path:
        here = resolve(here, root) if part == "$ref" else here[part]
    return resolve(here, root)


def types_of(schema: Schema) -> tuple[str, ...]:
    """Names of the JSON types that a resolved schema admits; empty for any."""
    if "enum" in schema or "const" in schema:
        return ("string",)
    types = schema.get("type", ())
    return (types,) if isinstance(types, str) else tuple(types)


def type_of(value: Any) -> str:
    """Name of the JSON type of a value."""
    for kind, name in ((bool, "boolean"), (int, "integer"), (float, "number"), (str, "string"), (list, "array")):
        if isinstance(value, kind):
            return name
    return "null" if value is None else "object"


def known_keys(schema: Schema, root: Schema) -> list[str]:
    """Keys that a person may write in an object of this schema."""
    properties = schema.get("properties", {})
    return [key for key in properties if key != "$schema" and not resolve(properties[key], root).get("readOnly")]


def choose_branch(value: Any, branches: Sequence[Schema], root: Schema) -> Schema | None:
    """The alternative that was probably meant: by JSON type, then by `type`, then by the keys that fit best.

    None when no alternative has the value's JSON type, or when the value's `type` belongs to none of them.
    """
    candidates = [resolve(branch, root) for branch in branches]
    candidates = [branch for branch in candidates if _admits(branch, value)]
    if not candidates or not isinstance(value, dict):
        return candidates[0] if candidates else None
    kind = value.get("type")
    if isinstance(kind, str):
        named = [branch for branch in candidates if _has_type(branch, kind, root)]
        if named or any("type" in branch.get("properties", {}) for branch in candidates):
            return named[0] if named else None
    return max(candidates, key=lambda branch: _fit(value, branch))


def branch_types(branches: Sequence[Schema], root: Schema) -> list[str]:
    """Every value of `type` that one of the alternatives takes."""
    return list(_types_named(branches, root))


def _types_named(branches: Sequence[Schema], root: Schema) -> Iterator[str]:
    for branch in branches:
        yield from resolve(branch, root).get("properties", {}).get("type", {}).get("enum", ())


def _admits(branch: Schema, value: Any) -> bool:
    types = types_of(branch)
    name = type_of(value)
    return not types or name in types or (name == "integer" and "number" in types)


def _has_type(branch: Schema, kind: str, root: Schema) -> bool:
    declared = resolve(branch.get("properties", {}).get("type", {}), root)
    if "enum" in declared:
        return kind.lower() in declared["enum"]
    return bool(declared)


def _fit(value: dict[str, Any], branch: Schema) -> int:
    missing = sum(1 for key in branch.get("required", ()) if key not in value)
    unknown = sum(1 for key in value if key not in branch.get("properties", {}))
    return -2 * missing - unknown
