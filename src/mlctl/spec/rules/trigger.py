"""Triggers of schedules, of compute instances and of feature sets: cron or recurrence."""

from __future__ import annotations

from typing import Any

from mlctl.spec.check import SpecCheck
from mlctl.spec.document import KeyPath, dotted
from mlctl.spec.rules.cron import fault_of, ignored_fields
from mlctl.spec.rules.parts import Range, check_range, part, raw, text
from mlctl.spec.rules.times import check_time, check_time_zone


def check_trigger(spec: SpecCheck, path: KeyPath) -> None:
    """When something starts: the expression or the recurrence, its time zone, its first and last time."""
    if not isinstance(raw(spec, *path), dict):
        return
    _check_cron(spec, (*path, "expression"))
    _check_recurrence(spec, path)
    check_time_zone(spec, (*path, "time_zone"))
    start = check_time(spec, (*path, "start_time"))
    end = check_time(spec, (*path, "end_time"))
    if start is not None and end is not None and end <= start:
        message = f"'{dotted((*path, 'end_time'))}' is not after 'start_time'"
        value = text(spec, *path, "end_time")
        spec.error("conflict", (*path, "end_time"), message, value=value, hint="write a later time, or remove it")


def _check_cron(spec: SpecCheck, path: KeyPath) -> None:
    expression = text(spec, *path)
    if expression is None:
        return
    fault = fault_of(expression)
    if fault:
        message = f"'{dotted(path)}': {fault.message}"
        spec.error("invalid_value", path, message, value=expression, hint=fault.hint)
        return
    ignored = ignored_fields(expression)
    if ignored:
        message = f"'{dotted(path)}': Azure ML does not read the {' and the '.join(ignored)}, it takes every one"
        hint = "use a trigger of type: recurrence with frequency: month and month_days"
        spec.warn("ignored", path, message, value=expression, hint=hint)


def _check_recurrence(spec: SpecCheck, path: KeyPath) -> None:
    check_range(spec, Range((*path, "interval"), 1))
    pattern: KeyPath = (*path, "schedule")
    for key, low, high in (("hours", 0, 23), ("minutes", 0, 59), ("month_days", 1, 31)):
        for item in _items(part(spec, *pattern, key), (*pattern, key)):
            check_range(spec, Range(item, low, high))
    frequency = text(spec, *path, "frequency")
    if part(spec, *pattern, "month_days") is not None and frequency not in (None, "month"):
        days: KeyPath = (*pattern, "month_days")
        message = f"'{dotted(days)}' needs frequency: month, not {frequency}"
        hint = "write 'frequency: month', or use 'week_days'"
        spec.error("conflict", days, message, hint=hint, on_key=True)


def _items(value: Any, path: KeyPath) -> list[KeyPath]:
    """Paths of the items of a list, or the path of the one value."""
    if isinstance(value, list):
        return [(*path, index) for index in range(len(value))]
    return [] if value is None else [path]
