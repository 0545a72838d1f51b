"""What a JSON Schema cannot say about a command job: names, references, local paths, expressions."""

from __future__ import annotations

import re
import shlex
from collections.abc import Mapping
from typing import Any

from mlctl.entities.environment import Environment
from mlctl.entities.job import JOB_NAME
from mlctl.spec.bindings import binding_problems, macro_problems, optional_part_warnings
from mlctl.spec.document import Document, KeyPath, dotted
from mlctl.spec.environment import EnvironmentReading
from mlctl.spec.paths import absolute, kind_of, missing_path
from mlctl.spec.problems import Problem
from mlctl.spec.references import ASSET, FILE, INVALID, LOCAL, parse

_PORT_NAME = re.compile(r"[A-Za-z_][A-Za-z0-9_]*")
_VARIABLE_NAME = re.compile(r"[^=\s\0]+")


class JobReading:
    """Goes through a command job whose schema problems are known.

    After `read`: `problems` (schema problems included), `warnings`, `code` (absolute when local), `variables` (text),
    `input_paths` (absolute local paths by input) and `input_types` (types that were found out).
    """

    def __init__(self, document: Document, data: Mapping[str, Any], problems: list[Problem]) -> None:
        self.document = document
        self.data = data
        self.problems = problems
        self.warnings: list[Problem] = []
        self.code: str | None = None
        self.variables: dict[str, str] = {}
        self.input_paths: dict[str, str] = {}
        self.input_types: dict[str, str] = {}
        self._refused = [problem.path for problem in problems]

    def read(self) -> Environment | None:
        """Check everything; the environment, or None when it has problems."""
        self._schema_hint()
        self._name()
        self._code()
        environment = self._environment()
        self._variables()
        for name, value in self._entries("inputs"):
            self._port_name("inputs", name)
            if isinstance(value, dict) and "path" in value:
                self._data_input(name, value)
        for name, value in self._entries("outputs"):
            self._port_name("outputs", name)
            if value:
                self._output(name, value)
        self._resources()
        self._command()
        return environment

    def _schema_hint(self) -> None:
        named = self.data.get("$schema")
        if isinstance(named, str) and named.endswith(".schema.json") and "commandjob" not in named.lower():
            message = f"'$schema' names {named.rpartition('/')[2]}, but this is read as a command job"
            hint = "$schema is for editors and is never read; write commandJob.schema.json"
            self.warnings.append(self.document.warning("schema_hint", ("$schema",), message, value=named, hint=hint))

    def _name(self) -> None:
        name = self.data.get("name")
        if isinstance(name, str) and not JOB_NAME.fullmatch(name):
            usable = re.sub(r"[^A-Za-z0-9_-]+", "-", name).strip("-_")[:255]
            hint = f"such as '{usable}'" if usable else "such as 'try-1'"
            message = (
                f"'name' cannot be '{name[:80]}': a job name has letters, digits, '-' and '_', up to 255, "
                "and starts with a letter or a digit"
            )
            self._problem("invalid_name", ("name",), message, value=name, hint=hint)

    def _code(self) -> None:
        text = self.data.get("code")
        if not isinstance(text, str) or not text:
            return
        reference = parse(text)
        self.code = text
        if reference.kind == INVALID:
            message = f"'code': '{text}' is not a reference: {reference.problem}"
            self._problem("invalid_reference", ("code",), message, value=text, hint="name a local folder")
        elif reference.kind in (LOCAL, FILE):
            self.code = self._local(("code",), reference.path or "", what="folder")

    def _environment(self) -> Environment | None:
        if "environment" not in self.data or not self._is_sound("environment"):
            return None
        reading = EnvironmentReading()
        environment = reading.read(self.document, ("environment",), self.data["environment"])
        self.problems += reading.problems
        self.warnings += reading.warnings
        return environment

    def _variables(self) -> None:
        if not self._is_sound("environment_variables"):
            return
        given = self.data.get("environment_variables") or {}
        for key, name, value in _variable_items(given):
            path: KeyPath = ("environment_variables", key)
            if not _VARIABLE_NAME.fullmatch(name):
                message = f"'{dotted(path)}': '{name}' cannot be the name of a variable"
                hint = "use letters, digits and '_'"
                self._problem("invalid_name", path, message, value=name, hint=hint, on_key=True)
            text = "" if value is None else str(value)
            if "\0" in text:
                self._problem("invalid_value", path, f"'{dotted(path)}' holds a NUL character", hint="remove it")
            self.problems += binding_problems(self.document, path, text, self._declared())
            self.variables[name] = text

    def _port_name(self, group: str, name: str) -> None:
        if not _PORT_NAME.fullmatch(name):
            message = f"'{name}' cannot be the name of an {group[:-1]}"
            hint = "use letters, digits and '_', and start with a letter"
            self._problem("invalid_name", (group, name), message, value=name, hint=hint, on_key=True)

    def _data_input(self, name: str, value: Mapping[str, Any]) -> None:
        path: KeyPath = ("inputs", name, "path")
        text = value["path"]
        reference = parse(text)
        if reference.kind in (LOCAL, FILE):
            self._local_input(name, value, reference.path or "")
        elif reference.kind == INVALID:
            message = f"'{dotted(path)}': '{text}' is not a reference: {reference.problem}"
            hint = "such as azureml://datastores/<datastore>/paths/<path>"
            self._problem("invalid_reference", path, message, value=text, hint=hint)
        elif reference.kind == ASSET and reference.asset_type not in (None, "data", "datasets", "models"):
            message = f"'{dotted(path)}': '{text}' names {reference.asset_type}, data or a model is expected"
            self._problem("invalid_reference", path, message, value=text, hint="name data or a model")
        elif reference.kind == ASSET and not reference.is_pinned and reference.registry is None:
            message = f"'{dotted(path)}': '{text}' lacks a version"
            hint = f"write {text}:<version> or {text}@latest"
            self._problem("invalid_reference", path, message, value=text, hint=hint)

    def _local_input(self, name: str, value: Mapping[str, Any], text: str) -> None:
        path: KeyPath = ("inputs", name, "path")
        found = self._local(path, text, what="file or folder")
        if found is None:
            return
        self.input_paths[name] = found
        kind, wanted = kind_of(absolute(self.document, text)), value.get("type")
        if wanted is None and kind == "file":
            self.input_types[name] = "uri_file"
            message = f"'inputs.{name}' is a file and has no type, taken as uri_file"
            self.warnings.append(self.document.warning("guessed", path, message, hint="add 'type: uri_file'"))
        elif wanted == "uri_file" and kind == "folder":
            message = f"'{dotted(path)}' is a folder, but the type is uri_file"
            self._problem("wrong_type", path, message, value=text, hint="write 'type: uri_folder', or name the file")
        elif wanted in ("uri_folder", "mltable") and kind == "file":
            message = f"'{dotted(path)}' is a file, but the type is {wanted}"
            hint = "write 'type: uri_file', or name the folder" if wanted == "uri_folder" else "name the folder with it"
            self._problem("wrong_type", path, message, value=text, hint=hint)
        elif wanted == "mltable" and kind_of(absolute(self.document, text) / "MLTable") != "file":
            message = f"'{dotted(path)}': there is no file MLTable in '{text}'"
            self._problem("missing_path", path, message, value=text, hint="add the file, or write 'type: uri_folder'")

    def _output(self, name: str, value: Mapping[str, Any]) -> None:
        self.problems += macro_problems(self.document, ("outputs", name, "path"), value.get("path") or "")
        if "version" in value and "name" not in value:
            message = f"'outputs.{name}.version' has no effect without a name to register the output as"
            path = ("outputs", name, "version")
            self.warnings.append(self.document.warning("ignored", path, message, hint="add 'name: …'"))

    def _resources(self) -> None:
        value = self.data.get("resources")
        if not isinstance(value, dict) or not self._is_sound("resources"):
            return
        words = value.get("docker_args")
        if isinstance(words, str):
            try:
                shlex.split(words)
            except ValueError as error:
                message = f"'resources.docker_args' cannot be split into words: {str(error).lower()}"
                hint = "close the quotes, or write a list of words"
                self._problem("invalid_value", ("resources", "docker_args"), message, value=words, hint=hint)
        most, count = value.get("max_instance_count"), value.get("instance_count", 1)
        if most is not None and most < count:
            message = f"'resources.max_instance_count' is {most}, less than instance_count ({count})"
            hint = f"write at least {count}"
            self._problem("out_of_range", ("resources", "max_instance_count"), message, value=most, hint=hint)

    def _command(self) -> None:
        command = self.data.get("command")
        if isinstance(command, str):
            self.problems += binding_problems(self.document, ("command",), command, self._declared())
            self.warnings += optional_part_warnings(self.document, ("command",), command)

    def _local(self, path: KeyPath, text: str, *, what: str) -> str | None:
        place = absolute(self.document, text)
        if kind_of(place) is None:
            self.problems.append(missing_path(self.document, path, text, what=what))
            return None
        return str(place)

    def _declared(self) -> dict[str, list[str]]:
        groups = {group: self.data.get(group) for group in ("inputs", "outputs")}
        return {group: list(names) if isinstance(names, dict) else [] for group, names in groups.items()}

    def _entries(self, group: str) -> list[tuple[str, Any]]:
        """The inputs or outputs that the schema let pass."""
        names = self.data.get(group)
        if not isinstance(names, dict):
            return []
        return [(name, value) for name, value in names.items() if self._is_sound(dotted((group, name)))]

    def _is_sound(self, key: str) -> bool:
        return not any(path == key or path.startswith((f"{key}.", f"{key}[")) for path in self._refused)

    def _problem(
        self, code: str, path: KeyPath, message: str, *, value: Any = None, hint: str, on_key: bool = False
    ) -> None:
        self.problems.append(self.document.problem(code, path, message, value=value, hint=hint, on_key=on_key))


def _variable_items(given: Any) -> list[tuple[str | int, str, Any]]:
    """Key in the document, name and value of each variable; from the map or the list form."""
    if isinstance(given, dict):
        return [(name, name, value) for name, value in given.items()]
    items: list[tuple[str | int, str, Any]] = []
    for index, entry in enumerate(given):
        if isinstance(entry, dict):
            items.append((index, entry["name"], entry["value"]))
        else:
            name, _, value = entry.partition("=")
            items.append((index, name, value))
    return items
