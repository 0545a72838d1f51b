"""Which alternative of an `anyOf` was meant: by JSON type, by `type` and `task`, then by the keys that fit best.

An alternative is looked into once; schemas stay for the life of the process, so what was seen is kept with them.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from typing import Any, NamedTuple

from mlctl.spec.document import KeyPath, value_at
from mlctl.spec.problems import closest
from mlctl.spec.schema import Schema, resolve, type_of, types_of

EXPRESSION = "an expression"
"""Title of the alternative that is an expression in the place of a value."""

DISCRIMINATORS = ("type", "task", "model_provider")
"""Keys that say which alternative a map is."""


def choose_branch(value: Any, branches: Sequence[Schema], root: Schema) -> Schema | None:
    """The alternative that was probably meant.

    None when no alternative has the value's JSON type, or when the value's `type` or `task` belongs to none of them.
    """
    candidates = _admitting(value, branches, root)
    if isinstance(value, str):
        fitting = next((branch for branch in candidates if branch.takes_text(value)), None)
        # text that fits nowhere is more likely a wrong word than a broken expression
        candidates = (
            [fitting]
            if fitting is not None
            else sorted(
                (branch for branch in candidates if branch.schema.get("title") != EXPRESSION or "${{" in value),
                key=lambda branch: "enum" not in branch.schema,
            )
        )
    if not candidates or not isinstance(value, dict):
        return candidates[0].schema if candidates else None
    for key in DISCRIMINATORS:
        named = _named(candidates, key, value.get(key))
        if named is None:
            return None
        candidates = named
    if len(candidates) == 1:
        return candidates[0].schema
    best = max(candidates, key=lambda branch: branch.fit(value))
    if all(key in value for key in best.required) and (best.properties or not value):
        return best.schema
    return max(candidates, key=lambda branch: branch.fit(value) + branch.misspelt(value)).schema


def schema_of(root: Schema, data: Any, path: KeyPath, value: Any) -> Schema | None:
    """What the schema says of a place, for a value that stands there or would; None when it cannot be told."""
    here = _chosen(root, root, data if path else value)
    for length, part in enumerate(path, 1):
        if here is None:
            return None
        keys = here.get("properties", {})
        inside = here.get("items") if isinstance(part, int) else keys.get(part, here.get("additionalProperties"))
        now = value if length == len(path) else value_at(data, path[:length])
        here = _chosen(inside if isinstance(inside, dict) else None, root, now)
    return here


def _chosen(schema: Schema | None, root: Schema, value: Any) -> Schema | None:
    if schema is None:
        return None
    resolved = resolve(schema, root)
    return choose_branch(value, resolved["anyOf"], root) if "anyOf" in resolved else resolved


def unknown_discriminator(
    value: dict[str, Any], branches: Sequence[Schema], root: Schema
) -> tuple[str, list[str]] | None:
    """The key (`type`, `task`, …) whose value belongs to no alternative, and the values that do."""
    candidates = _admitting(value, branches, root)
    for key in DISCRIMINATORS:
        named = _named(candidates, key, value.get(key))
        if named is None:
            return key, list(dict.fromkeys(word for branch in candidates for word in branch.words.get(key, ())))
        candidates = named
    return None


def is_only_choice(branch: Schema, value: Any, branches: Sequence[Schema], root: Schema) -> bool:
    """Whether no other alternative can take a value: its `type` or `task` is a word of this one only."""
    if not isinstance(value, dict):
        return False
    left = _admitting(value, branches, root)
    for key in DISCRIMINATORS:
        word = value.get(key)
        if isinstance(word, str):
            left = [one for one in left if one.may_have(key, word.lower())]
    return len(left) == 1 and left[0].schema is branch


class _Branch:
    """One alternative, and what tells it from the others."""

    __slots__ = (
        "_parts", "any_type", "folded", "has", "open", "pattern", "properties", "required", "root", "schema", "texts",
        "types", "words",
    )  # fmt: skip

    def __init__(self, schema: Schema, root: Schema) -> None:
        self.schema = schema
        self.root = root
        types = types_of(schema)
        self.types = frozenset((*types, "integer") if "number" in types else types)
        self.any_type = not types
        self.texts = frozenset(str(word).lower() for word in schema["enum"]) if "enum" in schema else None
        self.pattern: str | None = schema.get("pattern")
        self._parts: dict[str, frozenset[str]] = {}
        properties = schema.get("properties", {})
        self.properties = frozenset(properties)
        self.required = tuple(schema.get("required", ()))
        self.has = frozenset(DISCRIMINATORS) & self.properties
        self.words: dict[str, tuple[str, ...]] = {}
        self.folded: dict[str, frozenset[str]] = {}
        self.open: dict[str, bool] = {}
        for key in self.has:
            declared = resolve(properties[key], root)
            words = declared.get("enum", [declared["const"]] if "const" in declared else [])
            self.words[key] = tuple(word for word in words if isinstance(word, str))
            self.folded[key] = frozenset(word.lower() for word in self.words[key])
            self.open[key] = bool(declared) and "enum" not in declared and "const" not in declared

    def may_have(self, key: str, folded: str) -> bool:
        """Whether a discriminator may have a word, given in lower case."""
        if key not in self.has:
            return self.schema.get("additionalProperties") is not False
        return self.open[key] or folded in self.folded[key]

    def takes_text(self, value: str) -> bool:
        """Whether text is one of the words, or of the form, that the alternative wants."""
        if self.texts is not None:
            return value.lower() in self.texts
        return self.pattern is None or re.search(self.pattern, value) is not None

    def fit(self, value: dict[str, Any]) -> int:
        """How well the keys of a map fit, and the JSON types of what they hold: the higher the better."""
        fit = 0
        for key in self.required:
            if key not in value:
                fit -= 4
        for key, item in value.items():
            if key not in self.properties:
                fit -= 2
            elif not self._takes(key, item):
                fit -= 1
        return fit

    def misspelt(self, value: dict[str, Any]) -> int:
        """What the fit gains by keys that are probably meant to be missing ones."""
        unknown = [key for key in value if key not in self.properties]
        return 5 * sum(1 for key in self.required if key not in value and closest(key, unknown))

    def _takes(self, key: str, item: Any) -> bool:
        types = self._parts.get(key)
        if types is None:
            alternatives = [types_of(part) for part in _flat([self.schema["properties"][key]], self.root)]
            named = {name for types in alternatives for name in types} if all(alternatives) else set()
            types = self._parts[key] = frozenset(named | {"integer"} if "number" in named else named)
        return not types or type_of(item) in types


def _admitting(value: Any, branches: Sequence[Schema], root: Schema) -> list[_Branch]:
    """The alternatives that take values of this JSON type."""
    seen = _known.get(id(branches))
    if seen is None or seen.branches is not branches:
        seen = _known[id(branches)] = _Seen(branches, [_Branch(schema, root) for schema in _flat(branches, root)], {})
    name = type_of(value)
    found = seen.by_type.get(name)
    if found is None:
        found = seen.by_type[name] = [branch for branch in seen.all if branch.any_type or name in branch.types]
    return found


class _Seen(NamedTuple):
    """Alternatives that were looked into. The list itself is kept too: an id counts as long as its object lives."""

    branches: Sequence[Schema]
    all: list[_Branch]
    by_type: dict[str, list[_Branch]]


_known: dict[int, _Seen] = {}


def _flat(branches: Sequence[Schema], root: Schema) -> list[Schema]:
    """The alternatives, those of an alternative that is itself a choice among them."""
    found: list[Schema] = []
    for branch in branches:
        resolved = resolve(branch, root)
        found += _flat(resolved["anyOf"], root) if "anyOf" in resolved else [resolved]
    return found


def _named(candidates: list[_Branch], key: str, word: Any) -> list[_Branch] | None:
    """Those with this value of a discriminator; all when it says nothing, None when it is wrong for all of them."""
    if not isinstance(word, str) or not any(key in branch.has for branch in candidates):
        return candidates
    folded = word.lower()
    closed = [branch for branch in candidates if folded in branch.folded.get(key, ())]
    return closed or [branch for branch in candidates if branch.open.get(key)] or None
