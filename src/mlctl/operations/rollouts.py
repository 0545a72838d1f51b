"""Moving traffic to a deployment step by step, watching it, and going back."""

from __future__ import annotations

import re
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from mlctl.entities.clock import iso_time
from mlctl.entities.endpoint import ONLINE, Endpoint, EndpointChange
from mlctl.errors import ConflictError, MlctlError, NotFoundError, UsageError
from mlctl.operations.endpoints import EndpointDesk, update
from mlctl.operations.traffic_metrics import Reading, read_metrics

_CONDITION = re.compile(r"(error_rate|p50|p90|p95|p99)\s*>\s*(\d+(?:\.\d+)?)\s*(%|ms|s)?")
_LOOK = 1.0
"""Seconds between two looks at the counters."""


class RolloutAbortedError(MlctlError):
    """A condition was met; the traffic is as it was before (exit 10)."""

    code = "rollout_aborted"
    exit_code = 10


@dataclass(frozen=True, slots=True)
class Condition:
    """What ends a rollout: `measure` above `limit` (a share, or seconds). `text`: as the user wrote it."""

    measure: str
    limit: float
    text: str

    def value(self, reading: Reading) -> float | None:
        """The measure over the requests of a reading; None without any."""
        if not reading.requests:
            return None
        if self.measure == "error_rate":
            return reading.errors / reading.requests
        return reading.percentile(float(self.measure[1:]) / 100)


def parse_condition(text: str) -> Condition:
    """`error_rate>2%`, `p95>300ms`, `p99>1.5s`. Raises UsageError for other text."""
    found = _CONDITION.fullmatch(text.strip())
    share = found is not None and found[1] == "error_rate"
    if found is None or (share != (found[3] in ("%", None))) or (not share and found[3] is None):
        raise UsageError(f"--abort-if cannot be {text!r}", hint="write error_rate>2%, p95>300ms or p99>1.5s")
    scale = {"%": 0.01, "ms": 0.001, "s": 1.0, None: 1.0}[found[3]]
    return Condition(found[1], float(found[2]) * scale, text.strip())


def parse_steps(text: str) -> list[int]:
    """`5,25,50,100` as percents that grow. Raises UsageError."""
    words = [word.strip() for word in text.split(",")]
    if not all(word.isascii() and word.isdigit() and 0 < int(word) <= 100 for word in words):
        raise UsageError(f"--steps cannot be {text!r}", hint="percents from 1 to 100, such as 5,25,50,100")
    steps = [int(word) for word in words]
    if steps != sorted(set(steps)):
        raise UsageError(f"--steps {text!r} does not grow", hint="percents that grow, such as 5,25,50,100")
    return steps


def rollout(
    desk: EndpointDesk,
    name: str,
    to: str,
    *,
    steps: Sequence[int],
    every: float,
    conditions: Sequence[Condition],
    minimum: int,
    say: Callable[[str], None],
) -> dict[str, Any]:
    """Give `to` more traffic step by step; after each one watch it for `every` seconds.

    A condition counts once `minimum` requests of the step were answered. Raises RolloutAbortedError when one is met,
    and the traffic is what it was before; ConflictError when somebody else changes the traffic meanwhile; as `update`.
    """
    before = desk.store.endpoints.get(ONLINE, name)
    desk.store.endpoints.deployment(name, to)
    done = before.traffic.get(to, 0)
    todo = [step for step in steps if step > done]
    if not todo:
        raise ConflictError(f"deployment '{to}' has {done} % of the traffic already")
    expected = dict(before.traffic)
    mirror = {key: value for key, value in before.mirror_traffic.items() if key != to}
    for step in todo:
        _still(desk, name, expected)
        expected = shares(before.traffic, to, step)
        update(desk, name, {"traffic": expected, "mirror_traffic": mirror}, what=f"rollout {to} to {step} %")
        say(f"{to}: {step} %")
        met = _watch(before, to, seconds=every, conditions=conditions, minimum=minimum)
        if met is not None:
            _still(desk, name, expected)
            back = {"traffic": dict(before.traffic), "mirror_traffic": dict(before.mirror_traffic)}
            update(desk, name, back, what=f"abort rollout of {to}: {met}")
            raise RolloutAbortedError(
                f"rollout of '{to}' aborted at {step} %: {met}; the traffic is as it was before",
                hint=f"mlctl online-deployment get-logs -n {to} -e {name}",
                details={"endpoint": name, "deployment": to, "step": step, "condition": met},
            )
    return update(desk, name, {}, what=f"rollout of {to} done")


def shares(before: Mapping[str, int], to: str, percent: int) -> dict[str, int]:
    """The traffic with `percent` for `to`; the others share the rest as they did before. Adds up to 100."""
    others = {name: weight for name, weight in before.items() if name != to}
    rest, total = 100 - percent, sum(others.values())
    if not total:
        if rest:
            raise ConflictError(
                f"no other deployment has traffic that '{to}' could share",
                hint="use --steps 100, or online-endpoint update",
            )
        return {**others, to: 100}
    exact = {name: rest * weight / total for name, weight in others.items()}
    found = {name: int(share) for name, share in exact.items()}
    # largest remainders first, so that it adds up
    for name in sorted(exact, key=lambda one: found[one] - exact[one])[: rest - sum(found.values())]:
        found[name] += 1
    return {**found, to: percent}


def history(desk: EndpointDesk, name: str) -> list[dict[str, Any]]:
    """What was changed, oldest first, each with the weights after it. Raises NotFoundError."""
    desk.store.endpoints.get(ONLINE, name)
    return [describe_change(change) for change in desk.store.endpoints.history(name)]


def describe_change(change: EndpointChange) -> dict[str, Any]:
    """One change, as data."""
    return {
        "number": change.sequence,
        "at": iso_time(change.at),
        "by": change.by,
        "what": change.what,
        "weights": " ".join(f"{name}={percent}" for name, percent in change.traffic.items()),
        "traffic": change.traffic,
        "mirror_traffic": change.mirror_traffic,
        "deployments": change.deployments,
    }


def rollback(desk: EndpointDesk, name: str, number: int | None, say: Callable[[str], None]) -> dict[str, Any]:
    """Bring back the weights after change `number`; without it, the newest other ones that were no step of a rollout.

    Raises NotFoundError for no such change, and ConflictError when a deployment of it is gone.
    """
    endpoint = desk.store.endpoints.get(ONLINE, name)
    target = _target(endpoint, desk.store.endpoints.history(name), number)
    current = {found.name: found for found in desk.store.endpoints.deployments(name)}
    for deployment, percent in {**target.traffic, **target.mirror_traffic}.items():
        if percent and deployment not in current:
            raise ConflictError(
                f"change {target.sequence} gave traffic to '{deployment}', which was deleted since",
                hint=f"mlctl online-endpoint history -n {name} shows the others",
            )
        generation = target.deployments.get(deployment, {}).get("generation")
        if percent and generation != current[deployment].generation:
            say(f"'{deployment}' was changed since: generation {current[deployment].generation}, not {generation}")
    traffic = {deployment: percent for deployment, percent in target.traffic.items() if deployment in current}
    changes = {"traffic": traffic, "mirror_traffic": target.mirror_traffic}
    return update(desk, name, changes, what=f"rollback to {target.sequence}")


def _target(endpoint: Endpoint, changes: Sequence[EndpointChange], number: int | None) -> EndpointChange:
    if number is not None:
        for change in changes:
            if change.sequence == number:
                return change
        raise NotFoundError(
            f"endpoint '{endpoint.name}' has no change {number}",
            hint=f"mlctl online-endpoint history -n {endpoint.name}",
        )
    for change in reversed(changes):
        if change.what.startswith("rollout"):
            continue
        if (change.traffic, change.mirror_traffic) != (endpoint.traffic, endpoint.mirror_traffic):
            return change
    raise NotFoundError(f"the traffic of endpoint '{endpoint.name}' has never been anything else")


def _still(desk: EndpointDesk, name: str, expected: Mapping[str, int]) -> None:
    """Somebody who moved traffic meanwhile is not overruled."""
    now = desk.store.endpoints.get(ONLINE, name).traffic
    if dict(now) != dict(expected):
        raise ConflictError(
            f"somebody else changed the traffic of '{name}' to {dict(now)} meanwhile: the rollout ends here",
            hint=f"mlctl online-endpoint history -n {name}",
        )


def _watch(endpoint: Endpoint, to: str, *, seconds: float, conditions: Sequence[Condition], minimum: int) -> str | None:
    """Look at the counters until the time is over; the words of the first condition that is met."""
    start = read_metrics(endpoint, to)
    give_up = time.monotonic() + seconds
    while (left := give_up - time.monotonic()) > 0:
        time.sleep(min(_LOOK, left))
        reading = read_metrics(endpoint, to).since(start)
        if reading.requests < minimum:
            continue
        for condition in conditions:
            value = condition.value(reading)
            if value is not None and value > condition.limit:
                return f"{_shown(condition, value)}, over {reading.requests} requests ({condition.text})"
    return None


def _shown(condition: Condition, value: float) -> str:
    if condition.measure == "error_rate":
        return f"error_rate is {value:.1%}"
    return f"{condition.measure} is {value * 1000:.0f} ms"
