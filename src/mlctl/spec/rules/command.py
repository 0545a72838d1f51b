"""What runs a command: its variables, resources and expressions. Command jobs, trials, steps and components share
it."""

from __future__ import annotations

import re
import shlex
from collections.abc import Collection, Mapping
from typing import Any

from mlctl.spec.bindings import binding_problems, optional_part_warnings
from mlctl.spec.check import SpecCheck
from mlctl.spec.document import KeyPath, dotted
from mlctl.spec.rules.ports import check_inputs, check_outputs, declared

_VARIABLE_NAME = r"[^=\s\0]+"


def check_command_job(spec: SpecCheck) -> None:
    """Check a command job."""
    check_inputs(spec, ("inputs",))
    check_outputs(spec, ("outputs",))
    check_command(spec, (), declared(spec))


def check_command(spec: SpecCheck, path: KeyPath, names: Mapping[str, Collection[str]]) -> None:
    """Check the command, variables and resources at `path`. `names`: what expressions may name, by their first word."""
    check_variables(spec, path, names)
    check_resources(spec, (*path, "resources"))
    check_expressions(spec, (*path, "command"), names)


def check_expressions(spec: SpecCheck, path: KeyPath, names: Mapping[str, Collection[str]]) -> None:
    """Check the expressions and optional parts of the text at `path`, if there is one."""
    text = spec.mapping(*path[:-1]).get(str(path[-1]))
    if isinstance(text, str) and spec.is_sound(path):
        spec.problems += binding_problems(spec.document, path, text, names)
        spec.problems += optional_part_warnings(spec.document, path, text)


def check_variables(spec: SpecCheck, path: KeyPath, names: Mapping[str, Collection[str]]) -> None:
    """Check names and values of the environment variables of what stands at `path`."""
    given = spec.mapping(*path).get("environment_variables")
    place: KeyPath = (*path, "environment_variables")
    if not isinstance(given, dict | list) or not spec.is_sound(place):
        return
    for key, name, value in variable_items(given):
        here: KeyPath = (*place, key)
        if not re.fullmatch(_VARIABLE_NAME, name):
            message = f"'{dotted(here)}': '{name}' cannot be the name of a variable"
            spec.error("invalid_name", here, message, value=name, hint="use letters, digits and '_'", on_key=True)
        text = "" if value is None else str(value)
        if "\0" in text:
            spec.error("invalid_value", here, f"'{dotted(here)}' holds a NUL character", hint="remove it")
        spec.problems += binding_problems(spec.document, here, text, names)


def check_resources(spec: SpecCheck, path: KeyPath) -> None:
    """Check what is related within `resources`."""
    value = spec.mapping(*path)
    if not value or not spec.is_sound(path):
        return
    words = value.get("docker_args")
    if isinstance(words, str):
        try:
            shlex.split(words)
        except ValueError as error:
            message = f"'{dotted((*path, 'docker_args'))}' cannot be split into words: {str(error).lower()}"
            hint = "close the quotes, or write a list of words"
            spec.error("invalid_value", (*path, "docker_args"), message, value=words, hint=hint)
    most, count = value.get("max_instance_count"), value.get("instance_count", 1)
    if isinstance(most, int) and isinstance(count, int) and most < count:
        here = (*path, "max_instance_count")
        message = f"'{dotted(here)}' is {most}, less than instance_count ({count})"
        spec.error("out_of_range", here, message, value=most, hint=f"write at least {count}")


def variable_items(given: Any) -> list[tuple[str | int, str, Any]]:
    """Key in the document, name and value of each variable; from the map or the list form."""
    if isinstance(given, dict):
        return [(name, name, value) for name, value in given.items()]
    items: list[tuple[str | int, str, Any]] = []
    for index, entry in enumerate(given):
        if isinstance(entry, dict):
            items.append((index, str(entry.get("name", "")), entry.get("value")))
        else:
            name, _, value = str(entry).partition("=")
            items.append((index, name, value))
    return items
