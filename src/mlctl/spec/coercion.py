"""What az forgives, put right before validation; and the YAML 1.1 traps that a valid document may still hold.

Guided by the schema: enum values in any case and spelling of case, whole numbers and booleans written as text,
read-only keys dropped.
"""

from __future__ import annotations

import re
from typing import Any

from mlctl.spec.branches import choose_branch
from mlctl.spec.document import Document, KeyPath, dotted
from mlctl.spec.problems import Problem
from mlctl.spec.schema import Schema, resolve, types_of

_WHOLE = re.compile(r"[+-]?[0-9]{1,18}")
_TRUE = frozenset({"true", "yes", "on", "y", "t", "1"})
_FALSE = frozenset({"false", "no", "off", "n", "f", "0"})
_HUMP = re.compile(r"(?<=[a-z0-9])([A-Z])|(?<=[A-Z])([A-Z])(?=[a-z])")
_LOST_ZERO = re.compile(r"[+-]?[1-9][0-9]*\.[0-9]+0")


def coerce(document: Document, root: Schema) -> tuple[Any, list[Problem]]:
    """A copy of the document's data as the validator wants it, and what is to say about values that YAML misread."""
    coercion = _Coercion(document, root)
    return coercion.value(document.data, root, ()), coercion.found


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
        if isinstance(value, float) and _LOST_ZERO.fullmatch(raw) and raw != str(value):
            return f"{raw} without quotes is the number {value}, its last zero is lost"
    return None


class _Coercion:
    def __init__(self, document: Document, root: Schema) -> None:
        self.document = document
        self.root = root
        self.found: list[Problem] = []
        self.dates = frozenset(found.path for found in document.warnings if found.code == "yaml_date")

    def value(self, value: Any, schema: Schema, path: KeyPath) -> Any:
        schema = resolve(schema, self.root)
        if value is not None and "anyOf" in schema:
            branch = choose_branch(value, schema["anyOf"], self.root)
            return value if branch is None else self.value(value, branch, path)
        if isinstance(value, dict):
            return self._map(value, schema, path)
        if isinstance(value, list):
            return [self.value(item, schema.get("items", {}), (*path, index)) for index, item in enumerate(value)]
        return self._scalar(value, schema, path)

    def _scalar(self, value: Any, schema: Schema, path: KeyPath) -> Any:
        types = tuple(name for name in types_of(schema) if name != "null")
        if isinstance(value, str):
            if self.dates and "string" in types and dotted(path) in self.dates:
                self._refuse_date(value, path)
            return _coerce_text(value, schema, types)
        if types == ("boolean",) and value in (0, 1):
            return bool(value)
        if isinstance(value, float) and types == ("integer",) and value.is_integer():
            return int(value)
        if ("string" in types or types == ("integer",)) and _is_fine(value, types):
            self._warn_of_trap(value, path)
        return value

    def _map(self, value: dict[str, Any], schema: Schema, path: KeyPath) -> dict[str, Any]:
        properties = schema.get("properties", {})
        others = schema.get("additionalProperties") or {}
        result = {}
        for key, item in value.items():
            part = resolve(properties.get(key, others), self.root)
            if not part.get("readOnly"):
                result[key] = self.value(item, part, (*path, key))
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


def _coerce_text(value: str, schema: Schema, types: tuple[str, ...]) -> Any:
    if schema.get("x-case-sensitive"):
        return value
    if "enum" in schema:
        lowered = {member.lower(): member for member in schema["enum"] if isinstance(member, str)}
        return lowered.get(value.lower()) or lowered.get(_snake(value)) or value
    if types == ("integer",) and _WHOLE.fullmatch(value.strip()):
        return int(value)
    if types == ("boolean",) and value.lower() in _TRUE | _FALSE:
        return value.lower() in _TRUE
    return value


def _snake(value: str) -> str:
    """`AadToken` as `aad_token`: az takes the words of its REST interface too."""
    return _HUMP.sub(r"_\g<0>", value).lower().lstrip("_")


def _is_fine(value: Any, types: tuple[str, ...]) -> bool:
    """Whether validation will let the value pass; what it refuses gets its message there."""
    if isinstance(value, bool):
        return "boolean" in types
    return "integer" in types if isinstance(value, int) else "number" in types
