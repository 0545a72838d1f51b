"""The schemas themselves: valid, described, without loose ends, and one for each kind of document."""

from __future__ import annotations

import functools
import json
import re
from collections import Counter
from collections.abc import Iterator
from typing import Any

import jsonschema_rs
import pytest

from mlctl.spec.kinds import KINDS
from mlctl.spec.schema import complete_schema, load_schema, resolve, schema_names, schemas_folder, types_of
from mlctl.spec.validate import _DESCRIBERS

NAMES = sorted(path.name.removesuffix(".schema.json") for path in schemas_folder().glob("*.schema.json"))
REFERENCE = re.compile(r"(?:([A-Za-z]+)\.schema\.json)?#/\$defs/([A-Za-z0-9]+)")
NO_FILES = {"batchJob"}
"""Schemas of what is asked of a service, which no command takes as a file."""

KEYWORDS = {
    "$ref", "type", "properties", "required", "additionalProperties", "items", "anyOf", "enum", "const", "minimum",
    "maximum", "exclusiveMinimum", "pattern", "minLength", "title", "description", "default", "readOnly", "deprecated",
    "examples",
}  # fmt: skip
"""What mlctl understands and can put into words. Who uses another keyword teaches it to `mlctl.spec.validate`."""

MARKS = {"x-local", "x-asset", "x-file", "x-bare"}


@functools.cache
def raw(name: str) -> dict[str, Any]:
    """A schema file as it is written."""
    schema: dict[str, Any] = json.loads((schemas_folder() / f"{name}.schema.json").read_text(encoding="utf-8"))
    return schema


def parts(schema: dict[str, Any], path: str = "") -> Iterator[tuple[str, dict[str, Any]]]:
    """Every schema in a schema, with its path; maps of schemas are none themselves."""
    yield path, schema
    for group in ("properties", "$defs"):
        for key, part in schema.get(group, {}).items():
            yield from parts(part, f"{path}/{group}/{key}")
    for index, part in enumerate(schema.get("anyOf", ())):
        yield from parts(part, f"{path}/anyOf/{index}")
    for group in ("additionalProperties", "items"):
        if isinstance(schema.get(group), dict):
            yield from parts(schema[group], f"{path}/{group}")


@pytest.mark.parametrize("name", NAMES)
def test_a_schema_is_a_schema(name: str) -> None:
    assert raw(name)["$schema"] == "https://json-schema.org/draft/2020-12/schema"
    assert raw(name)["$id"] == f"{name}.schema.json"
    jsonschema_rs.meta.validate(raw(name))


@pytest.mark.parametrize("name", NAMES)
def test_a_file_has_no_key_twice(name: str) -> None:
    def refuse_twins(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
        twins = [key for key, count in Counter(key for key, _ in pairs).items() if count > 1]
        assert twins == []
        return dict(pairs)

    text = (schemas_folder() / f"{name}.schema.json").read_text(encoding="utf-8")
    json.loads(text, object_pairs_hook=refuse_twins)


@pytest.mark.parametrize("name", NAMES)
def test_every_key_is_described(name: str) -> None:
    bare = [
        f"{path}/{key}"
        for path, part in parts(raw(name))
        for group in ("properties", "$defs")
        for key, value in part.get(group, {}).items()
        if "$ref" not in value and not value.get("description")
    ]
    assert bare == []
    assert raw(name)["title"]
    assert raw(name)["description"]


@pytest.mark.parametrize("name", NAMES)
def test_only_keywords_that_mlctl_understands(name: str) -> None:
    strange = {
        f"{path}: {key}"
        for path, part in parts(raw(name))
        for key in part.keys() - KEYWORDS
        if not key.startswith("x-") and not (path == "" and key in ("$schema", "$id", "$defs"))
    }
    assert strange == set()


@pytest.mark.parametrize("name", NAMES)
def test_every_reference_leads_somewhere(name: str) -> None:
    for path, part in parts(raw(name)):
        if "$ref" in part:
            found = REFERENCE.fullmatch(part["$ref"])
            assert found, f"{path}: {part['$ref']}"
            file = found[1] or name
            assert file in NAMES, f"{path}: {part['$ref']}"
            assert found[2] in raw(file).get("$defs", {}), f"{path}: {part['$ref']}"


@pytest.mark.parametrize("name", NAMES)
def test_marks_stand_where_the_value_is_described(name: str) -> None:
    """Not beside a reference or a choice: the walk through a document looks behind them."""
    beside = [
        f"{path}: {key}"
        for path, part in parts(raw(name))
        for key in part.keys() & MARKS
        if {"$ref", "anyOf"} & part.keys()
    ]
    assert beside == []


def test_names_of_definitions_are_unique_over_all_files() -> None:
    """`load_schema` puts definitions of several files side by side."""
    count = Counter(key for name in NAMES for key in raw(name).get("$defs", {}))
    assert [key for key, times in count.items() if times > 1] == []


def test_every_shared_definition_is_used() -> None:
    used = {part["$ref"].rpartition("/")[2] for name in NAMES for _, part in parts(raw(name)) if "$ref" in part}
    declared = {key for name in NAMES for key in raw(name).get("$defs", {})}
    assert declared - used == set()


@pytest.mark.parametrize("name", list(KINDS))
def test_a_complete_schema_has_what_it_refers_to_and_no_more(name: str) -> None:
    schema = complete_schema(name)
    references = [part["$ref"] for _, part in parts(schema) if "$ref" in part]
    assert all(resolve({"$ref": reference}, schema) for reference in references)
    assert {reference.removeprefix("#/$defs/") for reference in references} == schema["$defs"].keys()


def test_every_kind_has_a_schema_and_every_schema_of_a_document_is_a_kind() -> None:
    assert set(KINDS) <= set(schema_names())
    assert set(schema_names()) - set(KINDS) <= NO_FILES
    shared = set(NAMES) - set(KINDS) - NO_FILES
    assert all("$defs" in raw(name) and not {"properties", "anyOf", "type"} & raw(name).keys() for name in shared)


@pytest.mark.parametrize("name", NAMES)
def test_a_map_says_which_keys_it_takes(name: str) -> None:
    """Keys of its own and no others, or free keys; never both by accident."""
    wrong = []
    for path, part in parts(raw(name)):
        if "properties" in part:
            if part.get("type") not in ("object", ["object", "null"]):
                wrong.append(f"{path}: keys without type: object")
            if part.get("additionalProperties") is not False:
                wrong.append(f"{path}: open")
        elif part.get("additionalProperties") is False:
            wrong.append(f"{path}: no key at all")
        elif "additionalProperties" in part and "object" not in types_of(part):
            wrong.append(f"{path}: free keys without type: object")
    assert wrong == []


@pytest.mark.parametrize("name", NAMES)
def test_what_must_be_there_is_declared(name: str) -> None:
    undeclared = [
        f"{path}/{key}"
        for path, part in parts(raw(name))
        for key in (*part.get("required", ()), *part.get("x-supplied", ()))
        if key not in part.get("properties", {})
    ]
    assert undeclared == []


@pytest.mark.parametrize("name", NAMES)
def test_a_form_has_an_example_and_a_word_is_a_word(name: str) -> None:
    for path, part in parts(raw(name)):
        if "pattern" in part:
            assert re.search(part["pattern"], part["x-example"]), path
            assert part.get("description") or part.get("title"), path
        if "enum" in part:
            words = [word for word in part["enum"] if word is not None]
            assert words, path
            assert all(isinstance(word, str) and word for word in words), path
            assert len({word.lower() for word in words}) == len(words), f"{path}: case does not count"
        if "default" in part and "enum" in part:
            assert part["default"] in part["enum"], path


@pytest.mark.parametrize("name", list(KINDS))
def test_alternatives_have_titles_and_are_told_apart(name: str) -> None:
    """The title is what a message says when none was meant; of the plain ones, one takes each JSON type."""
    root = load_schema(name)
    for path, part in parts(root):
        if "anyOf" not in part:
            continue
        branches = [resolve(branch, root) for branch in part["anyOf"]]
        assert len(branches) > 1, path
        assert all(branch.get("title") or "anyOf" in branch for branch in branches), path
        assert not {"properties", "type", "items"} & part.keys(), path


@pytest.mark.parametrize("name", NAMES)
def test_marks_have_values_that_rules_know(name: str) -> None:
    known = {"x-local": ("any", "file", "folder"), "x-unknown": ("warning",)}
    for path, part in parts(raw(name)):
        for mark, values in known.items():
            assert part.get(mark, values[0]) in values, f"{path}: {mark}"
        for mark in [key for key in part if key.startswith("x-")]:
            assert mark in _MARKS, f"{path}: {mark}"


_MARKS = {
    "x-asset", "x-azure", "x-bare", "x-case-sensitive", "x-environment", "x-example", "x-expected", "x-file", "x-local",
    "x-secret", "x-supplied", "x-supplied-without", "x-unknown",
}  # fmt: skip


def test_what_the_validator_can_refuse_is_put_into_words() -> None:
    """Keywords of the schemas and the describers of `mlctl.spec.validate` go together."""
    words = {
        "type": "Type", "required": "Required", "additionalProperties": "AdditionalProperties", "enum": "Enum",
        "const": "Constant", "minimum": "Minimum", "maximum": "Maximum", "exclusiveMinimum": "ExclusiveMinimum",
        "pattern": "Pattern", "minLength": "MinLength",
    }  # fmt: skip
    used = {words[key] for name in NAMES for _, part in parts(raw(name)) for key in part.keys() & words.keys()}
    assert used <= set(_DESCRIBERS)
