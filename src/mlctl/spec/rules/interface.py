"""What a component or a step takes and gives: its declared inputs and outputs, and whether a value fits one."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, NamedTuple, TypeGuard

from mlctl.spec.check import SpecCheck
from mlctl.spec.document import KeyPath, dotted

PRIMITIVES = ("string", "integer", "number", "boolean")
DATA = ("uri_file", "uri_folder", "mltable", "custom_model", "mlflow_model", "triton_model", "path")

_WIDER = {"integer": ("number", "string"), "number": ("string",), "boolean": ("string",)}
"""Primitive type -> the types that take its values too."""

_TRUTH = frozenset({"true", "false"})


class Port(NamedTuple):
    """A declared input or output. `type` None: not known. `required`: a step must give it."""

    name: str
    type: str | None = None
    required: bool = False
    declaration: Mapping[str, Any] | None = None

    @property
    def is_primitive(self) -> bool:
        """Whether it takes a literal and no data."""
        return self.type in PRIMITIVES

    @property
    def is_data(self) -> bool:
        """Whether it takes data and no literal."""
        return self.type in DATA


class Interface(NamedTuple):
    """Inputs and outputs by name; None when they are not known (a component on a server)."""

    inputs: Mapping[str, Port] | None
    outputs: Mapping[str, Port] | None


UNKNOWN = Interface(None, None)


def declared_interface(spec: SpecCheck, path: KeyPath = ()) -> Interface:
    """The interface that the component at `path` declares."""
    data = spec.mapping(*path)
    return Interface(*(_known(spec, (*path, group), _declared(data, group)) for group in ("inputs", "outputs")))


def given_interface(spec: SpecCheck, path: KeyPath = ()) -> Interface:
    """The interface of the job or the inline step at `path`, whose inputs and outputs are given, not declared."""
    data = spec.mapping(*path)
    inputs = {name: Port(name, type_given(value)) for name, value in mapping_in(data, "inputs").items()}
    outputs = {name: Port(name, _type_of_output(value)) for name, value in mapping_in(data, "outputs").items()}
    return Interface(_known(spec, (*path, "inputs"), inputs), _known(spec, (*path, "outputs"), outputs))


def _known(spec: SpecCheck, path: KeyPath, ports: dict[str, Port]) -> dict[str, Port] | None:
    """The ports, unless all of them are wrong: then nobody knows what is there. Of a file of its own in which the key
    is misspelt there is a mere warning, and it has none."""
    key = dotted(path)
    if key not in spec.refused or (spec.is_done and key in spec.misspelt):
        return ports
    spec.is_told(path)
    return None


def type_given(value: Any) -> str | None:
    """The type of an input's value: of a literal, or what a data input says it is; None when it cannot be told."""
    if isinstance(value, dict):
        if "value" in value:
            return type_given(value["value"])
        kind = value.get("type")
        return kind if isinstance(kind, str) else None
    if isinstance(value, bool):
        return "boolean"
    if isinstance(value, int):
        return "integer"
    if isinstance(value, float):
        return "number"
    # text may be a literal, or a path where data is expected
    return None


def fits(source: Port, target: Port) -> bool:
    """Whether what `source` holds may be given to `target`, as far as both types are known."""
    if source.type is None or target.type is None or source.type == target.type:
        return True
    if source.is_primitive and target.is_primitive:
        return source.type == "string" or target.type in _WIDER[source.type]
    return source.is_primitive == target.is_primitive


def refuse_literal(value: Any, port: Port) -> str | None:
    """Why a literal cannot be the value of a port, in words that follow 'is …'; None when it can."""
    if port.is_data:
        return None if isinstance(value, str) else f"a literal, {port.type} data is expected"
    if port.type == "boolean":
        return None if isinstance(value, bool) or str(value).lower() in _TRUTH else "not true or false"
    if port.type == "integer":
        number = as_number(value)
        if number is None or number != int(number):
            return "not a whole number"
    elif port.type == "number" and as_number(value) is None:
        return "not a number"
    declaration = port.declaration or {}
    allowed = declaration.get("enum")
    if isinstance(allowed, list) and allowed and _text(value) not in {_text(word) for word in allowed}:
        return f"not one of: {', '.join(_text(word) for word in allowed)}"
    return _outside(value, declaration) if port.type in ("integer", "number") else None


def is_number(value: Any) -> TypeGuard[int | float]:
    """Whether a value is a number of YAML; true and false are none."""
    return isinstance(value, int | float) and not isinstance(value, bool)


def _outside(value: Any, declaration: Mapping[str, Any]) -> str | None:
    number = as_number(value)
    low, high = as_number(declaration.get("min")), as_number(declaration.get("max"))
    if number is None:
        return None
    if low is not None and number < low:
        return f"less than its min, {declaration['min']}"
    if high is not None and number > high:
        return f"more than its max, {declaration['max']}"
    return None


def as_number(value: Any) -> float | None:
    """The number that a value is or that its text writes; None when it is none."""
    if isinstance(value, bool):
        return None
    try:
        number = float(value)
    except (TypeError, ValueError):
        return None
    return number if abs(number) < 1e300 else None


def _text(value: Any) -> str:
    return str(value).lower() if isinstance(value, bool) else str(value)


def _declared(data: Mapping[str, Any], group: str) -> dict[str, Port]:
    ports = {}
    for name, value in mapping_in(data, group).items():
        declaration = value if isinstance(value, dict) else {}
        kind = declaration.get("type")
        required = group == "inputs" and declaration.get("optional") is not True and "default" not in declaration
        ports[name] = Port(name, kind if isinstance(kind, str) else None, required, declaration)
    return ports


def _type_of_output(value: Any) -> str | None:
    if isinstance(value, dict):
        kind = value.get("type", "uri_folder")
        return kind if isinstance(kind, str) else None
    return None


def mapping_in(data: Mapping[str, Any], key: str) -> Mapping[str, Any]:
    """The map under a key; empty when there is none, or something else."""
    value = data.get(key)
    return value if isinstance(value, dict) else {}
