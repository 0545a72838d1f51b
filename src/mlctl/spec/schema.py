"""The JSON Schemas: found, read once, and looked into.

They live in `schemas/` at the top of the repository and in `mlctl/schemas` of the installed package. Several files
share definitions (`step.schema.json#/$defs/commandStep`); names of definitions are unique over all files. A schema is
loaded with the definitions of all files that it refers to, so that every `$ref` is a local `#/$defs/name`; who hands it
on wants it complete, with those that it reaches and no others.
"""

from __future__ import annotations

import functools
import json
import re
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

Schema = dict[str, Any]

KEYS_FILE = "keys.json"
"""Beside the schemas; `own_keys` says what is in it."""

_REFERENCE = re.compile(r'"\$ref": *"([A-Za-z]+)\.schema\.json#/')


@functools.cache
def schemas_folder() -> Path:
    """The folder with the schemas: in the package, or in the repository for an editable install."""
    package = Path(__file__).parent.parent
    inside = package / "schemas"
    return inside if inside.is_dir() else package.parent.parent / "schemas"


@functools.cache
def schema_names() -> tuple[str, ...]:
    """Names of all schemas of documents; files that only hold shared definitions are left out."""
    names = (path.name.removesuffix(".schema.json") for path in sorted(schemas_folder().glob("*.schema.json")))
    return tuple(name for name in names if {"properties", "anyOf"} & _read(name)[0].keys())


@functools.cache
def own_keys() -> dict[str, frozenset[str]]:
    """Name of each kind's schema -> the keys at the top of its documents.

    `docs/generate.py` writes them into a file of their own: who wants to know them all need not read all schemas.
    """
    kinds = json.loads((schemas_folder() / KEYS_FILE).read_text(encoding="utf-8"))
    return {name: frozenset(keys) for name, keys in kinds.items()}


@functools.cache
def load_schema(name: str) -> Schema:
    """The schema `name` (such as `commandJob`), with the definitions of all files that it refers to."""
    own, _ = _read(name)
    known: Schema = {}
    waiting, read = [name], set()
    while waiting:
        file = waiting.pop()
        if file not in read:
            read.add(file)
            schema, others = _read(file)
            known.update(schema.get("$defs", {}))
            waiting += others
    # a relative $id would be the base of the references
    root = {key: value for key, value in own.items() if key not in ("$id", "$defs")}
    return {**root, "$defs": known}


def complete_schema(name: str) -> Schema:
    """The schema `name`, complete in itself: with the definitions that it reaches, and no others."""
    schema = load_schema(name)
    return complete(schema, schema["$defs"])


@functools.cache
def _read(name: str) -> tuple[Schema, list[str]]:
    """A schema file with local references, and the names of the other files that it refers to."""
    text = (schemas_folder() / f"{name}.schema.json").read_text(encoding="utf-8")
    others = sorted(set(_REFERENCE.findall(text)))
    schema: Schema = json.loads(_REFERENCE.sub('"$ref": "#/', text))
    return schema, others


def complete(schema: Schema, known: Schema) -> Schema:
    """A schema with those of the known definitions that it needs, directly or through others."""
    own = {key: value for key, value in schema.items() if key != "$defs"}
    return {**own, "$defs": _reached(own, known)}


def _reached(root: Schema, known: Schema) -> Schema:
    reached: Schema = {}
    waiting = list(_references(root))
    while waiting:
        name = waiting.pop()
        if name not in reached:
            reached[name] = known[name]
            if name not in _needs:
                # names are unique over all files, so this holds for every schema
                _needs[name] = tuple(_references(known[name]))
            waiting += _needs[name]
    return dict(sorted(reached.items()))


_needs: dict[str, tuple[str, ...]] = {}
"""Name of a definition -> the definitions that it refers to."""


def _references(part: Any) -> Iterator[str]:
    if isinstance(part, dict):
        for key, value in part.items():
            if key == "$ref" and isinstance(value, str):
                yield value.removeprefix("#/$defs/")
            else:
                yield from _references(value)
    elif isinstance(part, list):
        for value in part:
            yield from _references(value)


def alone(schema: Schema) -> Schema:
    """A schema without what it says of the values in a map or a list."""
    own = {key: part for key, part in schema.items() if key not in _WORDS_ONLY and not key.startswith("x-")}
    if "properties" in own:
        own["properties"] = {key: {} for key in own["properties"]}
    if isinstance(own.get("additionalProperties"), dict):
        own["additionalProperties"] = {}
    own.pop("items", None)
    return own


_WORDS_ONLY = ("$schema", "$defs", "title", "description", "default", "examples", "deprecated", "readOnly")


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
    return _NAMES.get(type(value), "object")


_NAMES: dict[type, str] = {
    bool: "boolean",
    int: "integer",
    float: "number",
    str: "string",
    list: "array",
    type(None): "null",
}


def known_keys(schema: Schema, root: Schema) -> list[str]:
    """Keys that a person may write in an object of this schema."""
    properties = schema.get("properties", {})
    return [key for key in properties if key != "$schema" and not resolve(properties[key], root).get("readOnly")]
