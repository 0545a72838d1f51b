"""The values that a sweep certainly tries."""

from __future__ import annotations

from typing import Any

import pytest

from mlctl.spec.rules.sweep import tried_values


@pytest.mark.parametrize(
    ("distribution", "values"),
    [
        ({"type": "choice", "values": [1, "b", True, 0.5]}, [1, "b", True, 0.5]),
        ({"type": "choice", "values": [{"a": 1}, 2, [3]]}, [2]),
        ({"type": "choice", "values": []}, []),
        ({"type": "choice"}, []),
        ({"type": "uniform", "min_value": 0.1, "max_value": 2}, [0.1, 2]),
        ({"type": "quniform", "min_value": 0.1}, [0.1]),
        ({"type": "uniform", "min_value": "${{parent.inputs.low}}", "max_value": 1}, [1]),
        # exponents and tails are no values
        ({"type": "loguniform", "min_value": -3, "max_value": -1}, []),
        ({"type": "normal", "mu": 0, "sigma": 1}, []),
        ({"type": "randint", "upper": 9}, []),
    ],
)
def test_tried_values(distribution: dict[str, Any], values: list[Any]) -> None:
    assert [value for _, value in tried_values(distribution)] == values


def test_the_place_of_a_value() -> None:
    assert tried_values({"type": "choice", "values": [[], 2]}) == [(("values", 1), 2)]
    assert tried_values({"type": "uniform", "max_value": 2}) == [(("max_value",), 2)]
