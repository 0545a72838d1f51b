"""Steps that repeat another: what decides about the next round and what is handed on to it is the repeated step's."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from mlctl.spec.check import SpecCheck
from mlctl.spec.document import KeyPath, dotted
from mlctl.spec.problems import closest
from mlctl.spec.references import find_expressions
from mlctl.spec.rules.interface import Port
from mlctl.spec.rules.steps import Step


def check_loop(spec: SpecCheck, step: Step, steps: Mapping[str, Step]) -> None:
    """The condition of a `do_while` names an output of its body, its mapping leads from outputs to inputs of it.

    Names that are written as expressions are checked with all others.
    """
    body = steps.get(_body_of(step.data.get("body")))
    if body is None:
        return
    for path, name, group in _names(step):
        ports = body.interface.outputs if group == "outputs" else body.interface.inputs
        if ports is not None and spec.is_sound(path) and "${{" not in name and name not in ports:
            _tell(spec, path, name, (body.name, group), ports)


def _body_of(value: Any) -> str:
    """Name of the step that `${{parent.jobs.<step>}}` or a bare word means; empty for anything else."""
    if not isinstance(value, str):
        return ""
    expressions = find_expressions(value)
    return (expressions[0].path or "").removeprefix("parent.jobs.") if expressions else value


def _names(step: Step) -> Iterator[tuple[KeyPath, str, str]]:
    """Place and name of each output and input that the step names, and the group that it must be in."""
    condition, mapping = step.data.get("condition"), step.data.get("mapping")
    if isinstance(condition, str):
        yield (*step.path, "condition"), condition, "outputs"
    for output, inputs in mapping.items() if isinstance(mapping, Mapping) else ():
        path: KeyPath = (*step.path, "mapping", output)
        yield path, str(output), "outputs"
        if isinstance(inputs, str):
            yield path, inputs, "inputs"
        for index, name in enumerate(inputs if isinstance(inputs, list) else ()):
            if isinstance(name, str):
                yield (*path, index), name, "inputs"


def _tell(spec: SpecCheck, path: KeyPath, name: str, whose: tuple[str, str], ports: Mapping[str, Port]) -> None:
    step, group = whose
    match = closest(name, ports)
    hint = f"did you mean '{match}'?" if match else f"it has: {', '.join(ports) or 'none'}"
    message = f"'{dotted(path)}': step '{step}' has no {group[:-1]} '{name}'"
    on_key = name == path[-1] and group == "outputs"
    spec.error("unknown_port", path, message, value=name, hint=hint, on_key=on_key)
