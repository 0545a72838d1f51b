"""Any value a command returns, as plain JSON data: maps with text keys in sorted order, lists, text, numbers, null."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from collections.abc import Set as AbstractSet
from dataclasses import fields, is_dataclass
from datetime import date, datetime
from enum import Enum
from pathlib import PurePath
from typing import Any


def to_plain(value: Any) -> Any:
    """`value` as plain data. Dataclasses become maps, times ISO text, paths text, sets sorted lists.

    NaN and infinities, for which JSON has no word, become the texts "NaN", "Infinity" and "-Infinity", as in
    protobuf's JSON. Raises TypeError for what has no plain form.
    """
    if value is None or isinstance(value, (str, bool, int)):
        return value.value if isinstance(value, Enum) else value
    if isinstance(value, float):
        return value if math.isfinite(value) else _number_word(value)
    if isinstance(value, Mapping):
        return {key: to_plain(value[source]) for key, source in sorted((str(source), source) for source in value)}
    if is_dataclass(value) and not isinstance(value, type):
        return {name: to_plain(getattr(value, name)) for name in sorted(field.name for field in fields(value))}
    if isinstance(value, AbstractSet):
        return sorted((to_plain(item) for item in value), key=str)
    return _to_plain_leaf(value)


def _to_plain_leaf(value: Any) -> Any:
    if isinstance(value, (bytes, bytearray)):
        return bytes(value).decode("utf-8", "backslashreplace")
    if isinstance(value, Sequence):
        return [to_plain(item) for item in value]
    if isinstance(value, Enum):
        return to_plain(value.value)
    if isinstance(value, PurePath):
        return str(value)
    if isinstance(value, (datetime, date)):
        return value.isoformat()
    raise TypeError(f"a command returned a {type(value).__name__}, which has no plain form")


def _number_word(value: float) -> str:
    if math.isnan(value):
        return "NaN"
    return "Infinity" if value > 0 else "-Infinity"
