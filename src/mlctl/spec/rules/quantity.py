"""Quantities of Kubernetes: `500m`, `2`, `1.5Gi`."""

from __future__ import annotations

import re

_QUANTITY = r"(\d+(?:\.\d*)?|\.\d+)(m|k|Ki|M|Mi|G|Gi|T|Ti|P|Pi|E|Ei|[eE][+-]?\d{1,3})?"
_FACTORS = {
    "m": 1e-3,
    **{unit: 1000.0**power for power, unit in enumerate("kMGTPE", start=1)},
    **{f"{unit}i": 1024.0**power for power, unit in enumerate("KMGTPE", start=1)},
}


def quantity(text: str) -> float | None:
    """The amount that a text means; None when it means none."""
    found = re.fullmatch(_QUANTITY, text.strip())
    if found is None:
        return None
    amount, unit = found.groups()
    if unit is None:
        return float(amount)
    return float(amount) * _FACTORS[unit] if unit in _FACTORS else float(amount + unit)
