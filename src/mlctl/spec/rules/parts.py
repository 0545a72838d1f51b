"""What rules share: a value that the schema let pass, and a key that has to be there."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Mapping
from typing import Any, NamedTuple

from mlctl.spec.check import SpecCheck
from mlctl.spec.document import KeyPath, dotted, value_at
from mlctl.spec.problems import INCOMPLETE

_PLACEHOLDER = r"<[^<>]*>|\$\{?[A-Za-z_]\w*\}?|\{\{|@@"


def raw(spec: SpecCheck, *path: str | int) -> Any:
    """The value at a path, sound or not; None when there is none."""
    return value_at(spec.data, path)


def part(spec: SpecCheck, *path: str | int) -> Any:
    """The value at a path; None when there is none, or when the schema refused it or something in it."""
    value = raw(spec, *path)
    return value if value is not None and spec.is_sound(path) else None


def text(spec: SpecCheck, *path: str | int) -> str | None:
    """The text at a path; None when it is something else, or not sound."""
    value = part(spec, *path)
    return value if isinstance(value, str) else None


def number(spec: SpecCheck, *path: str | int) -> float | None:
    """The number at a path; None when it is something else, or not sound."""
    value = part(spec, *path)
    return value if isinstance(value, int | float) and not isinstance(value, bool) else None


def has(spec: SpecCheck, *path: str | int) -> bool:
    """Whether a key stands in the document, with whatever value."""
    above = raw(spec, *path[:-1])
    return path[-1] in above if isinstance(above, dict) else raw(spec, *path) is not None


def maps_in(spec: SpecCheck, *path: str | int) -> Iterator[tuple[KeyPath, Mapping[str, Any]]]:
    """Path and map of each map in the list or the map at a path."""
    here = raw(spec, *path)
    members: Iterable[tuple[str | int, Any]] = ()
    if isinstance(here, dict):
        members = here.items()
    elif isinstance(here, list):
        members = enumerate(here)
    for key, value in members:
        if isinstance(value, dict):
            yield (*path, key), value


def require(spec: SpecCheck, path: KeyPath, *, hint: str, message: str | None = None) -> bool:
    """Tell that a key is missing, unless it is there or was told to be missing. Whether it is there."""
    if has(spec, *path):
        return True
    if spec.is_sound(path) and not any(found.path == dotted(path) for found in spec.problems):
        spec.error("missing_key", path, message or f"'{dotted(path)}' is missing", hint=hint)
    return False


def leave_to_option(spec: SpecCheck, path: KeyPath, *, option: str, message: str | None = None) -> None:
    """Tell that a key is missing which an option of the command can supply."""
    if has(spec, *path) or any(found.path == dotted(path) for found in spec.problems):
        return
    message = message or f"'{dotted(path)}' is left to an option of the command"
    hint = f"give {option}, or add '{path[-1]}: …'"
    spec.problems.append(spec.document.problem("left_to_option", path, message, hint=hint, severity=INCOMPLETE))


def is_placeholder(value: str) -> bool:
    """Whether a text holds a `<name>`, `${NAME}`, `$NAME` or `{{name}}` that somebody is still to fill in."""
    return re.search(_PLACEHOLDER, value) is not None


class Range(NamedTuple):
    """Numbers that a key takes. `high` None: no upper end."""

    path: KeyPath
    low: float
    high: float | None = None
    unit: str = ""


def check_range(spec: SpecCheck, limits: Range) -> None:
    """A number lies in its range. What the schema refused already is not told again."""
    value = number(spec, *limits.path)
    if value is None:
        return
    if value < limits.low:
        end, hint = f"at least {limits.low:g}", f"write a number from {limits.low:g}"
    elif limits.high is not None and value > limits.high:
        end, hint = f"at most {limits.high:g}", f"write a number from {limits.low:g} to {limits.high:g}"
    else:
        return
    unit = f" {limits.unit}" if limits.unit else ""
    message = f"'{dotted(limits.path)}' is {value:g}, it must be {end}{unit}"
    spec.error("out_of_range", limits.path, message, value=value, hint=hint)
