"""Feature sets, their entities and back-fills."""

from __future__ import annotations

from pathlib import Path

from mlctl.spec.check import SpecCheck
from mlctl.spec.document import dotted
from mlctl.spec.paths import absolute
from mlctl.spec.references import FILE, LOCAL, parse
from mlctl.spec.rules.asset import check_version
from mlctl.spec.rules.parts import part, raw, text
from mlctl.spec.rules.times import check_time
from mlctl.spec.rules.trigger import check_trigger

SPECIFICATION = "FeatureSetSpec.yaml"


def check_feature_set(spec: SpecCheck) -> None:
    """A feature set: the folder of its specification, its entities, when it is materialized."""
    check_version(spec)
    if spec.kind.name == "featureSetBackfill":
        _check_window(spec)
    _check_specification(spec)
    _check_entities(spec)
    if isinstance(raw(spec, "materialization_settings", "schedule"), dict):
        check_trigger(spec, ("materialization_settings", "schedule"))


def check_entity(spec: SpecCheck) -> None:
    """An entity: columns that identify it."""
    check_version(spec)
    if part(spec, "index_columns") == []:
        hint = "add '- name: <column>' and 'type: string'"
        spec.error("empty_value", ("index_columns",), "'index_columns' is empty", hint=hint)


def _check_specification(spec: SpecCheck) -> None:
    """The folder holds the specification."""
    path = ("specification", "path")
    given = text(spec, *path)
    if given is None or not spec.options.paths or parse(given).kind not in (LOCAL, FILE):
        return
    folder = Path(absolute(spec.document, parse(given).path or ""))
    there = spec.library.kind_of(folder)
    if there == "file":
        message = f"'{dotted(path)}': '{given}' is a file, the folder with {SPECIFICATION} is expected"
        spec.error("wrong_path", path, message, value=given, hint="name the folder")
    elif there == "folder" and spec.library.kind_of(folder / SPECIFICATION) != "file":
        message = f"'{dotted(path)}': there is no {SPECIFICATION} in '{given}'"
        spec.error("missing_path", path, message, value=given, hint=f"looked for {folder / SPECIFICATION}")


def _check_entities(spec: SpecCheck) -> None:
    """Entities are references with a version."""
    entities = part(spec, "entities")
    if entities == []:
        spec.error("empty_value", ("entities",), "'entities' is empty", hint="add '- azureml:<name>:<version>'")
    for index, entity in enumerate(entities or ()):
        if isinstance(entity, str) and not _names_entity(entity):
            message = f"'entities[{index}]': '{entity}' is not a reference to an entity"
            hint = "write azureml:<name>:<version>"
            spec.error("invalid_reference", ("entities", index), message, value=entity, hint=hint)


def _names_entity(written: str) -> bool:
    reference = parse(written)
    return reference.is_pinned or reference.kind == "resource"


def _check_window(spec: SpecCheck) -> None:
    """A back-fill has a range of time."""
    start = check_time(spec, ("feature_window", "feature_window_start"))
    end = check_time(spec, ("feature_window", "feature_window_end"))
    if start is not None and end is not None and end <= start:
        path = ("feature_window", "feature_window_end")
        message = f"'{dotted(path)}' is not after 'feature_window_start'"
        spec.error("conflict", path, message, value=text(spec, *path), hint="write a later time")
