"""Pipelines: named steps, wired to each other and to the pipeline, without a circle, each with a place to run."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping

from mlctl.spec.check import SpecCheck
from mlctl.spec.document import KeyPath, dotted
from mlctl.spec.problems import did_you_mean
from mlctl.spec.rules.automl import check_automl_body
from mlctl.spec.rules.command import check_command, check_expressions, check_resources
from mlctl.spec.rules.component import check_component_body, check_ports
from mlctl.spec.rules.interface import Interface, declared_interface, given_interface
from mlctl.spec.rules.loops import check_loop
from mlctl.spec.rules.parallel import check_parallel
from mlctl.spec.rules.ports import check_inputs, check_outputs, declared
from mlctl.spec.rules.spark import check_conf, check_entry, check_place
from mlctl.spec.rules.steps import CONTROL_FLOW, Step, steps_of
from mlctl.spec.rules.sweep import check_search
from mlctl.spec.rules.wiring import Wiring, job_ports

_MOST_NAMES = 10
_STEP_NAME = r"[a-z_][a-z0-9_]*"


def check_pipeline(spec: SpecCheck) -> None:
    """Check a pipeline job or a pipeline component."""
    is_job = spec.kind.family == "job"
    if is_job:
        check_inputs(spec, ("inputs",), needs_path="component" not in spec.data)
        check_outputs(spec, ("outputs",))
    if "component" in spec.data:
        _check_whole(spec)
        return
    if not spec.mapping("jobs"):
        if spec.is_sound(("jobs",)):
            code = "empty_value" if "jobs" in spec.data else "missing_key"
            message = "'jobs' is empty" if "jobs" in spec.data else "'jobs' is missing"
            spec.error(code, ("jobs",), message, hint="add a step: 'jobs: {train: {component: …}}'")
        return
    steps = steps_of(spec)
    wiring = Wiring(spec, steps, _parent(spec, is_job=is_job))
    for step in steps.values():
        _check_name(spec, step)
        if spec.is_sound((*step.path, "type")):
            _check_body(spec, step)
            wiring.check_step(step)
            if step.type == "do_while":
                check_loop(spec, step, steps)
    _check_circles(spec, wiring.edges)
    _warn_of_unfilled(spec, wiring)
    _check_settings(spec, steps)
    lacking = _steps_without_compute(steps) if is_job else []
    if lacking and not _has_compute(spec):
        for path in lacking:
            message = f"'{dotted(path)}' is missing, and the pipeline has no default_compute"
            spec.error("missing_key", path, message, hint="add 'settings: {default_compute: azureml:<name>}'")


def _parent(spec: SpecCheck, *, is_job: bool) -> Interface:
    if not is_job:
        return declared_interface(spec)
    given = given_interface(spec)
    return Interface(None if given.inputs is None else job_ports(spec.mapping("inputs")), given.outputs)


def _check_whole(spec: SpecCheck) -> None:
    """A pipeline job that runs a pipeline component as it is."""
    if "jobs" in spec.data:
        message = "'jobs' and 'component' exclude each other"
        spec.error("conflict", ("jobs",), message, hint="keep one of the two", on_key=True)
    nested = spec.files.get(("component",))
    if nested is None:
        return
    step = Step("pipeline", (), spec.data, "pipeline", "component", declared_interface(nested), nested)
    given = Wiring(spec, {}, Interface({}, {}))
    given.check_given(step)
    lacking = _steps_without_compute(steps_of(nested))
    if lacking and not _has_compute(spec):
        message = f"'{dotted(lacking[0])}' of {nested.document.source} is missing, and this job has no default_compute"
        spec.error("missing_key", ("compute",), message, hint="add 'compute: azureml:<name>'")


def _check_name(spec: SpecCheck, step: Step) -> None:
    if not re.fullmatch(_STEP_NAME, step.name):
        message = f"'{step.name}' cannot be the name of a step"
        usable = re.sub(r"[^a-z0-9_]+", "_", step.name.lower()).strip("_")
        hint = "use lower-case letters, digits and '_', and start with a letter"
        if re.fullmatch(_STEP_NAME, usable):
            hint += f", such as '{usable}'"
        spec.error("invalid_name", step.path, message, value=step.name, hint=hint, on_key=True)


def _check_body(spec: SpecCheck, step: Step) -> None:
    """What the step itself says, apart from what flows into it and out of it."""
    if step.type not in CONTROL_FLOW:
        check_inputs(spec, (*step.path, "inputs"))
    if step.has_inline_component and step.holder:
        check_ports(spec, (*step.path, step.holder))
        check_component_body(spec, (*step.path, step.holder), step.component_kind)
    if step.type == "spark" and step.holder:
        _spark_component(spec, step)
    own = _BODIES.get((step.type, step.holder is not None))
    if own is not None:
        own(spec, step.path)


def _inline_command(spec: SpecCheck, path: KeyPath) -> None:
    if "environment" not in spec.mapping(*path) and "command" in spec.mapping(*path):
        here: KeyPath = (*path, "environment")
        hint = "add 'environment: azureml:<name>:<version>'"
        spec.error("missing_key", here, f"'{dotted(here)}' is missing", hint=hint)
    check_command(spec, path, declared(spec, path))


def _inline_parallel(spec: SpecCheck, path: KeyPath) -> None:
    check_parallel(spec, path, declared(spec, path))


def _inline_spark(spec: SpecCheck, path: KeyPath) -> None:
    check_entry(spec, path)
    check_place(spec, path)
    check_conf(spec, path)
    check_expressions(spec, (*path, "args"), declared(spec, path))


def _spark_component(spec: SpecCheck, step: Step) -> None:
    check_place(spec, step.path)
    component = step.data.get(step.holder or "")
    held = step.nested.data if step.nested is not None else component
    if "conf" in step.data or isinstance(held, dict):
        conf = held.get("conf") if isinstance(held, dict) else None
        check_conf(spec, step.path, otherwise=conf if isinstance(conf, dict) else None)


def _command_component(spec: SpecCheck, path: KeyPath) -> None:
    _resources(spec, path)
    for key in ("command", "code", "environment"):
        if key in spec.mapping(*path):
            here: KeyPath = (*path, key)
            message = f"'{dotted(here)}' is ignored, the step runs its component"
            spec.warn("ignored", here, message, hint=f"remove '{key}', or 'component'", on_key=True)


def _resources(spec: SpecCheck, path: KeyPath) -> None:
    check_resources(spec, (*path, "resources"))


_BODIES: dict[tuple[str, bool], Callable[[SpecCheck, KeyPath], None]] = {
    ("command", False): _inline_command,
    ("command", True): _command_component,
    ("parallel", False): _inline_parallel,
    ("parallel", True): _resources,
    ("spark", False): _inline_spark,
    ("sweep", True): check_search,
    ("sweep", False): check_search,
    ("automl", False): check_automl_body,
}
"""Type of a step, and whether it runs a component -> what else is checked."""


def _check_circles(spec: SpecCheck, edges: Mapping[str, Mapping[str, KeyPath]]) -> None:
    """Tell each circle of steps once, at the expression that closes it."""
    done: set[str] = set()
    for start in edges:
        trail: list[str] = []
        waiting: list[tuple[str, bool]] = [(start, False)]
        while waiting:
            name, leaving = waiting.pop()
            if leaving:
                trail.pop()
                done.add(name)
            elif name not in done and name not in trail:
                trail.append(name)
                waiting.append((name, True))
                for other, path in edges.get(name, {}).items():
                    if other in trail:
                        _tell_circle(spec, [*trail[trail.index(other) :], other], path)
                    else:
                        waiting.append((other, False))


def _tell_circle(spec: SpecCheck, circle: list[str], path: KeyPath) -> None:
    if len(circle) == 2:
        message = f"'{dotted(path)}': step '{circle[0]}' waits for its own output"
    else:
        names = circle if len(circle) <= _MOST_NAMES else [*circle[:3], "…", *circle[-3:]]
        message = f"'{dotted(path)}': these steps wait for each other: {' -> '.join(names)}"
    spec.error("cycle", path, message, hint="take the input from a step that runs before")


def _warn_of_unfilled(spec: SpecCheck, wiring: Wiring) -> None:
    for name in wiring.parent.outputs or {}:
        if name not in wiring.filled and all(step.type not in CONTROL_FLOW for step in wiring.steps.values()):
            message = f"'outputs.{name}' is never filled by a step"
            hint = f"write '<output>: ${{{{parent.outputs.{name}}}}}' under outputs of a step, or remove it"
            spec.warn("unfilled", ("outputs", name), message, hint=hint)


def _check_settings(spec: SpecCheck, steps: Mapping[str, Step]) -> None:
    for key in ("on_init", "on_finalize"):
        name = spec.mapping("settings").get(key)
        if isinstance(name, str) and name not in steps:
            hint = did_you_mean(name, steps, otherwise=f"there is: {', '.join(steps)}")
            message = f"'settings.{key}': there is no step '{name}'"
            spec.error("unknown_step", ("settings", key), message, value=name, hint=hint)


def _has_compute(spec: SpecCheck) -> bool:
    """Whether there is a place for steps without one of their own; one that is misspelt was meant."""
    given = "compute" in spec.data or "default_compute" in spec.mapping("settings")
    return given or any([spec.is_told(("compute",)), spec.is_told(("settings", "default_compute"))])


def _has_place(step: Step) -> bool:
    return "compute" in step.data or (step.type == "spark" and "resources" in step.data)


def _steps_without_compute(steps: Mapping[str, Step]) -> list[KeyPath]:
    missing: list[KeyPath] = []
    for step in steps.values():
        if step.type == "pipeline":
            if step.nested is not None:
                missing += [(*step.path, *path) for path in _steps_without_compute(steps_of(step.nested))]
        elif step.type not in CONTROL_FLOW and not _has_place(step):
            missing.append((*step.path, "compute"))
    return missing
