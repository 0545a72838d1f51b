"""Cron expressions of five fields, as Azure ML reads them (NCrontab)."""

from __future__ import annotations

from typing import NamedTuple

_MONTHS = "jan feb mar apr may jun jul aug sep oct nov dec".split()
_DAYS = "sun mon tue wed thu fri sat".split()
_MACROS = {
    "@hourly": "0 * * * *",
    "@daily": "0 0 * * *",
    "@midnight": "0 0 * * *",
    "@weekly": "0 0 * * 0",
    "@monthly": "0 0 1 * *",
    "@yearly": "0 0 1 1 *",
    "@annually": "0 0 1 1 *",
}


class _Field(NamedTuple):
    """One of the five fields. `names`: words for its numbers, the first stands for `low`."""

    title: str
    low: int
    high: int
    names: tuple[str, ...] = ()


FIELDS = (
    _Field("minute", 0, 59),
    _Field("hour", 0, 23),
    _Field("day of the month", 1, 31),
    _Field("month", 1, 12, tuple(_MONTHS)),
    _Field("day of the week", 0, 6, tuple(_DAYS)),
)


class Fault(NamedTuple):
    """What is wrong with an expression: a sentence, and what to write."""

    message: str
    hint: str


def fault_of(expression: str) -> Fault | None:
    """Why a text is not a cron expression; None when it is one."""
    words = expression.split()
    if len(words) == 1 and words[0].lower() in _MACROS:
        return Fault(f"'{words[0]}' is not read", f"write '{_MACROS[words[0].lower()]}'")
    if len(words) != len(FIELDS):
        hint = "write minute, hour, day of the month, month, day of the week, such as '0 8 * * 1'"
        if len(words) == 6:
            hint = f"there is no field for seconds: write '{' '.join(words[1:])}'"
        return Fault(f"'{expression}' has {len(words)} fields, a cron expression has 5", hint)
    for word, field in zip(words, FIELDS, strict=True):
        for piece in word.split(","):
            fault = _fault_of_piece(piece, word, field)
            if fault:
                return fault
    return None


def ignored_fields(expression: str) -> list[str]:
    """Titles of the fields that Azure ML reads as `*` whatever they hold: day of the month and month."""
    words = expression.split()
    if len(words) != len(FIELDS):
        return []
    return [field.title for word, field in zip(words[2:4], FIELDS[2:4], strict=True) if word not in ("*", "?")]


def _fault_of_piece(piece: str, word: str, field: _Field) -> Fault | None:
    """One part of a list: `*`, `a`, `a-b`, each perhaps with `/step`."""
    span, slash, step = piece.partition("/")
    if slash and not (step.isascii() and step.isdigit() and 0 < int(step[:9]) <= field.high):
        return Fault(f"the {field.title} '{word}' has the step '{step}'", f"write a step from 1 to {field.high}")
    if span == "*":
        return None
    first, dash, last = span.partition("-")
    ends = [_number(end, field) for end in ((first, last) if dash else (first,))]
    for text, end in zip((first, last), ends, strict=False):
        if end is None or not field.low <= end <= field.high:
            return Fault(f"the {field.title} '{word}' holds '{text}'", _expected(field, text))
    if dash and ends[0] is not None and ends[1] is not None and ends[0] > ends[1]:
        hint = f"write the smaller one first, or two ranges: {first}-{field.high},{field.low}-{last}"
        return Fault(f"the {field.title} '{word}' starts after its end", hint)
    return None


def _number(text: str, field: _Field) -> int | None:
    if text.isascii() and text.isdigit():
        return int(text[:9])
    return field.names.index(text.lower()) + field.low if text.lower() in field.names else None


def _expected(field: _Field, text: str) -> str:
    if field.names and field.low == 0 and text == "7":
        return "Sunday is 0, or sun"
    numbers = f"write a number from {field.low} to {field.high}"
    if field.names:
        return f"{numbers}, or {field.names[0]} to {field.names[-1]}"
    return f"{numbers}, * for every one, or */2 for every second"
