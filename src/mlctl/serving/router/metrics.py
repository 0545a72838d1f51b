"""Counters of the router in Prometheus's text format.

Written by hand: three families of counters and one histogram do not need a package, and the text is a public format
(version 0.0.4).
"""

from __future__ import annotations

from bisect import bisect_left
from collections import Counter, defaultdict
from collections.abc import Iterable, Mapping

CONTENT_TYPE = "text/plain; version=0.0.4; charset=utf-8"
BOUNDS = (0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0, 30.0, 60.0, 180.0)

_HELP = {
    "mlctl_requests_total": "Requests by deployment, traffic (live or mirror) and status code.",
    "mlctl_request_errors_total": "Requests without status 200, by reason.",
    "mlctl_dropped_total": "Mirror copies and collected records that were dropped, by reason.",
}


class Metrics:
    """What happened since the router started. `deployment` is empty for requests that reached none."""

    def __init__(self) -> None:
        self._counts: dict[str, Counter[tuple[tuple[str, str], ...]]] = {name: Counter() for name in _HELP}
        self._durations: dict[tuple[str, str], list[int]] = {}
        self._sums: defaultdict[tuple[str, str], float] = defaultdict(float)

    def request(self, deployment: str, status: int, seconds: float, reason: str, *, traffic: str = "live") -> None:
        """One finished request; `reason` is empty when it was answered with 200."""
        key = (deployment, traffic)
        labels = (("deployment", deployment), ("traffic", traffic))
        coded = (*labels, ("code", str(status)))
        self._counts["mlctl_requests_total"][coded] += 1
        if reason:
            reasoned = (*labels, ("reason", reason))
            self._counts["mlctl_request_errors_total"][reasoned] += 1
        slots = self._durations.setdefault(key, [0] * (len(BOUNDS) + 1))
        slots[bisect_left(BOUNDS, seconds)] += 1
        self._sums[key] += seconds

    def dropped(self, deployment: str, what: str, reason: str) -> None:
        """A mirror copy (`what`: mirror) or a record (collector) that was not kept."""
        self._counts["mlctl_dropped_total"][("deployment", deployment), ("what", what), ("reason", reason)] += 1

    def text(self, gauges: Mapping[str, Mapping[str, int]]) -> str:
        """Everything, with `gauges`: name -> deployment -> value of this moment."""
        lines: list[str] = []
        for name, counts in self._counts.items():
            lines += [f"# HELP {name} {_HELP[name]}", f"# TYPE {name} counter"]
            lines += [f"{name}{_labels(labels)} {value}" for labels, value in sorted(counts.items())]
        lines += self._histogram("mlctl_request_duration_seconds")
        for name, values in gauges.items():
            lines.append(f"# TYPE {name} gauge")
            lines += [f"{name}{_labels([('deployment', one)])} {value}" for one, value in values.items()]
        return "\n".join(lines) + "\n"

    def _histogram(self, name: str) -> list[str]:
        lines = [f"# HELP {name} Time from the request's head to the end of its answer.", f"# TYPE {name} histogram"]
        for (deployment, traffic), slots in sorted(self._durations.items()):
            labels = [("deployment", deployment), ("traffic", traffic)]
            total = 0
            for bound, count in zip([*map(str, BOUNDS), "+Inf"], slots, strict=True):
                total += count
                lines.append(f"{name}_bucket{_labels([*labels, ('le', bound)])} {total}")
            lines.append(f"{name}_sum{_labels(labels)} {self._sums[deployment, traffic]:.6f}")
            lines.append(f"{name}_count{_labels(labels)} {total}")
        return lines


def _labels(labels: Iterable[tuple[str, str]]) -> str:
    return "{" + ",".join(f'{name}="{_escaped(value)}"' for name, value in labels) + "}"


def _escaped(value: str) -> str:
    return value.replace("\\", "\\\\").replace('"', '\\"').replace("\n", "\\n")
