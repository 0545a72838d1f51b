"""Spark jobs, steps and components: entry, modes, resources and the properties that Spark needs."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from mlctl.spec.check import SpecCheck
from mlctl.spec.document import KeyPath, dotted
from mlctl.spec.rules.command import check_expressions
from mlctl.spec.rules.ports import check_inputs, check_inside, check_outputs, declared

_NEEDED = ("spark.driver.cores", "spark.driver.memory", "spark.executor.cores", "spark.executor.memory")
_INSTANCES = "spark.executor.instances"
_DYNAMIC = "spark.dynamicAllocation.enabled"
_LIMITS = ("spark.dynamicAllocation.minExecutors", "spark.dynamicAllocation.maxExecutors")


def check_spark(spec: SpecCheck) -> None:
    """Check a spark job."""
    check_inputs(spec, ("inputs",))
    check_outputs(spec, ("outputs",))
    _check_modes(spec, ())
    check_place(spec, ())
    check_conf(spec, ())
    check_entry(spec, ())
    check_expressions(spec, ("args",), declared(spec))


def check_entry(spec: SpecCheck, path: KeyPath) -> None:
    """Check that the entry file of what stands at `path` is in its code folder."""
    entry = spec.mapping(*path, "entry")
    if "class_name" in entry:
        here = (*path, "entry", "class_name")
        message = f"'{dotted(here)}': Azure ML takes an entry file only"
        spec.error("not_allowed", here, message, value=entry["class_name"], hint="write 'entry: {file: main.py}'")
    check_inside(spec, (*path, "entry", "file"), spec.mapping(*path).get("code"))


def check_place(spec: SpecCheck, path: KeyPath) -> None:
    """Check that the spark job or step at `path` has a compute or resources, and not both."""
    value = spec.mapping(*path)
    if "compute" in value and "resources" in value:
        message = f"'{dotted((*path, 'resources'))}' and 'compute' exclude each other"
        hint = "keep resources for serverless Spark, compute for an attached pool"
        spec.error("conflict", (*path, "resources"), message, hint=hint, on_key=True)
    elif "resources" in value and spec.is_sound((*path, "resources")):
        _check_resources(spec, (*path, "resources"))
    elif "compute" not in value and "resources" not in value:
        message = "a spark job needs resources or a compute"
        hint = "add 'resources: {instance_type: standard_e4s_v3, runtime_version: \"3.4\"}'"
        spec.error("missing_key", (*path, "resources"), message, hint=hint)


def _check_resources(spec: SpecCheck, path: KeyPath) -> None:
    resources = spec.mapping(*path)
    for key, example in (("instance_type", "standard_e4s_v3"), ("runtime_version", '"3.4"')):
        here: KeyPath = (*path, key)
        hint = f"write '{key}: {example}'"
        if key not in resources:
            spec.error("missing_key", here, f"'{dotted(here)}' is missing", hint=hint)
        elif resources[key] in (None, ""):
            spec.error("empty_value", here, f"'{dotted(here)}' is empty", value=resources[key], hint=hint)


def check_conf(spec: SpecCheck, path: KeyPath, *, otherwise: Mapping[str, Any] | None = None) -> None:
    """Check the Spark properties in `conf` that Azure ML demands. `otherwise`: what counts without a `conf`."""
    conf = spec.mapping(*path, "conf") or otherwise or {}
    if not spec.is_sound((*path, "conf")):
        return
    dynamic = str(conf.get(_DYNAMIC, "")).lower() == "true"
    needed = (*_NEEDED, *(_LIMITS if dynamic else (_INSTANCES,)))
    missing = [key for key in needed if conf.get(key) is None]
    here: KeyPath = (*path, "conf")
    if missing:
        message = f"'{dotted(here)}' lacks {', '.join(missing)}"
        spec.error("missing_key", (*here, missing[0]), message, hint="Azure ML starts no Spark session without them")
    elif dynamic:
        _check_executors(spec, here, conf)
    else:
        for key in _LIMITS:
            if key in conf:
                message = f"'{dotted(here)}': {key} means nothing while {_DYNAMIC} is not true"
                hint = f"remove it, or add '{_DYNAMIC}: true'"
                spec.error("conflict", (*here, key), message, value=conf[key], hint=hint, on_key=True)


def _check_executors(spec: SpecCheck, path: KeyPath, conf: Mapping[str, Any]) -> None:
    low, high, count = _whole(conf[_LIMITS[0]]), _whole(conf[_LIMITS[1]]), _whole(conf.get(_INSTANCES))
    if low is None or high is None:
        return
    if not 0 < low <= high:
        message = f"{_LIMITS[0]} is {low} and maxExecutors {high}"
        hint = "write at least 1, and not more than maxExecutors"
        spec.error("out_of_range", (*path, _LIMITS[0]), message, value=low, hint=hint)
    elif count and not low <= count <= high:
        message = f"{_INSTANCES} is {count}, not between minExecutors ({low}) and maxExecutors ({high})"
        spec.error("out_of_range", (*path, _INSTANCES), message, value=count, hint=f"write {low} to {high}")


def _check_modes(spec: SpecCheck, path: KeyPath) -> None:
    """A standalone spark job reads and writes its data in place."""
    for group, default in (("inputs", "ro_mount"), ("outputs", "rw_mount")):
        for name, value in spec.mapping(*path, group).items():
            if isinstance(value, dict) and ("path" in value or group == "outputs") and name != "default":
                mode = value.get("mode", default)
                if mode != "direct":
                    here: KeyPath = (*path, group, name, "mode")
                    message = f"'{dotted(here)}' is {mode}, a spark job takes direct only"
                    spec.error("not_allowed", here, message, value=mode, expected="direct", hint="write 'mode: direct'")


def _whole(value: Any) -> int | None:
    try:
        return int(value)
    except (TypeError, ValueError):
        return None
