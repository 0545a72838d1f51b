"""Schemas as a walk through a document wants them: references followed, words folded, each looked into once.

A shape can also say that a value **certainly fits** its schema, or why it plainly does not. In doubt it says neither,
and the validator is asked (`mlctl.spec.validate`): to load it and to compile schemas costs more than to read the files.
`tests/unit/spec/test_schema_properties.py` holds the two together. Schemas stay for the life of the process, so what
was seen is kept with them.
"""

from __future__ import annotations

import functools
import re
from typing import Any, NamedTuple

from mlctl.spec.schema import Schema, resolve, types_of

_TYPES: dict[str, tuple[type, ...]] = {
    "string": (str,),
    "boolean": (bool,),
    "integer": (int,),
    "number": (int, float),
    "object": (dict,),
    "array": (list,),
    "null": (type(None),),
}
INLINE_ENVIRONMENT = "an inline environment"
"""Title of the schema of an environment that is written out where it is used."""

_MARKS = frozenset({"x-local", "x-asset", "x-file", "x-bare"})

_SAFE_NUMBER = 2**53  # beyond it a number need not be the same for everyone


class Refusal(NamedTuple):
    """Why a value does not fit: the rule, by the validator's name for it, and the keys that it is about."""

    keyword: str
    keys: tuple[str, ...] = ()


class Shape:
    """One schema, its `$ref` followed.

    `types`: names of the JSON types that it admits, but for null; empty for any. `branches`: its alternatives.
    `words`: the words of an enum by their lower case; None without, and where their case counts. `forgives`: whether
    some texts are taken for something else. `marked`: what stands here is a reference or a local path. `is_free_text`:
    text fits as it is. `needed`: the keys that are required, which `required` has in their order.
    `is_environment`: an inline environment, whose own references belong to it.
    """

    __slots__ = (
        "_admitted", "_items", "_members", "_others", "_parts", "_pattern", "_properties", "_root", "_takes_text",
        "branches", "forgives", "is_environment", "is_free_text", "marked", "needed", "read_only", "required", "schema",
        "types", "words",
    )  # fmt: skip

    def __init__(self, schema: Schema, root: Schema) -> None:
        self.schema = schema
        self._root = root
        self._members = schema.get("enum", [schema["const"]] if "const" in schema else None)
        types = types_of(schema)
        self._admitted = _admitted((*types, "null") if self._members and None in self._members else types)
        self._pattern: str | None = schema.get("pattern")
        self._properties: Schema = schema.get("properties", {})
        self._parts: dict[str, Shape] = {}
        self._others: Shape | None = None
        self._items: Shape | None = None
        self.types = tuple(name for name in types if name != "null") if "null" in types else types
        self.branches: list[Schema] | None = schema.get("anyOf")
        self.required: tuple[str, ...] = tuple(schema.get("required", ()))
        self.needed = frozenset(self.required)
        self.marked = not _MARKS.isdisjoint(schema)
        self.is_environment = schema.get("title") == INLINE_ENVIRONMENT
        self.read_only = bool(schema.get("readOnly"))
        self.words: dict[str, str] | None = None
        if "enum" in schema and not schema.get("x-case-sensitive"):
            self.words = {word.lower(): word for word in schema["enum"] if isinstance(word, str)}
        self.forgives = self.words is not None or (
            self.types in (("integer",), ("boolean",)) and not schema.get("x-case-sensitive")
        )
        self._takes_text = (
            (not types or "string" in types)
            and self._members is None
            and self.branches is None
            and self._pattern is None
            and "minLength" not in schema
        )
        self.is_free_text = self._takes_text and not self.forgives and not self.marked

    def part(self, key: str) -> Shape | None:
        """The shape of what stands under a key; None when the key is not known here."""
        found = self._parts.get(key)
        if found is None:
            if key not in self._properties:
                return self._other()
            found = self._parts[key] = shape_of(self._properties[key], self._root)
        return found

    def _other(self) -> Shape | None:
        if self._others is None and (others := self.schema.get("additionalProperties")) is not False:
            self._others = ANY if others is None else shape_of(others, self._root)
        return self._others

    def item(self) -> Shape:
        """The shape of the items of a list."""
        if self._items is None:
            self._items = shape_of(self.schema["items"], self._root) if "items" in self.schema else ANY
        return self._items

    def admits(self, value: Any) -> bool:
        """Whether a value has the right JSON type."""
        return not self._admitted or type(value) in self._admitted

    def fits(self, value: Any) -> bool:
        """Whether a value that is no map and no list certainly fits; alternatives are the caller's to choose from."""
        if self._takes_text and type(value) is str:
            return True
        if self.branches is not None or not self.admits(value):
            return False
        if self._members is not None:
            return value in self._members
        if type(value) is str:
            return len(value) >= self.schema.get("minLength", 0) and (self._pattern is None or self._is_written(value))
        return value is None or type(value) is bool or self._is_within(value)

    def refusals(self, value: Any) -> list[Refusal] | None:
        """Why a value does not fit, where that is plain; None when the validator has to tell."""
        if self.branches is not None or type(value) in (int, float):
            return None
        if not self.admits(value):
            return [Refusal("Type" if self._members is None else "Enum")]
        if isinstance(value, dict):
            unknown = tuple(key for key in value if self.part(key) is None)
            lacking = [Refusal("Required", (key,)) for key in self.required if key not in value]
            return [*([Refusal("AdditionalProperties", unknown)] if unknown else []), *lacking]
        return self._refusals_of_text(value) if isinstance(value, str) else None

    def _refusals_of_text(self, text: str) -> list[Refusal] | None:
        if self._members is not None:
            return [Refusal("Enum")] if text not in self._members else []
        if len(text) < self.schema.get("minLength", 0) or self._pattern is None or not _is_plain(text):
            return None
        return [] if self._is_written(text) else [Refusal("Pattern")]

    def _is_written(self, text: str) -> bool:
        """Whether text is as the pattern wants it, where Python and JSON Schema read patterns alike."""
        assert self._pattern is not None
        return _is_plain(text) and re.search(self._pattern, text) is not None

    def _is_within(self, number: float) -> bool:
        schema = self.schema
        return (
            -_SAFE_NUMBER < number < _SAFE_NUMBER
            and number >= schema.get("minimum", number)
            and number <= schema.get("maximum", number)
            and ("exclusiveMinimum" not in schema or number > schema["exclusiveMinimum"])
        )


def _is_plain(text: str) -> bool:
    """Whether Python and JSON Schema read a pattern alike on this text."""
    return text.isascii() and text.isprintable()


@functools.cache
def _admitted(types: tuple[str, ...]) -> frozenset[type]:
    """The types of Python that stand for JSON types; a few sets for all shapes."""
    return frozenset(kind for name in types for kind in _TYPES[name])


def shape_of(schema: Schema, root: Schema) -> Shape:
    """The shape of a schema, or of the one that it refers to. Definitions are the same for all roots."""
    resolved = resolve(schema, root)
    found = _known.get(id(resolved))
    if found is None:
        found = _known[id(resolved)] = Shape(resolved, root)
    return found


_known: dict[int, Shape] = {}
"""By the id of the schema, which the shape keeps alive."""

ANY = Shape({}, {})
"""Of what nothing is known."""
