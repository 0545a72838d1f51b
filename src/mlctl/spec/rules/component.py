"""Components: their ports, and the commands that use them."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from mlctl.spec.bindings import position_of
from mlctl.spec.check import SpecCheck
from mlctl.spec.document import KeyPath, dotted
from mlctl.spec.references import find_expressions, find_optional_parts
from mlctl.spec.rules.command import check_command, check_expressions
from mlctl.spec.rules.interface import Port, as_number, refuse_literal
from mlctl.spec.rules.parallel import check_parallel
from mlctl.spec.rules.ports import check_port_name, declared
from mlctl.spec.rules.spark import check_entry


def check_component(spec: SpecCheck) -> None:
    """Check a component of any type."""
    check_ports(spec, ())
    check_component_body(spec, (), spec.kind.name)


def check_ports(spec: SpecCheck, path: KeyPath) -> None:
    """Check names, defaults and ranges of the declared inputs and outputs of the component at `path`."""
    for group, what in (("inputs", "an input"), ("outputs", "an output")):
        folded: dict[str, str] = {}
        for name, value in spec.mapping(*path, group).items():
            here: KeyPath = (*path, group, name)
            check_port_name(spec, here, name, what)
            twin = folded.setdefault(name.lower(), name)
            if twin != name:
                message = f"'{name}' and '{twin}' differ in case only"
                spec.error("conflict", here, message, value=name, hint="give one of them another name", on_key=True)
            if isinstance(value, dict) and spec.is_sound(here):
                _check_declaration(spec, here, value)


def check_component_body(spec: SpecCheck, path: KeyPath, kind: str) -> None:
    """Check what runs: the command, the parallel task, the spark entry of the component at `path`."""
    names = declared(spec, path)
    if kind == "commandComponent":
        check_command(spec, path, names)
        _check_guards(spec, path)
    elif kind == "parallelComponent":
        check_parallel(spec, path, names)
    elif kind == "sparkComponent":
        check_entry(spec, path)
        check_expressions(spec, (*path, "args"), names)


def _check_declaration(spec: SpecCheck, path: KeyPath, value: Mapping[str, Any]) -> None:
    kind = value.get("type")
    port = Port(str(path[-1]), kind if isinstance(kind, str) else None, declaration=value)
    _check_range(spec, path, value)
    if port.is_data and "default" in value:
        message = f"'{dotted((*path, 'default'))}': data has no default"
        hint = "remove it; 'optional: true' lets the input be left out"
        spec.error("not_allowed", (*path, "default"), message, value=value["default"], hint=hint, on_key=True)
    if port.is_primitive and "default" in value:
        reason = refuse_literal(value["default"], port)
        if reason:
            message = f"'{dotted((*path, 'default'))}' is {reason}"
            hint = f"write a default that fits type {kind}, min, max and enum, or remove it"
            spec.error("type_mismatch", (*path, "default"), message, value=value["default"], hint=hint)


def _check_range(spec: SpecCheck, path: KeyPath, value: Mapping[str, Any]) -> None:
    limits = {key: as_number(value[key]) for key in ("min", "max") if key in value}
    for key, number in limits.items():
        here: KeyPath = (*path, key)
        if value.get("type") not in ("integer", "number"):
            message = f"'{dotted(here)}' is for numbers, the input is a {value.get('type')}"
            spec.error("not_allowed", here, message, value=value[key], hint="remove it", on_key=True)
        elif number is None:
            message = f"'{dotted(here)}' is '{value[key]}', not a number"
            spec.error("type_mismatch", here, message, value=value[key], hint="write a number")
    low, high = limits.get("min"), limits.get("max")
    if low is not None and high is not None and low > high:
        message = f"'{dotted((*path, 'min'))}' is {value['min']}, more than max ({value['max']})"
        spec.error("out_of_range", (*path, "min"), message, value=value["min"], hint="write the smaller number as min")


def _check_guards(spec: SpecCheck, path: KeyPath) -> None:
    """Warn of optional inputs that the command uses outside `$[[ ]]`, where without a value the expression stays; and
    of needed ones inside, which never fall away."""
    command = spec.mapping(*path).get("command")
    if not isinstance(command, str):
        return
    here: KeyPath = (*path, "command")
    inputs = {name: value for name, value in spec.mapping(*path, "inputs").items() if isinstance(value, dict)}
    optional = {name for name, value in inputs.items() if value.get("optional") is True and "default" not in value}
    guarded = [(start, end) for start, end, _ in find_optional_parts(command)]
    told: set[str] = set()
    for expression in find_expressions(command):
        name = (expression.path or "").removeprefix("inputs.")
        if name in optional - told and not any(start <= expression.start < end for start, end in guarded):
            message = f"'{dotted(here)}': input '{name}' is optional, but its use is not"
            hint = f"write $[[--{name} ${{{{inputs.{name}}}}}]], so that it falls away without a value"
            spec.warn("unguarded", here, message, value=name, hint=hint)
            told.add(name)
    for start, end in guarded:
        names = [(found.path or "").removeprefix("inputs.") for found in find_expressions(command[start:end])]
        if names and all(name in inputs and inputs[name].get("optional") is not True for name in names):
            if not spec.is_sound((*path, "inputs")):
                continue
            written = command[start:end]
            message = f"'{dotted(here)}': {written} is always kept, since input '{names[0]}' is not optional"
            hint = f"remove the brackets, or write 'optional: true' for '{names[0]}'"
            at = position_of(spec.document, here, command, start, written)
            spec.warn("optional_part", here, message, value=written, hint=hint, at=at)
