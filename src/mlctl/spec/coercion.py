"""What az forgives, put right before validation; and the YAML 1.1 traps that a valid document may still hold.

Guided by the schema: enum values in any case and spelling of case, whole numbers and booleans written as text,
read-only keys dropped. It is the one walk through every document, so it also sees what does not certainly fit, and what
the schema marks.
"""

from __future__ import annotations

import re
from typing import Any, NamedTuple

from mlctl.spec.branches import choose_branch, is_only_choice
from mlctl.spec.document import Document, KeyPath, dotted
from mlctl.spec.problems import Problem
from mlctl.spec.schema import Schema
from mlctl.spec.shapes import ANY, Shape, shape_of

_WHOLE = r"[+-]?[0-9]{1,18}"
_TRUE = frozenset({"true", "yes", "on", "y", "t", "1"})
_FALSE = frozenset({"false", "no", "off", "n", "f", "0"})
_HUMP = r"(?<=[a-z0-9])([A-Z])|(?<=[A-Z])([A-Z])(?=[a-z])"
_LOST_ZERO = r"[+-]?[1-9][0-9]*\.[0-9]+0"


class Coerced(NamedTuple):
    """A copy of a document's data as the validator wants it.

    `found`: what is to say about values that YAML misread. `doubts`: what does not certainly fit the schema; the rest
    does. `marked`: references and local paths, in the order of the file.
    """

    data: Any
    found: list[Problem]
    doubts: list[Doubt]
    marked: list[Marked]


class Doubt(NamedTuple):
    """A value that the validator has to be asked about, with its schema.

    Of a map or a list only itself is in doubt, not what it holds; where another alternative may take it, all of it.
    """

    path: KeyPath
    value: Any
    schema: Schema


class Marked(NamedTuple):
    """A text that is a reference or a local path, or an inline environment, with the schema that says so."""

    path: KeyPath
    value: Any
    schema: Schema


def coerce(document: Document, root: Schema) -> Coerced:
    """Put right what az forgives."""
    coercion = _Coercion(document, root)
    data = coercion.value(document.data, shape_of(root, root), ())
    return Coerced(data, coercion.found, coercion.doubts, coercion.marked)


def misread(document: Document, path: KeyPath, value: Any) -> str | None:
    """How YAML 1.1 took an unquoted scalar for something else than it looks like, as a phrase; None if it did not."""
    mark = document.marks.get(path)
    if mark is None or not mark.plain or mark.raw is None:
        return None
    raw = mark.raw
    if isinstance(value, bool) and raw.lower() not in ("true", "false"):
        return f"{raw} without quotes is the boolean {str(value).lower()}"
    if isinstance(value, int | float) and not isinstance(value, bool):
        if ":" in raw:
            return f"{raw} without quotes is a number to the base of 60, {value}"
        if isinstance(value, int) and re.fullmatch(r"[+-]?0[0-7_]+", raw):
            return f"{raw} without quotes is an octal number, {value}"
        if isinstance(value, float) and re.fullmatch(_LOST_ZERO, raw) and raw != str(value):
            return f"{raw} without quotes is the number {value}, its last zero is lost"
    return None


class _Coercion:
    def __init__(self, document: Document, root: Schema) -> None:
        self.document = document
        self.root = root
        self.found: list[Problem] = []
        self.doubts: list[Doubt] = []
        self.marked: list[Marked] = []
        self.dates = frozenset(found.path for found in document.warnings if found.code == "yaml_date")

    def value(self, value: Any, shape: Shape, path: KeyPath) -> Any:
        if shape.is_free_text and type(value) is str and not self.dates:
            return value
        if shape.branches is not None:
            return self._choice(value, shape, shape.branches, path)
        if isinstance(value, dict):
            return self._map(value, shape, path)
        if isinstance(value, list):
            item_shape = shape.item()
            result = [self.value(item, item_shape, (*path, index)) for index, item in enumerate(value)]
            if not shape.admits(result):
                self.doubts.append(Doubt(path, result, shape.schema))
            return result
        value = self._scalar(value, shape, path)
        if not shape.fits(value):
            self.doubts.append(Doubt(path, value, shape.schema))
        if shape.marked and isinstance(value, str):
            self.marked.append(Marked(path, value, shape.schema))
        return value

    def _choice(self, value: Any, shape: Shape, branches: list[Schema], path: KeyPath) -> Any:
        """A value with alternatives, as the one that was meant wants it."""
        branch = choose_branch(value, branches, self.root)
        if branch is None:
            self.doubts.append(Doubt(path, value, shape.schema))
            return value
        doubts_before = len(self.doubts)
        result = self.value(value, shape_of(branch, self.root), path)
        if len(self.doubts) > doubts_before and not is_only_choice(branch, value, branches, self.root):
            # another alternative may take it
            self.doubts[doubts_before:] = [Doubt(path, result, shape.schema)]
        return result

    def _scalar(self, value: Any, shape: Shape, path: KeyPath) -> Any:
        types = shape.types
        if isinstance(value, str):
            if self.dates and "string" in types and dotted(path) in self.dates:
                self._refuse_date(value, path)
            return _coerce_text(value, shape) if shape.forgives else value
        if types == ("boolean",) and value in (0, 1):
            return bool(value)
        if isinstance(value, float) and types == ("integer",) and value.is_integer():
            return int(value)
        if ("string" in types or types == ("integer",)) and _is_fine(value, types):
            self._warn_of_trap(value, path)
        return value

    def _map(self, value: dict[str, Any], shape: Shape, path: KeyPath) -> dict[str, Any]:
        result: dict[str, Any] = {}
        marked_before = len(self.marked)
        fits = shape.admits(value)
        for key, item in value.items():
            part = shape.part(key)
            if part is None:
                fits = False
                part = ANY
            if not part.read_only:
                result[key] = self.value(item, part, (*path, key))
        if not fits or not result.keys() >= shape.needed:
            self.doubts.append(Doubt(path, result, shape.schema))
        if shape.is_environment:
            # its files are read with it
            self.marked[marked_before:] = [Marked(path, result, shape.schema)]
        return result

    def _refuse_date(self, value: str, path: KeyPath) -> None:
        message = f"'{dotted(path)}': {value} without quotes is a date for az, text is expected"
        hint = f'write it in quotes: "{value}"'
        self.found.append(self.document.problem("yaml_date", path, message, value=value, hint=hint))

    def _warn_of_trap(self, value: Any, path: KeyPath) -> None:
        phrase = misread(self.document, path, value)
        if phrase is None:
            return
        hint = f'if the text is meant, write it in quotes: "{self.document.marks[path].raw}"'
        message = f"'{dotted(path)}': {phrase}"
        self.found.append(self.document.warning("yaml_trap", path, message, value=value, hint=hint))


def _coerce_text(value: str, shape: Shape) -> Any:
    if shape.words is not None:
        return shape.words.get(value.lower()) or shape.words.get(_snake(value)) or value
    if shape.types == ("integer",) and re.fullmatch(_WHOLE, value.strip()):
        return int(value)
    if shape.types == ("boolean",) and value.lower() in _TRUE | _FALSE:
        return value.lower() in _TRUE
    return value


def _snake(value: str) -> str:
    """`AadToken` as `aad_token`: az takes the words of its REST interface too."""
    return re.sub(_HUMP, r"_\g<0>", value).lower().lstrip("_")


def _is_fine(value: Any, types: tuple[str, ...]) -> bool:
    """Whether validation will let the value pass; what it refuses gets its message there."""
    if isinstance(value, bool):
        return "boolean" in types
    return "integer" in types if isinstance(value, int) else "number" in types
