"""Named inputs and outputs of jobs: their names, the data they point at, and what stands in the path of an output."""

from __future__ import annotations

import re
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from mlctl.spec.bindings import macro_problems
from mlctl.spec.check import SpecCheck
from mlctl.spec.document import KeyPath, dotted, value_at
from mlctl.spec.paths import absolute
from mlctl.spec.references import FILE, LOCAL, parse
from mlctl.spec.rules.local_data import check_local_data, shape_of

PORT_NAME = re.compile(r"[A-Za-z_][A-Za-z0-9_]*")


def check_inputs(spec: SpecCheck, path: KeyPath, *, needs_path: bool = True) -> None:
    """Check the inputs at `path` of a job. `needs_path` False: a path may come later (it is told as incomplete)."""
    for name, value in spec.mapping(*path).items():
        here: KeyPath = (*path, name)
        check_port_name(spec, here, name, "an input")
        if not isinstance(value, dict) or "value" in value or not spec.is_sound((*here, "path")):
            continue
        if value.get("path") in (None, ""):
            _check_missing_path(spec, here, value, needs_path=needs_path)
        elif isinstance(value["path"], str) and "${{" not in value["path"] and spec.is_sound((*here, "type")):
            _check_data(spec, here, value)


def check_outputs(spec: SpecCheck, path: KeyPath) -> None:
    """Check the outputs at `path` of a job."""
    for name, value in spec.mapping(*path).items():
        here: KeyPath = (*path, name)
        check_port_name(spec, here, name, "an output")
        if not isinstance(value, dict) or not spec.is_sound(here):
            continue
        if isinstance(value.get("path"), str):
            spec.problems += macro_problems(spec.document, (*here, "path"), value["path"])
        if "version" in value and "name" not in value:
            message = f"'{dotted((*here, 'version'))}' has no effect without a name to register the output as"
            spec.warn("ignored", (*here, "version"), message, hint="add 'name: …'")


def check_port_name(spec: SpecCheck, path: KeyPath, name: str, what: str) -> None:
    """Check the name of an input or output; in pipelines and components dots join the parts of a group."""
    grouped = spec.kind.family != "job" or spec.kind.name == "pipelineJob"
    if not all(PORT_NAME.fullmatch(part) for part in (name.split(".") if grouped else [name])):
        message = f"'{name}' cannot be the name of {what}"
        hint = "use letters, digits and '_', and start with a letter"
        spec.error("invalid_name", path, message, value=name, hint=hint, on_key=True)


def check_inside(spec: SpecCheck, path: KeyPath, code: Any) -> None:
    """Check that the file that the value at `path` names is in the code folder."""
    file = spec.mapping(*path[:-1]).get(str(path[-1]))
    if not isinstance(code, str) or not isinstance(file, str) or not file or "${{" in file or not spec.options.paths:
        return
    if spec.mapping(*path[:-2]).get("additional_includes"):
        # it may be among those
        return
    reference = parse(code)
    folder = Path(absolute(spec.document, reference.path or ""))
    if reference.kind not in (LOCAL, FILE) or spec.library.kind_of(folder) != "folder":
        return
    if spec.library.kind_of(folder / file) is None:
        message = f"'{dotted(path)}': there is no file '{file}' in '{code}'"
        spec.error("missing_path", path, message, value=file, hint=f"looked for {folder / file}")


class _Anything(list[str]):
    """Names that are not known, since what declares them is wrong itself: each counts as declared."""

    def __init__(self, spec: SpecCheck, path: KeyPath) -> None:
        super().__init__(spec.mapping(*path))
        self.spec, self.path = spec, path

    def __contains__(self, name: object) -> bool:
        # to be asked for makes a misspelt group an error
        self.spec.is_told(self.path)
        return True


def declared(spec: SpecCheck, path: KeyPath = ()) -> dict[str, list[str]]:
    """Names of the inputs and outputs that the job at `path` has, for its expressions."""
    return {group: _names(spec, (*path, group)) for group in ("inputs", "outputs")}


def _names(spec: SpecCheck, path: KeyPath) -> list[str]:
    is_empty = path[-1] in spec.mapping(*path[:-1]) and value_at(spec.data, path) is None
    return _Anything(spec, path) if is_empty or dotted(path) in spec.refused else list(spec.mapping(*path))


def _check_missing_path(spec: SpecCheck, path: KeyPath, value: Mapping[str, Any], *, needs_path: bool) -> None:
    hint = "add 'path: …' for data, or 'value: …' for a literal"
    here: KeyPath = (*path, "path")
    if "path" in value:
        spec.error("empty_value", here, f"'{dotted(here)}' is empty", value=value["path"], hint=hint)
    elif needs_path:
        spec.error("missing_key", here, f"'{dotted(here)}' is missing", hint=hint)
    else:
        message = f"'{dotted(here)}' is left to whoever starts the pipeline"
        hint = f"give --set {dotted(here)}=…, or add 'path: …'"
        spec.incomplete("left_to_option", here, message, hint=hint)


def _check_data(spec: SpecCheck, path: KeyPath, value: Mapping[str, Any]) -> None:
    """The type of a data input against what its local path leads to."""
    here, given, kind = (*path, "path"), value["path"], value.get("type")
    if isinstance(kind, str):
        check_local_data(spec, here, given, kind)
    elif shape_of(spec, given) == "file":
        message = f"'{dotted(path)}' is a file and has no type, taken as uri_file"
        spec.warn("guessed", here, message, hint="add 'type: uri_file'")
