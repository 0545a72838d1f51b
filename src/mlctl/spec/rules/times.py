"""Points in time and lengths of time, as ISO 8601 writes them."""

from __future__ import annotations

import re
from datetime import datetime, timedelta, timezone

from mlctl.spec.check import SpecCheck
from mlctl.spec.document import KeyPath, dotted
from mlctl.spec.problems import closest
from mlctl.spec.rules.parts import text
from mlctl.spec.rules.timezones import all_names, is_iana, is_windows, windows_name

_TIME = r"(?i)(\d{4})-(\d{1,2})-(\d{1,2})[T ](\d{1,2}):(\d{1,2})(?::(\d{1,2})(?:\.\d+)?)?\s*(Z|[+-]\d{2}(?::?\d{2})?)?"
_LENGTH = r"P(?=[\dT])(?:(\d+)Y)?(?:(\d+)M)?(?:(\d+)W)?(?:(\d+)D)?(?:T(?=\d)(?:(\d+)H)?(?:(\d+)M)?(?:(\d+)S)?)?"
_PARTS = (365 * 24 * 60, 30 * 24 * 60, 7 * 24 * 60, 24 * 60, 60, 1, 1 / 60)


def point_in_time(written: str) -> datetime | None:
    """The time that a text means; None when it is not one. Without an offset it counts as UTC."""
    found = re.fullmatch(_TIME, written.strip())
    if found is None:
        return None
    year, month, day, hour, minute, second = (int(group or 0) for group in found.groups()[:6])
    try:
        return datetime(year, month, day, hour, minute, second, tzinfo=_offset(found[7]))
    except ValueError:
        return None


def minutes_of(written: str) -> float | None:
    """The length in minutes of a duration such as P7D or PT30M; None when it is not one."""
    found = re.fullmatch(_LENGTH, written.strip())
    if found is None:
        return None
    return sum(int(amount or 0) * factor for amount, factor in zip(found.groups(), _PARTS, strict=True))


def check_time(spec: SpecCheck, path: KeyPath) -> datetime | None:
    """A key holds a point in time, which is returned."""
    written = text(spec, *path)
    if written is None:
        return None
    time = point_in_time(written)
    if time is None:
        message = f"'{dotted(path)}': '{written}' is not a time"
        hint = f"write {_proposed(written)}, in the time zone of 'time_zone'"
        spec.error("invalid_value", path, message, value=written, expected="an ISO 8601 time", hint=hint)
    return time


def check_length(spec: SpecCheck, path: KeyPath, *, words: tuple[str, ...] = ()) -> float | None:
    """A key holds a length of time, whose minutes are returned, or one of the `words`."""
    written = text(spec, *path)
    if written is None or written in words:
        return None
    length = minutes_of(written)
    if length is None:
        message = f"'{dotted(path)}': '{written}' is not a length of time"
        hint = "write P7D for 7 days, PT30M for 30 minutes"
        spec.error("invalid_value", path, message, value=written, expected="an ISO 8601 duration", hint=hint)
    return length


def check_time_zone(spec: SpecCheck, path: KeyPath) -> None:
    """A key holds the name of a time zone: Windows names are Azure ML's, IANA names work elsewhere only."""
    name = text(spec, *path)
    if name is None or is_windows(name):
        return
    if is_iana(name):
        same = windows_name(name)
        message = f"'{dotted(path)}': Azure ML knows time zones by their Windows names, '{name}' is an IANA name"
        hint = f"write '{same}'" if same else "such as 'W. Europe Standard Time' or 'UTC'"
        spec.warn("invalid_value", path, message, value=name, hint=hint)
        return
    match = closest(name, all_names())
    message = f"'{dotted(path)}': there is no time zone '{name}'"
    hint = f"did you mean '{match}'?" if match else "such as 'UTC', 'Pacific Standard Time', 'W. Europe Standard Time'"
    spec.error("invalid_value", path, message, value=name, hint=hint)


def _offset(written: str | None) -> timezone:
    if written is None or written in "Zz":
        return timezone.utc
    digits = written[1:].replace(":", "")
    length = timedelta(hours=int(digits[:2]), minutes=int(digits[2:] or 0))
    return timezone(length if written[0] == "+" else -length)


def _proposed(written: str) -> str:
    """A day without its time gets one."""
    if point_in_time(f"{written}T00:00:00"):
        return f"'{written.strip()}T00:00:00'"
    return "it as '2030-01-31T10:15:00'"
