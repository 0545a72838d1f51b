"""References and local paths, wherever the schema says that there is one.

The schemas mark such keys: `x-local` (a local path that must be there), `x-asset` (an `azureml:` reference, and to
what), `x-file` (another spec file), `x-bare` (a bare word is a name). The walk through the data finds them all, in
every kind (`mlctl.spec.coercion`).
"""

from __future__ import annotations

from typing import Any, NamedTuple

from mlctl.spec.check import SpecCheck, check_document
from mlctl.spec.detection import FLOW, detect, refine
from mlctl.spec.document import Document, KeyPath, dotted
from mlctl.spec.environment import EnvironmentReading
from mlctl.spec.kinds import Kind, default_kind, kind_named
from mlctl.spec.paths import absolute, missing_path
from mlctl.spec.problems import ERROR, with_article
from mlctl.spec.references import ASSET, FILE, GIT, INVALID, LOCAL, Reference, parse
from mlctl.spec.schema import Schema

_WHAT = {"folder": "folder", "file": "file", "any": "file or folder"}


_EXAMPLES = {
    "data": "such as azureml://datastores/<datastore>/paths/<path>",
    "code": "name a local folder",
    "compute": "such as azureml:<name>",
    "datastore": "such as azureml:<name>",
}


_COMPUTE_WORDS = ("serverless", "local")
"""Computes that have no name of their own."""

_PREFIXED = ("model", "environment")
"""Sorts whose files are named with `file:` only."""


class _Sort(NamedTuple):
    """A sort of asset: what it is called, the types in long references, an example."""

    words: str
    types: tuple[str, ...]
    needs_version: bool = True


_SHARED = frozenset({"command", "jobs", "trial", "entry", "task", "source"})
"""Keys that jobs and components have alike."""

_SORTS = {
    "environment": _Sort("an environment", ("environments",)),
    "data": _Sort("data or a model", ("data", "datasets", "models")),
    "model": _Sort("a model", ("models",)),
    "component": _Sort("a component", ("components",)),
    "code": _Sort("code", ("codes",)),
    "compute": _Sort("a compute", ("computes",), needs_version=False),
    "datastore": _Sort("a datastore", ("datastores",), needs_version=False),
    "job": _Sort("a job", ("jobs",), needs_version=False),
    "connection": _Sort("a connection", ("connections",), needs_version=False),
}


def check_annotated(spec: SpecCheck) -> None:
    """Check every marked text, and every inline environment."""
    for path, value, schema in spec.marked:
        if not spec.is_sound(path):
            continue
        if isinstance(value, dict):
            _read_environment(spec, path, value)
        elif value and ("${{" not in value or _runs_as_it_is(spec, schema)):
            _check_text(spec, path, value, schema)


def open_spec(spec: SpecCheck, path: KeyPath, text: str, family: str) -> SpecCheck | None:
    """The check of the spec file that a text names (`file:x.yml` or a path), as a kind of that family.

    `family` may end with the only type that fits, `component:command`. None when the file cannot be read or is
    something else, which is told.
    """
    document = spec.open(path, text)
    if document is None:
        return None
    kind = _kind_of_file(spec, path, document, family)
    return None if kind is None else spec.descend(path, document, kind)


def _runs_as_it_is(spec: SpecCheck, schema: Schema) -> bool:
    """Whether an expression means nothing here: nobody fills in the environment of a job that stands alone."""
    return spec.kind.name == "commandJob" and schema.get("x-asset") == "environment"


def _read_environment(spec: SpecCheck, path: KeyPath, value: Any) -> None:
    serves = spec.kind.family in ("online-deployment", "batch-deployment")
    reading = EnvironmentReading(library=spec.library, paths=spec.options.paths, serves=serves)
    spec.environments[path] = reading.read(spec.document, path, value)
    spec.problems += [*reading.problems, *reading.warnings]
    spec.attached += reading.documents


def _check_text(spec: SpecCheck, path: KeyPath, text: str, schema: Schema) -> None:
    asset = schema.get("x-asset")
    if asset == "environment":
        _read_environment(spec, path, text)
        return
    reference = parse(text)
    if reference.kind == ASSET:
        _check_asset(spec, path, reference, asset)
    elif reference.kind == INVALID:
        _invalid(spec, path, reference, asset)
    elif reference.kind in (FILE, LOCAL):
        _check_local(spec, path, reference, schema)
    elif reference.kind == GIT and "x-local" not in schema:
        _invalid(spec, path, reference, asset)


def _check_local(spec: SpecCheck, path: KeyPath, reference: Reference, schema: Schema) -> None:
    text = reference.path or ""
    if "x-file" in schema and (reference.kind == FILE or _names_file(spec, text, schema)):
        spec.files[path] = open_spec(spec, path, text, schema["x-file"])
    elif "x-local" in schema and reference.kind == FILE and not _takes_prefix(spec, schema):
        message = f"'{dotted(path)}': '{reference.text}' is a local path, which stands here without 'file:'"
        spec.error("invalid_reference", path, message, value=reference.text, hint=f"write {text}")
    elif "x-local" in schema:
        _check_there(spec, path, text, schema["x-local"])
    elif "x-bare" not in schema and "x-asset" in schema and text not in _COMPUTE_WORDS:
        sort = _SORTS[schema["x-asset"]]
        message = f"'{dotted(path)}': '{text}' is not a reference to {sort.words}"
        hint = f"write azureml:<name>{':<version>' if sort.needs_version else ''}, or give it inline as a map"
        spec.error("invalid_reference", path, message, value=reference.text, hint=hint)


def _check_there(spec: SpecCheck, path: KeyPath, text: str, wanted: str) -> None:
    """A local path leads to something, and to a file or a folder where that counts."""
    if not spec.options.paths or spec.is_full:
        return
    found = spec.library.kind_of(absolute(spec.document, text))
    if found is None:
        spec.problems.append(missing_path(spec.document, path, text, what=_WHAT[wanted]))
    elif wanted not in ("any", found):
        message = f"'{dotted(path)}': '{text}' is a {found}, a {wanted} is expected"
        spec.error("wrong_path", path, message, value=text, hint=f"name a {wanted}")


def _takes_prefix(spec: SpecCheck, schema: Schema) -> bool:
    """Whether `file:` may stand before a local path: in inputs of jobs."""
    return schema.get("x-asset") == "data" and spec.kind.family != "data"


def _check_asset(spec: SpecCheck, path: KeyPath, reference: Reference, asset: str | None) -> None:
    text = reference.text
    sort = _SORTS.get(asset or "")
    if sort is None:
        return
    if reference.asset_type is not None and reference.asset_type not in sort.types:
        message = f"'{dotted(path)}': '{text}' names {reference.asset_type}, {sort.words} is expected"
        spec.error("invalid_reference", path, message, value=text, hint=f"name {sort.words}")
    elif sort.needs_version and not reference.is_pinned and reference.registry is None:
        message = f"'{dotted(path)}': '{text}' lacks a version"
        spec.error("invalid_reference", path, message, value=text, hint=f"write {text}:<version> or {text}@latest")


def _invalid(spec: SpecCheck, path: KeyPath, reference: Reference, asset: str | None) -> None:
    message = (
        f"'{dotted(path)}': '{reference.text}' is not a reference: {reference.problem or 'not one that fits here'}"
    )
    hint = _EXAMPLES.get(asset or "", "such as azureml:<name>:<version>")
    spec.error("invalid_reference", path, message, value=reference.text, hint=hint)


def _names_file(spec: SpecCheck, text: str, schema: Schema) -> bool:
    """Whether text without `file:` means another spec: by its suffix, or since it is there."""
    if schema.get("x-asset") in _PREFIXED:
        return False
    if text.endswith((".yml", ".yaml")):
        return True
    return "x-bare" not in schema and spec.library.kind_of(absolute(spec.document, text)) == "file"


def _kind_of_file(spec: SpecCheck, path: KeyPath, document: Document, family: str) -> Kind | None:
    """The kind that a named file has in the family that is expected of it."""
    name, _, only = family.partition(":")
    fallback = kind_named(f"{only}{name}") or default_kind(name) or kind_named(name)
    assert fallback is not None, family
    kind = refine(fallback, document.data)
    detected = detect(document.data)
    claimed = detected.kind
    if detected.reason == FLOW and fallback.family == "component":
        # a prompt flow may run as a component; what it holds is not checked here
        return None
    what = with_article(claimed.title) if claimed is not None else detected.reason
    if claimed is None:
        # a map that tells nothing of itself may be meant
        otherwise = what.startswith(("a ", "an "))
    else:
        otherwise = claimed.family != fallback.family and (
            _says_otherwise(document, claimed) or _fits_better(spec, path, document, (kind, claimed))
        )
    if otherwise:
        message = f"'{dotted(path)}': {document.source} is {what}, {with_article(fallback.family)} is expected"
        spec.error("wrong_file", path, message, hint=f"name the file of {with_article(fallback.title)}")
        return None
    if only and kind.name != fallback.name and not _is_left_to_component(spec, path):
        message = f"'{dotted(path)}': {document.source} is a {kind.title}, a {fallback.title} is expected"
        spec.error("wrong_file", path, message, hint=f"name the file of a {fallback.title}")
        return None
    return kind


def _is_left_to_component(spec: SpecCheck, path: KeyPath) -> bool:
    """Whether the value at a path is the component of a step without `type`, which is what its component is."""
    return path[0] == "jobs" and path[-1] == "component" and "type" not in spec.mapping(*path[:-1])


def _says_otherwise(document: Document, claimed: Kind) -> bool:
    """Whether a file clearly is of the other family: a job and a component look too much alike to be sure."""
    return claimed.family not in ("job", "component") or not _SHARED & document.data.keys()


def _fits_better(spec: SpecCheck, path: KeyPath, document: Document, kinds: tuple[Kind, Kind]) -> bool:
    """Whether a file that is wrong as the first kind is less so as the second: then it is the wrong file."""
    expected, claimed = kinds
    found = spec.look_into(path, document, expected)
    if found is None or not _errors(found):
        return False
    other = check_document(document, claimed, spec.options, spec.library, trail=(*spec.trail, document.place))
    if _errors(other) >= _errors(found):
        return False
    del spec.nested[document.place, expected.name]
    return True


def _errors(spec: SpecCheck) -> int:
    """How many errors a nested file has; its own name does not count there."""
    own = (spec.document.source, "name")
    return sum(1 for found in spec.problems if found.severity == ERROR and (found.source, found.path) != own)
