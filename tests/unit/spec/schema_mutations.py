"""Exactly one thing wrong in a valid document, what must be told about it, and on which line."""

from __future__ import annotations

import copy
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

from tests.unit.spec.schema_documents import DISCRIMINATORS, Site, document_at, written

from mlctl.spec.document import KeyPath
from mlctl.spec.schema import Schema, load_schema, resolve, types_of

UNKNOWN = "zzz_unknown"
WRONG_WORD = "zzz wrong"

_OF_TYPE: dict[str, Any] = {
    "string": "twelve",
    "integer": 1234567,
    "number": 1.25,
    "boolean": True,
    "object": {"entry": "x"},
    "array": [3],
}


@dataclass(frozen=True, slots=True)
class Mutation:
    """A document with one thing wrong. `path`: what the problem must name; `line`: where it must be told.

    `undecided`: the change leaves open which of several alternatives was meant; others may be told in its place.
    """

    what: str
    data: Any
    path: KeyPath
    line: int
    code: str
    severity: str = "error"
    undecided: bool = False


def mutations(site: Site) -> Iterator[Mutation]:
    """Every way in which the place alone can be wrong."""
    data = document_at(site)
    if site.path:
        yield from _of_value(site, data)
    if "properties" in site.schema:
        yield from _of_map(site, data)


def _of_value(site: Site, data: Any) -> Iterator[Mutation]:
    """Another type, nothing at all, a word or a number that is not allowed."""
    schema = site.schema
    admitted = admitted_types(schema, load_schema(site.kind))
    if admitted and not site.is_alternative:
        if "null" not in admitted:
            yield _replaced(site, data, None, "empty_value")
        for name in sorted(_OF_TYPE.keys() - admitted):
            yield _replaced(site, data, _OF_TYPE[name], "wrong_type")
    if {"enum", "const"} & schema.keys():
        yield _replaced(site, data, WRONG_WORD, "not_allowed")
    if "pattern" in schema:
        yield _replaced(site, data, "= <no> such", "invalid_value")
    if schema.get("minLength"):
        yield _replaced(site, data, "", "empty_value")
    if "minimum" in schema:
        yield _replaced(site, data, schema["minimum"] - 1, "out_of_range")
    if "exclusiveMinimum" in schema:
        yield _replaced(site, data, schema["exclusiveMinimum"], "out_of_range")
    if "maximum" in schema:
        yield _replaced(site, data, schema["maximum"] + 1, "out_of_range")


def _replaced(site: Site, data: Any, value: Any, code: str) -> Mutation:
    path = site.path
    changed = copy.deepcopy(data)
    _at(changed, path[:-1])[path[-1]] = value
    undecided = path[-1] in DISCRIMINATORS and _stands_in_alternative(site) and code != "not_allowed"
    line = written(changed).lines[path][0]
    return Mutation(f"{value!r} at {path}", changed, path, line, code, undecided=undecided)


def _of_map(site: Site, data: Any) -> Iterator[Mutation]:
    """A key that nobody knows, and each key that must be there left out."""
    schema, path = site.schema, site.path
    if schema.get("additionalProperties") is False:
        changed = copy.deepcopy(data)
        _at(changed, path)[UNKNOWN] = WRONG_WORD
        place: KeyPath = (*path, UNKNOWN)
        severity = schema.get("x-unknown", "error")
        yield Mutation(
            f"{UNKNOWN} in {path}", changed, place, written(changed).lines[place][0], "unknown_key", severity
        )
    for key in schema.get("required", ()):
        changed = copy.deepcopy(data)
        del _at(changed, path)[key]
        lines = written(changed).lines
        line = lines[path][0] if path else min((first for first, _ in lines.values()), default=2)
        without = schema.get("x-supplied-without")
        supplied = without and key in schema.get("x-supplied", ()) and without not in _at(changed, path)
        code, severity = ("left_to_option", "incomplete") if supplied else ("missing_key", "error")
        undecided = site.is_alternative
        yield Mutation(f"{key} left out of {path}", changed, (*path, key), line, code, severity, undecided)


def _stands_in_alternative(site: Site) -> bool:
    return len(site.way) > 1 and site.way[-2][0] == "branch"


def _at(data: Any, path: KeyPath) -> Any:
    for part in path:
        data = data[part]
    return data


def admitted_types(schema: Schema, root: Schema) -> set[str]:
    """JSON types that a schema takes, those of all its alternatives; empty when it takes anything."""
    schema = resolve(schema, root)
    if "anyOf" in schema:
        parts = [admitted_types(branch, root) for branch in schema["anyOf"]]
        return set().union(*parts) if all(parts) else set()
    types = {*types_of(schema)} | ({"null"} if None in schema.get("enum", ()) else set())
    return types | ({"integer"} if "number" in types else set())
