"""A document against its schema: every problem, at its line, in words.

The only module that knows the validator. Compiled schemas are kept for the life of the process. An alternative
(`anyOf`) is never shown as such: the one that was meant is chosen, and its own problems are told.
"""

from __future__ import annotations

import functools
import json
from collections.abc import Callable, Iterable, Iterator, Sequence
from typing import Any, NamedTuple

from mlctl.errors import InvalidSpecError
from mlctl.spec.branches import choose_branch, unknown_discriminator
from mlctl.spec.coercion import Doubt, Marked, coerce, misread
from mlctl.spec.document import Document, KeyPath, dotted, in_file_order
from mlctl.spec.problems import DROPPED, ERROR, INCOMPLETE, WARNING, Problem, closest, did_you_mean, summary
from mlctl.spec.schema import (
    Schema,
    alone,
    complete,
    known_keys,
    load_schema,
    resolve,
    schema_at,
    type_of,
    types_of,
)
from mlctl.spec.shapes import shape_of

MOST_PROBLEMS = 100
"""After so many the rest is not told."""

_TYPE_WORDS = {
    "string": "text",
    "integer": "a whole number",
    "number": "a number",
    "boolean": "true or false",
    "object": "a map",
    "array": "a list",
    "null": "nothing",
}


class Checked(NamedTuple):
    """What a schema says about a document.

    `data`: with what az forgives put right. `problems`: errors in file order; what a command's option can still supply
    is among them, with severity `incomplete`. `marked`: references and local paths.
    """

    data: Any
    problems: list[Problem]
    warnings: list[Problem]
    marked: list[Marked]


def check(document: Document, name: str) -> Checked:
    """Check a document against schema `name` (`commandJob`, …)."""
    root = load_schema(name)
    coerced = coerce(document, root)
    data = coerced.data
    problems = [found for found in coerced.found if found.severity == ERROR]
    warnings = [found for found in coerced.found if found.severity == WARNING]
    refused = {found.path for found in problems}
    for problem in _doubted(_Scope(document, name, root), coerced.doubts):
        (warnings if problem.severity == WARNING else problems).append(problem)
        if len(problems) >= MOST_PROBLEMS:
            break
    # what stands under a read-only key is dropped, so nothing is said about it either
    dropped = {key for key in document.data if key not in data}
    noticed = [
        found
        for found in document.warnings
        if found.path.partition(".")[0] not in dropped and not (found.code == "yaml_date" and found.path in refused)
    ]
    return Checked(data, in_file_order(problems, document.source), [*noticed, *warnings], coerced.marked)


def refuse_if_any(document: Document, problems: list[Problem]) -> None:
    """Raise InvalidSpecError with these problems, in file order, if there are any."""
    if problems:
        ordered = in_file_order(problems, document.source)
        raise InvalidSpecError(summary(ordered, document.source), problems=ordered)


@functools.cache
def _validator(key: str) -> Any:
    """A compiled validator: the name of a schema, a blank, and the JSON of the part of it that is asked about."""
    import jsonschema_rs

    name, _, part = key.partition(" ")
    return jsonschema_rs.Draft202012Validator(complete(json.loads(part), load_schema(name)["$defs"]))


class _Scope(NamedTuple):
    """What stays the same while one document is checked."""

    document: Document
    name: str
    root: Schema


class _Finding(NamedTuple):
    """One error: the value it is about, the schema that refused it, the rule and the keys that it is about."""

    path: KeyPath
    value: Any
    schema: Schema
    keyword: str
    keys: Sequence[str]


def _doubted(scope: _Scope, doubts: Iterable[Doubt]) -> Iterator[Problem]:
    """Problems of what does not certainly fit.

    What is plain is told at once. The validator, slow to load and to compile schemas, is asked about the other parts.
    """
    for doubt in doubts:
        plain = shape_of(doubt.schema, scope.root).refusals(doubt.value)
        for keyword, keys in plain or ():
            finding = _Finding(doubt.path, doubt.value, doubt.schema, keyword, keys)
            yield from _DESCRIBERS[keyword](scope, finding)
        if not plain:
            yield from _problems(scope, doubt.value, doubt.schema, doubt.path, asked=alone(doubt.schema))


def _problems(
    scope: _Scope, value: Any, schema: Schema, prefix: KeyPath, asked: Schema | None = None
) -> Iterator[Problem]:
    """Problems of a value against a part of the schema; `asked`: what of this part the validator is asked about."""
    complete = {**schema, "$defs": scope.root["$defs"]}
    for error in _validator(f"{scope.name} {json.dumps(schema if asked is None else asked)}").iter_errors(value):
        schema_here = schema_at(complete, list(error.schema_path)[:-1])
        keyword, keys = _rule(error.kind)
        finding = _Finding((*prefix, *error.instance_path), error.instance, schema_here, keyword, keys)
        if keyword == "AnyOf":
            yield from _alternatives(scope, finding)
        elif keyword in _DESCRIBERS:
            yield from _DESCRIBERS[keyword](scope, finding)
        else:
            message = f"{_label(finding.path)}: {error.message}"
            yield scope.document.problem("invalid_value", finding.path, message, value=finding.value)


def _rule(kind: Any) -> tuple[str, Sequence[str]]:
    """Name of the rule that refused the value, and its keys; before release 0.40 a ValidationErrorKind_<name>."""
    keys = [kind.property] if hasattr(kind, "property") else getattr(kind, "unexpected", ())
    return type(kind).__name__.rpartition("_")[2], keys


def _alternatives(scope: _Scope, finding: _Finding) -> Iterator[Problem]:
    branches = finding.schema["anyOf"]
    branch = choose_branch(finding.value, branches, scope.root)
    if branch is not None:
        yield from _problems(scope, finding.value, branch, finding.path)
    elif isinstance(finding.value, dict) and (wrong := unknown_discriminator(finding.value, branches, scope.root)):
        key, allowed = wrong
        yield _not_one_of(scope.document, (*finding.path, key), finding.value[key], allowed)
    else:
        titles = [resolve(branch, scope.root).get("title", "a value") for branch in branches]
        expected = finding.schema.get("x-expected") or _listed(titles)
        types_of_all = tuple(kind for branch in branches for kind in types_of(resolve(branch, scope.root)))
        yield _wrong_type(scope.document, finding.path, finding.value, expected, types_of_all)


def _type(scope: _Scope, finding: _Finding) -> Iterator[Problem]:
    admitted = types_of(finding.schema)
    types = tuple(name for name in admitted if name != "null" and not (name == "integer" and "number" in admitted))
    expected = _listed([_TYPE_WORDS[name] for name in types])
    yield _wrong_type(scope.document, finding.path, finding.value, expected, types)


def _required(scope: _Scope, finding: _Finding) -> Iterator[Problem]:
    (key,) = finding.keys
    path = (*finding.path, key)
    about = resolve(finding.schema.get("properties", {}).get(key, {}), scope.root).get("description", "")
    hint = f"add '{key}: …'" + (f" ({about.rstrip('.')})" if about else "")
    if key == "path" and path[:1] == ("inputs",):
        hint = "add 'path: …' for data, or 'value: …' for a literal"
    option = finding.schema.get("x-supplied", {}).get(key)
    without = finding.schema.get("x-supplied-without")
    if option and without and without not in finding.value:
        message, hint = f"'{dotted(path)}' is left to an option of the command", f"give {option}, or add '{key}: …'"
        yield scope.document.problem("left_to_option", path, message, hint=hint, severity=INCOMPLETE)
    else:
        if option:
            hint += f", or give {option} with the command"
        yield scope.document.problem("missing_key", path, f"'{dotted(path)}' is missing", hint=hint)


def _additional(scope: _Scope, finding: _Finding) -> Iterator[Problem]:
    known = known_keys(finding.schema, scope.root)
    where = f" in {_label(finding.path)}" if finding.path else ""
    for key in finding.keys:
        path = (*finding.path, key)
        otherwise = _elsewhere(key, finding.path, scope.root) or f"known keys: {', '.join(known)}"
        # a key that is there already was hardly meant, unless this is nearly it
        near = closest(key, [name for name in known if name not in finding.value]) or closest(key, known, cutoff=0.8)
        hint = f"did you mean '{near}'?" if near else otherwise
        message = f"unknown key '{key}'{where}"
        severity = ERROR
        if finding.schema.get("x-unknown") == WARNING:
            message, severity = f"{message}{DROPPED}", WARNING
        value = finding.value.get(key)
        found = scope.document.problem("unknown_key", path, message, value=value, hint=hint, on_key=True)
        yield found if severity == ERROR else found._replace(severity=severity)


def _enum(scope: _Scope, finding: _Finding) -> Iterator[Problem]:
    members = finding.schema.get("enum", [finding.schema.get("const")])
    allowed = [member for member in members if isinstance(member, str)]
    if isinstance(finding.value, str):
        yield _not_one_of(scope.document, finding.path, finding.value, allowed)
    else:
        yield _wrong_type(scope.document, finding.path, finding.value, _listed(allowed), ())


def _limit(scope: _Scope, finding: _Finding) -> Iterator[Problem]:
    if isinstance(finding.value, float) and types_of(finding.schema) == ("integer",):
        # told already: it is no whole number
        return
    at_least = finding.keyword == "Minimum"
    limit = finding.schema["minimum" if at_least else "maximum"]
    message = f"{_label(finding.path)} is {finding.value}, it must be at {'least' if at_least else 'most'} {limit}"
    hint = f"write a number from {limit}" if at_least else f"write a number up to {limit}"
    yield scope.document.problem("out_of_range", finding.path, message, value=finding.value, hint=hint)


def _above(scope: _Scope, finding: _Finding) -> Iterator[Problem]:
    limit = finding.schema["exclusiveMinimum"]
    message = f"{_label(finding.path)} is {finding.value}, it must be more than {limit}"
    hint = f"write a number above {limit}"
    yield scope.document.problem("out_of_range", finding.path, message, value=finding.value, hint=hint)


def _pattern(scope: _Scope, finding: _Finding) -> Iterator[Problem]:
    schema = finding.schema
    about = (schema.get("description") or schema.get("title") or "text of another form").rstrip(".")
    message = f"{_label(finding.path)} cannot be {_shown(finding.value)}"
    hint = f"such as {schema['x-example']}" if "x-example" in schema else f"write {about}"
    yield scope.document.problem("invalid_value", finding.path, message, value=finding.value, expected=about, hint=hint)


def _empty(scope: _Scope, finding: _Finding) -> Iterator[Problem]:
    message = f"{_label(finding.path)} is empty"
    hint = "write a value, or remove the key"
    yield scope.document.problem("empty_value", finding.path, message, value=finding.value, hint=hint)


_DESCRIBERS: dict[str, Callable[[_Scope, _Finding], Iterator[Problem]]] = {
    "Type": _type,
    "Required": _required,
    "AdditionalProperties": _additional,
    "Enum": _enum,
    "Constant": _enum,
    "Minimum": _limit,
    "Maximum": _limit,
    "ExclusiveMinimum": _above,
    "Pattern": _pattern,
    "MinLength": _empty,
}


def _wrong_type(document: Document, path: KeyPath, value: Any, expected: str, types: tuple[str, ...]) -> Problem:
    if value is None:
        hint = f"write {expected}, or remove the key"
        return document.problem("empty_value", path, f"{_label(path)} is empty", expected=expected, hint=hint)
    hint = f"write {expected} here"
    phrase = misread(document, path, value)
    message = f"{_label(path)} is {_described(value)}, {expected} is expected"
    if "string" in types and type_of(value) in ("boolean", "integer", "number"):
        mark = document.marks.get(path)
        raw = mark.raw if mark is not None and mark.raw is not None else str(value)
        hint = f'write it in quotes: "{raw}"'
        if phrase:
            message = f"{_label(path)}: {phrase}, {expected} is expected"
    elif phrase:
        message = f"{_label(path)}: {phrase}, {expected} is expected"
    return document.problem("wrong_type", path, message, value=value, expected=expected, hint=hint)


def _not_one_of(document: Document, path: KeyPath, value: Any, allowed: list[str]) -> Problem:
    listed = ", ".join(allowed)
    message = f"{_label(path)} cannot be {_shown(value)}"
    hint = did_you_mean(str(value), allowed, otherwise=f"use one of: {listed}")
    return document.problem("not_allowed", path, message, value=value, expected=f"one of: {listed}", hint=hint)


def _elsewhere(key: str, path: KeyPath, root: Schema) -> str | None:
    """Where a key would be right: under a neighbour, or at the top."""
    top = resolve(root, root).get("properties", {})
    if path and key in top:
        return f"'{key}' stands at the top of the document, not under '{dotted(path)}'"
    for name, part in top.items():
        inside = resolve(part, root).get("properties", {})
        match = closest(key, inside)
        if match:
            return f"did you mean '{name}.{match}'?"
    return None


def _label(path: KeyPath) -> str:
    return f"'{dotted(path)}'" if path else "the document"


def _described(value: Any) -> str:
    name = type_of(value)
    if name in ("object", "array"):
        return _TYPE_WORDS[name]
    return {"boolean": "the boolean ", "string": "the text ", "integer": "the number ", "number": "the number "}[
        name
    ] + _shown(value)


def _shown(value: Any) -> str:
    text = f"'{value}'" if isinstance(value, str) else json.dumps(value)
    return text if len(text) <= 80 else text[:77] + "…"


def _listed(words: list[str]) -> str:
    """`a`, `a or b`, `a, b or c`, each once."""
    words = list(dict.fromkeys(words))
    return words[0] if len(words) == 1 else f"{', '.join(words[:-1])} or {words[-1]}"
