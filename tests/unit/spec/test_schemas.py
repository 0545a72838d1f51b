"""The schemas themselves: valid, described, without loose ends."""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import Any

import jsonschema_rs
import pytest

from mlctl.spec.schema import load_schema, schemas_folder

NAMES = sorted(path.name.removesuffix(".schema.json") for path in schemas_folder().glob("*.schema.json"))


def raw(name: str) -> dict[str, Any]:
    schema: dict[str, Any] = json.loads((schemas_folder() / f"{name}.schema.json").read_text(encoding="utf-8"))
    return schema


def parts(schema: Any, path: str = "") -> Iterator[tuple[str, dict[str, Any]]]:
    """Every map in a schema with its path."""
    if isinstance(schema, dict):
        yield path, schema
        for key, part in schema.items():
            yield from parts(part, f"{path}/{key}")
    elif isinstance(schema, list):
        for index, part in enumerate(schema):
            yield from parts(part, f"{path}/{index}")


@pytest.mark.parametrize("name", NAMES)
def test_a_schema_is_a_schema(name: str) -> None:
    assert raw(name)["$schema"] == "https://json-schema.org/draft/2020-12/schema"
    jsonschema_rs.meta.validate(raw(name))


@pytest.mark.parametrize("name", NAMES)
def test_every_key_is_described(name: str) -> None:
    bare = [
        f"{path}/{key}"
        for path, part in parts(raw(name))
        if isinstance(part.get("properties"), dict) and not path.endswith("/properties")
        for key, value in part["properties"].items()
        if "$ref" not in value and not value.get("description")
    ]
    definitions = [key for key, value in raw(name).get("$defs", {}).items() if not value.get("description")]
    assert bare == []
    assert definitions == []


@pytest.mark.parametrize("name", [name for name in NAMES if name != "common"])
def test_every_reference_leads_somewhere(name: str) -> None:
    schema = load_schema(name)
    references = {part["$ref"] for _, part in parts(schema) if isinstance(part.get("$ref"), str)}
    assert all(reference.removeprefix("#/$defs/") in schema["$defs"] for reference in references)


def test_every_shared_definition_is_used() -> None:
    used = {part["$ref"].rpartition("/")[2] for name in NAMES for _, part in parts(raw(name)) if "$ref" in part}
    assert set(raw("common")["$defs"]) <= used


def test_objects_are_closed() -> None:
    """A map with keys of its own refuses others; a free map has no `properties`."""
    open_ones = [
        path
        for name in NAMES
        for path, part in parts(raw(name))
        if isinstance(part.get("properties"), dict)
        and part.get("type") in ("object", ["object", "null"])
        and part.get("additionalProperties") is not False
    ]
    assert open_ones == []
