"""Assets in files of their own: environments, models, data, and their versions."""

from __future__ import annotations

import re
from collections.abc import Callable

from mlctl.spec.check import SpecCheck
from mlctl.spec.document import dotted
from mlctl.spec.environment import EnvironmentReading
from mlctl.spec.problems import Problem
from mlctl.spec.references import DATASTORE, parse
from mlctl.spec.rules.local_data import check_local_data, shape_of
from mlctl.spec.rules.model import check_model
from mlctl.spec.rules.names import ASSET, check_name
from mlctl.spec.rules.parts import is_placeholder, part, text

_VERSION = re.compile(r"[A-Za-z0-9][A-Za-z0-9._+-]{0,254}")

_INLINE_ONLY = ("name", "inference_config")
"""Keys that are said to be ignored when an environment stands inside a job."""


def check_asset(spec: SpecCheck) -> None:
    """An asset of any kind."""
    check_name(spec, ("name",), ASSET)
    check_version(spec)
    check = _CHECKS.get(spec.kind.name)
    if check is not None:
        check(spec)


def check_version(spec: SpecCheck) -> None:
    """A version that can be written after `azureml:name:`, and that is one."""
    version = part(spec, "version")
    if version is None or isinstance(version, bool):
        return
    written = str(version)
    if written.lower() == "latest":
        message = "'version: latest' makes a version of that name, not the newest one"
        hint = "leave 'version' out to get the next number; refer to the newest one as azureml:<name>@latest"
        spec.warn("odd_version", ("version",), message, value=version, hint=hint)
    elif is_placeholder(written):
        message = f"'version' is still to be filled in: '{written}'"
        spec.warn("placeholder", ("version",), message, value=version, hint="write a version, or leave it out")
    elif not _VERSION.fullmatch(written):
        message = f"'version' cannot be '{written}'"
        words = "letters, digits, dots, dashes and underscores"
        spec.error(
            "invalid_value", ("version",), message, value=version, expected=words, hint=f"use {words}, such as 1.0.0"
        )


def _check_data_name(spec: SpecCheck) -> None:
    """A data asset with a version has a name, too."""
    if "version" in spec.data and "name" not in spec.data:
        hint = "add 'name: …', or give --name with the command"
        spec.error("missing_key", ("name",), "'name' is missing beside 'version'", hint=hint)


def _check_environment(spec: SpecCheck) -> None:
    """A name, image or build, and the conda file, as inside of a job."""
    if "name" not in spec.data:
        hint = "add 'name: …', or give --name with the command"
        spec.error("missing_key", ("name",), "'name' is missing", hint=hint)
    if spec.refused:
        return
    reading = EnvironmentReading(library=spec.library, paths=spec.options.paths)
    value = {key: item for key, item in spec.data.items() if key not in _INLINE_ONLY}
    spec.environments[()] = reading.read(spec.document, (), value)
    told = {_place(found) for found in spec.problems}
    spec.problems += [found for found in (*reading.problems, *reading.warnings) if _place(found) not in told]


def _place(found: Problem) -> tuple[str, int, int, str]:
    return found.source, found.line, found.column, found.code


def _check_data(spec: SpecCheck) -> None:
    """The type of data goes with what stands at a local path."""
    _check_data_name(spec)
    given = text(spec, "path")
    if given is None or not spec.is_sound(("type",)):
        return
    kind = text(spec, "type")
    if kind is None and shape_of(spec, given) == "file":
        message = f"'path': '{given}' is a file, and without a type it must be a folder"
        hint = "write 'type: uri_file', or name the folder"
        spec.error("wrong_path", ("path",), message, value=given, hint=hint)
    elif kind is not None:
        check_local_data(spec, ("path",), given, kind)


def _check_import(spec: SpecCheck) -> None:
    """Imported data goes to a datastore."""
    given = text(spec, "path")
    if given is not None and parse(given).kind != DATASTORE and not is_placeholder(given):
        message = f"'{dotted(('path',))}': '{given}' is not a folder of a datastore"
        hint = "write azureml://datastores/<datastore>/paths/<folder>/${{name}}"
        spec.error("invalid_reference", ("path",), message, value=given, hint=hint)


_CHECKS: dict[str, Callable[[SpecCheck], None]] = {
    "environment": _check_environment,
    "model": check_model,
    "data": _check_data,
    "dataImport": _check_import,
}
