"""Data on this machine: its type goes with what stands at its path, in jobs and in assets."""

from __future__ import annotations

from mlctl.errors import InvalidSpecError, MlctlError
from mlctl.spec.check import SpecCheck
from mlctl.spec.document import Document, KeyPath, dotted
from mlctl.spec.paths import absolute, beside
from mlctl.spec.references import FILE, LOCAL, parse

_SHAPES = {"uri_file": "file", "uri_folder": "folder", "mltable": "folder"}
_TYPES = {"file": "uri_file", "folder": "uri_folder"}


def shape_of(spec: SpecCheck, given: str) -> str | None:
    """`file` or `folder`, what stands at a local path; None when nothing does, it is elsewhere, or nobody may look."""
    reference = parse(given)
    if reference.kind not in (LOCAL, FILE) or not spec.options.paths:
        return None
    return spec.library.kind_of(absolute(spec.document, reference.path or ""))


def check_local_data(spec: SpecCheck, path: KeyPath, given: str, kind: str) -> None:
    """Data of type `kind`, whose path `given` stands at `path`, is a file or a folder as the type says."""
    there, wanted = shape_of(spec, given), _SHAPES.get(kind)
    if there is None or wanted is None:
        return
    if there != wanted:
        message = f"'{dotted(path)}' is a {there}, but the type is {kind}"
        hint = f"write 'type: {_TYPES[there]}', or name the {wanted}"
        if kind == "mltable":
            hint = "name the folder that holds the file MLTable"
        spec.error("wrong_path", path, message, value=given, hint=hint)
    elif kind == "mltable":
        _check_table(spec, path, given)


def _check_table(spec: SpecCheck, path: KeyPath, given: str) -> None:
    """The folder holds a file MLTable, which is YAML and has paths."""
    name = f"{parse(given).path}/MLTable"
    if spec.library.kind_of(absolute(spec.document, name)) != "file":
        message = f"'{dotted(path)}': there is no file MLTable in '{given}'"
        hint = "add the file MLTable to the folder, or write 'type: uri_folder'"
        spec.error("missing_path", path, message, value=given, hint=hint)
        return
    table = _read(spec, path, name)
    if table is not None and not (isinstance(table.data, dict) and isinstance(table.data.get("paths"), list)):
        message = f"{table.source} has no list of 'paths'"
        hint = "write 'paths:' with '- file: ./a.csv', '- folder: …' or '- pattern: …'"
        spec.problems.append(table.problem("missing_key", ("paths",), message, hint=hint))


def _read(spec: SpecCheck, path: KeyPath, name: str) -> Document | None:
    try:
        return spec.library.read(absolute(spec.document, name), source=beside(spec.document, name))
    except InvalidSpecError as error:
        spec.problems += error.problems
    except MlctlError as error:
        spec.error("missing_path", path, error.message, value=name, hint=error.hint)
    return None
