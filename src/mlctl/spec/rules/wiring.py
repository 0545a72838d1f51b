"""What flows between the steps of a pipeline: each expression leads to something that is there, and fits where it
goes."""

from __future__ import annotations

import itertools
from collections.abc import Collection, Mapping
from typing import Any, NamedTuple

from mlctl.spec.bindings import position_of
from mlctl.spec.check import SpecCheck
from mlctl.spec.document import KeyPath, dotted
from mlctl.spec.problems import closest
from mlctl.spec.references import Expression, find_expressions
from mlctl.spec.rules.interface import Interface, Port, fits, mapping_in, refuse_literal, type_given
from mlctl.spec.rules.steps import Step, texts_of
from mlctl.spec.rules.sweep import tried_values


class Wiring:
    """The bindings of one pipeline.

    `parent`: inputs and outputs of the pipeline itself. `edges`: step -> the steps whose outputs it takes, with the
    place of the expression. `filled`: outputs of the pipeline that a step writes.
    """

    def __init__(self, spec: SpecCheck, steps: Mapping[str, Step], parent: Interface) -> None:
        self.spec = spec
        self.steps = steps
        self.parent = parent
        self.edges: dict[str, dict[str, KeyPath]] = {}
        self.filled: set[str] = set()

    def check_step(self, step: Step) -> None:
        """Check inputs, outputs and every other expression of a step."""
        self.edges.setdefault(step.name, {})
        self._check_inputs(step)
        self._check_outputs(step)
        skipped = ("inputs", "outputs", *_OWN_TEXTS, *((step.holder,) if step.holder else ()))
        for key, value in step.data.items():
            if key not in skipped:
                for path, text in texts_of(value, (*step.path, key)):
                    for expression in find_expressions(text):
                        if (expression.path or "").startswith("parent."):
                            self.source(step, path, text, expression)

    def check_given(self, step: Step) -> None:
        """Check the inputs that a job gives to its component."""
        self.edges.setdefault(step.name, {})
        self._check_inputs(step)

    def source(self, step: Step, path: KeyPath, text: str, expression: Expression) -> Port | None:
        """What an expression in a step leads to; None when that is not known, or wrong, which is told."""
        if self.spec.is_full:
            return None
        written = text[expression.start : expression.end]
        place = _Place(path, written, text, expression.start)
        parts = (expression.path or "").split(".")
        if parts[:2] == ["parent", "inputs"] and len(parts) > 2:
            return self._parent_port(place, "inputs", ".".join(parts[2:]))
        if parts[:2] == ["parent", "outputs"] and len(parts) > 2:
            return self._parent_port(place, "outputs", ".".join(parts[2:]))
        if parts[:2] == ["parent", "jobs"] and len(parts) > 2:
            return self._step_port(step, place, parts[2:])
        self._refuse_expression(place, expression.path)
        return None

    def _check_inputs(self, step: Step) -> None:
        known = step.interface.inputs if step.holder else None
        given = mapping_in(step.data, "inputs")
        needed = {name for name, port in (known or {}).items() if port.required}
        meant: set[str] = set()
        for name, value in given.items():
            path: KeyPath = (*step.path, "inputs", name)
            if not self.spec.is_sound(path):
                continue
            target = Port(name)
            if known is not None:
                if name not in known and name.partition(".")[0] not in known:
                    what = f"component{f' of step {step.name!r}' if step.path else ''} has no input '{name}'"
                    match = closest(name, [other for other in known if other not in given]) or closest(name, known)
                    # Azure ML lets pipelines in pipelines have inputs that nobody reads
                    is_error = step.type != "pipeline" or match in needed - given.keys()
                    self._unknown(path, what, list(known), match, is_error=is_error)
                    meant.add(match or "")
                target = known.get(name, target)
            self._check_value(step, path, value, target)
        if known is not None:
            names = (*given, *mapping_in(step.data, "search_space"))
            # a group is given part by part
            offered = {*names, *(name.partition(".")[0] for name in names), *meant}
            for name, port in known.items():
                if port.required and name not in offered:
                    self._lacks(step, port)
            self._check_searched(step, known)

    def _check_searched(self, step: Step, known: Mapping[str, Port]) -> None:
        """The parameters of a sweep's space are inputs of its trial, and take the values that are tried."""
        given = mapping_in(step.data, "inputs")
        for name, distribution in mapping_in(step.data, "search_space").items():
            path: KeyPath = (*step.path, "search_space", name)
            if name not in known:
                what = f"trial of step '{step.name}' has no input '{name}'"
                self._unknown(path, what, list(known), closest(name, known))
            elif self.spec.is_sound(path) and isinstance(distribution, dict):
                for key, value in tried_values(distribution):
                    reason = refuse_literal(value, known[name])
                    if reason:
                        message = f"'{dotted((*path, *key))}': {_shown(value)} is {reason}"
                        hint = _expectation(known[name])
                        self.spec.error("type_mismatch", (*path, *key), message, value=value, hint=hint)
            if name in given:
                message = f"'{dotted((*step.path, 'inputs', name))}' is given, and searched at the same time"
                hint = f"remove '{name}' from inputs or from search_space"
                self.spec.warn("conflict", (*step.path, "inputs", name), message, hint=hint, on_key=True)

    def _lacks(self, step: Step, port: Port) -> None:
        path: KeyPath = (*step.path, "inputs", port.name)
        beside: KeyPath = (*step.path, port.name)
        if port.name in step.data and self.spec.retract("unknown_key", beside):
            message = f"'{dotted(beside)}' is an input, and stands beside 'inputs'"
            hint = f"move '{port.name}' under '{dotted(path[:-1])}'"
            self.spec.error("missing_input", beside, message, hint=hint, on_key=True)
            return
        kind = f" ({port.type})" if port.type else ""
        who = f"step '{step.name}'" if step.path else "the job"
        message = f"{who} lacks input '{port.name}'{kind}, its component needs it"
        self.spec.error("missing_input", path, message, hint=f"add '{port.name}: …' under '{dotted(path[:-1])}'")

    def _check_value(self, step: Step, path: KeyPath, value: Any, target: Port) -> None:
        inner, text = path, value
        if isinstance(value, dict):
            key = "value" if "value" in value else "path"
            inner, text = (*path, key), value.get(key)
        expressions = find_expressions(text) if isinstance(text, str) else []
        told = len(self.spec.problems)
        for expression in expressions:
            source = self.source(step, inner, str(text), expression)
            is_whole = expression.start == 0 and expression.end == len(str(text).strip())
            if source is not None and is_whole:
                self._check_fit(step, inner, source, target)
            elif not is_whole and len(self.spec.problems) == told:
                self._warn_of_text(inner, str(text), expression)
        if expressions:
            return
        if isinstance(value, dict) and "value" not in value:
            if target.is_primitive:
                message = f"'{dotted(path)}' is data, {target.type} is expected"
                self.spec.error("type_mismatch", path, message, hint="write the value itself, or bind another input")
            return
        reason = refuse_literal(text, target)
        if reason:
            message = f"'{dotted(path)}': {_shown(text)} is {reason}"
            self.spec.error("type_mismatch", inner, message, value=text, hint=_expectation(target))

    def _warn_of_text(self, path: KeyPath, text: str, expression: Expression) -> None:
        written = text[expression.start : expression.end]
        message = f"'{dotted(path)}': {written} within a longer text is not filled in, the step gets it as it stands"
        hint = "let the expression be the whole value, and put the text together in the command"
        at = position_of(self.spec.document, path, text, expression.start, written)
        self.spec.warn("unbound", path, message, value=written, hint=hint, at=at)

    def _check_fit(self, step: Step, path: KeyPath, source: Port, target: Port) -> None:
        literal = (source.declaration or {}).get("given")
        if literal is not None and target.type is not None and (source.is_primitive or target.is_primitive):
            reason = refuse_literal(literal, target)
            if reason:
                message = f"'{dotted(path)}': pipeline input '{source.name}' is {_shown(literal)}, {reason}"
                self.spec.error("type_mismatch", path, message, value=literal, hint=_expectation(target))
        elif not fits(source, target):
            message = f"'{dotted(path)}' is {source.type}, {target.type} is expected"
            self.spec.error("type_mismatch", path, message, hint=_expectation(target))
        elif {source.type, target.type} == {"uri_file", "uri_folder"}:
            # Azure ML does not look, and the step finds the one where it expects the other
            message = f"'{dotted(path)}' is {source.type}, {target.type} is expected"
            hint = f"give both the same type; Azure ML does not compare them, {_expectation(target)}"
            self.spec.warn("type_mismatch", path, message, hint=hint)
        if (source.declaration or {}).get("optional") is True and source.name in (self.parent.inputs or {}):
            # a default does not make an input optional: Azure ML refuses that too
            known = step.holder is None or target.declaration is not None
            if known and (target.declaration or {}).get("optional") is not True:
                message = f"'{dotted(path)}': input '{source.name}' is optional in the pipeline, but not in the step"
                hint = f"remove 'optional: true' from '{source.name}', or add it to the input of the step's component"
                self.spec.error("optional_to_required", path, message, hint=hint)

    def _check_outputs(self, step: Step) -> None:
        known = step.interface.outputs if step.holder else None
        for name, value in mapping_in(step.data, "outputs").items():
            path: KeyPath = (*step.path, "outputs", name)
            if known is not None and name not in known:
                what = f"component of step '{step.name}' has no output '{name}'"
                self._unknown(path, what, list(known), closest(name, known))
            inner, text = ((*path, "path"), value.get("path")) if isinstance(value, dict) else (path, value)
            if not isinstance(text, str):
                continue
            for expression in find_expressions(text):
                if (expression.path or "") in ("name", "output_name", "default_datastore"):
                    continue
                source = self.source(step, inner, text, expression)
                if source is not None and (expression.path or "").startswith("parent.outputs."):
                    self.filled.add(source.name)
                    own = (known or {}).get(name)
                    if own is not None and not fits(own, source):
                        message = (
                            f"'{dotted(path)}' is {own.type}, but pipeline output '{source.name}' is {source.type}"
                        )
                        hint = "give both the same type"
                        self.spec.error("type_mismatch", path, message, hint=hint)

    def _parent_port(self, place: _Place, group: str, name: str) -> Port | None:
        ports = self.parent.inputs if group == "inputs" else self.parent.outputs
        if ports is None:
            return None
        found = ports.get(name) or ports.get(name.partition(".")[0])
        if found is None:
            match = closest(name, ports)
            hint = f"did you mean '${{{{parent.{group}.{match}}}}}'?" if match else _declare(name, group, list(ports))
            self._unbound(place, f"the pipeline has no {group[:-1]} '{name}'", hint)
        return found

    def _step_port(self, step: Step, place: _Place, parts: list[str]) -> Port | None:
        name = parts[0]
        other = self.steps.get(name)
        if other is None:
            match = closest(name, self.steps)
            hint = f"did you mean '{match}'?" if match else f"there is: {_some(self.steps)}"
            self._unbound(place, f"there is no step '{name}'", hint, code="unknown_step")
            return None
        if len(parts) < 3 or parts[1] not in ("inputs", "outputs"):
            # a step as a whole is named by control flow only
            if len(parts) > 1 or place.path[2:3] in (("inputs",), ("outputs",)):
                hint = f"write ${{{{parent.jobs.{name}.outputs.<output>}}}}"
                self._unbound(place, "this names no output of a step", hint)
            return None
        if parts[1] == "outputs":
            self.edges[step.name].setdefault(name, place.path)
        ports = other.interface.outputs if parts[1] == "outputs" else other.interface.inputs
        port = ".".join(parts[2:])
        if ports is None or port in ports:
            return None if ports is None else ports[port]
        if parts[2] in ports:
            return ports[parts[2]]
        match = closest(port, ports)
        hint = f"did you mean '{match}'?" if match else f"it has: {_some(ports)}"
        self._unbound(place, f"step '{name}' has no {parts[1][:-1]} '{port}'", hint)
        return None

    def _refuse_expression(self, place: _Place, path: str | None) -> None:
        root = (path or "").partition(".")[0]
        if root in ("inputs", "outputs", "jobs"):
            hint = f"write ${{{{parent.{path}}}}}"
            self._unbound(place, f"this is the old form, '{root}' is the step's own", hint, code="old_binding")
        else:
            hint = "write ${{parent.inputs.<input>}} or ${{parent.jobs.<step>.outputs.<output>}}"
            self._unbound(place, "this is no expression of a step", hint)

    def _unbound(self, place: _Place, what: str, hint: str, *, code: str = "unbound") -> None:
        message = f"'{dotted(place.path)}': {place.written}: {what}"
        at = position_of(self.spec.document, place.path, place.text, place.start, place.written)
        self.spec.error(code, place.path, message, value=place.written, hint=hint, at=at)

    def _unknown(self, path: KeyPath, what: str, known: list[str], match: str | None, *, is_error: bool = True) -> None:
        name = str(path[-1])
        hint = f"did you mean '{match}'?" if match else f"it has: {_some(known)}"
        message = f"'{dotted(path)}': the {what}"
        if is_error:
            self.spec.error("unknown_port", path, message, value=name, hint=hint, on_key=True)
        else:
            self.spec.warn("unknown_port", path, message, value=name, hint=hint, on_key=True)


class _Place(NamedTuple):
    """Where an expression stands, as it is written: the value at `path` is `text`, it starts at `start`."""

    path: KeyPath
    written: str
    text: str
    start: int


_OWN_TEXTS = ("command", "args", "task", "input_data", "environment", "environment_variables", "trial", "search_space")
"""Keys whose expressions are about the step itself."""


def job_ports(inputs: Mapping[str, Any]) -> dict[str, Port]:
    """Inputs of a pipeline job: each has a value, which is kept as `given` when it is a literal."""
    ports = {}
    for name, value in inputs.items():
        literal = value.get("value") if isinstance(value, dict) else value
        declaration = {"given": literal} if literal is not None else {}
        ports[name] = Port(name, type_given(value), declaration=declaration)
    return ports


def _expectation(port: Port) -> str:
    declaration = port.declaration or {}
    allowed = declaration.get("enum")
    if isinstance(allowed, list) and allowed:
        return f"use one of: {', '.join(map(str, allowed))}"
    limits = [f"{word} {declaration[word]}" for word in ("min", "max") if word in declaration]
    return f"'{port.name}' takes {port.type}" + (f" ({', '.join(limits)})" if limits else "")


def _some(names: Collection[str]) -> str:
    """The first names of many."""
    return ", ".join([*itertools.islice(names, _MOST_NAMES), *(["…"] if len(names) > _MOST_NAMES else [])]) or "none"


_MOST_NAMES = 20


def _shown(value: Any) -> str:
    if isinstance(value, bool):
        return str(value).lower()
    return f"'{value}'" if isinstance(value, str) else str(value)


def _declare(name: str, group: str, known: list[str]) -> str:
    return f"declare '{name}' under {group} of the pipeline" + (f" (there is: {_some(known)})" if known else "")
