"""Metrics: numbers that a job logged."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Metric:
    """One value of one metric. `step` is MLflow's (0 when the script gave none); `time` is seconds since the epoch."""

    key: str
    value: float
    step: int = 0
    time: float = 0.0
