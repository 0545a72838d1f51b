"""Steps, conditions and shares of a rollout; counters of the router; history and rollback."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
from tests.unit.operations.endpoint_desks import Desk

from mlctl.errors import ConflictError, NotFoundError, UsageError
from mlctl.operations import endpoints, rollouts
from mlctl.operations.rollouts import RolloutAbortedError, parse_condition, parse_steps, shares
from mlctl.operations.traffic_metrics import Reading, _reading


@pytest.fixture
def office(tmp_path: Path) -> Iterator[Desk]:
    office = Desk(tmp_path / "home")
    endpoints.create(office.desk, None, fields={"name": "iris"})
    for name in ("blue", "green"):
        office.put(name)
    endpoints.update(office.desk, "iris", {"traffic": {"blue": 100}, "mirror_traffic": {"green": 10}}, what="traffic")
    yield office
    office.store.database.close()


def roll(office: Desk, *conditions: str, steps: str = "5,100", every: float = 0.0, minimum: int = 1) -> object:
    parsed = [parse_condition(text) for text in conditions]
    return rollouts.rollout(
        office.desk, "iris", "green", steps=parse_steps(steps), every=every, conditions=parsed, minimum=minimum,
        say=lambda _: None,
    )  # fmt: skip


def test_conditions() -> None:
    assert (parse_condition("error_rate>2%").limit, parse_condition("p95 > 300ms").limit) == (0.02, 0.3)
    assert parse_condition("p99>1.5s").limit == 1.5
    for bad in ("p95>300", "error_rate>2ms", "p42>1s", "errors>2%", "p95<1s"):
        with pytest.raises(UsageError):
            parse_condition(bad)
    for bad in ("", "0,50", "50,50", "50,25", "5,101", "x"):
        with pytest.raises(UsageError):
            parse_steps(bad)


def test_shares_add_up() -> None:
    assert shares({"blue": 100}, "green", 5) == {"blue": 95, "green": 5}
    assert shares({"a": 34, "b": 33, "c": 33}, "green", 50) == {"a": 17, "b": 17, "c": 16, "green": 50}
    assert shares({}, "green", 100) == {"green": 100}
    with pytest.raises(ConflictError):
        shares({}, "green", 50)


TEXT = """\
mlctl_requests_total{deployment="green",code="200",traffic="live"} 90
mlctl_requests_total{deployment="green",code="424",traffic="live"} 10
mlctl_requests_total{deployment="green",code="401",traffic="live"} 5
mlctl_requests_total{deployment="green",code="200",traffic="mirror"} 7
mlctl_requests_total{deployment="blue",code="500",traffic="live"} 99
mlctl_request_duration_seconds_bucket{deployment="green",traffic="live",le="0.1"} 50
mlctl_request_duration_seconds_bucket{deployment="green",traffic="live",le="0.5"} 100
mlctl_request_duration_seconds_bucket{deployment="green",traffic="live",le="+Inf"} 105
"""


def test_counters() -> None:
    found = _reading(TEXT, "green")
    assert (found.requests, found.errors) == (105, 10)
    later = Reading(205, 10, ((0.1, 150), (0.5, 200), (float("inf"), 205))).since(found)
    assert (later.requests, later.errors, later.percentile(0.95)) == (100, 0, 0.095)
    assert found.percentile(0.99) == 0.5  # nobody knows how long the longest took
    restarted = Reading(3, 1, ()).since(found)
    assert restarted.requests == 3


def test_a_rollout_to_its_end(office: Desk, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(rollouts, "read_metrics", lambda *_: Reading(0, 0, ()))
    roll(office)
    shown = endpoints.show(office.desk, "iris")
    assert (shown["traffic"], shown["mirror_traffic"]) == ({"blue": 0, "green": 100}, {})
    whats = [one["what"] for one in rollouts.history(office.desk, "iris")]
    assert whats[-3:] == ["rollout green to 5 %", "rollout green to 100 %", "rollout of green done"]
    with pytest.raises(ConflictError, match="has 100 %"):
        roll(office)
    rollouts.rollback(office.desk, "iris", None, lambda _: None)
    shown = endpoints.show(office.desk, "iris")
    assert (shown["traffic"], shown["mirror_traffic"]) == ({"blue": 100}, {"green": 10})
    with pytest.raises(NotFoundError, match="no change 999"):
        rollouts.rollback(office.desk, "iris", 999, lambda _: None)


def test_a_rollout_that_does_not_do_well(office: Desk, monkeypatch: pytest.MonkeyPatch) -> None:
    readings = iter([Reading(0, 0, ()), Reading(10, 3, ())])
    monkeypatch.setattr(rollouts, "read_metrics", lambda *_: next(readings))
    monkeypatch.setattr(rollouts, "_LOOK", 0.01)
    with pytest.raises(RolloutAbortedError, match=r"aborted at 5 %: error_rate is 30\.0%, over 10 requests"):
        roll(office, "error_rate>2%", every=5.0)
    shown = endpoints.show(office.desk, "iris")
    assert (shown["traffic"], shown["mirror_traffic"]) == ({"blue": 100}, {"green": 10})


def test_somebody_else_is_not_overruled(office: Desk, monkeypatch: pytest.MonkeyPatch) -> None:
    def meddle(*_: object) -> Reading:
        changes = {"traffic": {"blue": 50, "green": 50}, "mirror_traffic": {}}
        endpoints.update(office.desk, "iris", changes)
        return Reading(0, 0, ())

    monkeypatch.setattr(rollouts, "read_metrics", meddle)
    with pytest.raises(ConflictError, match="somebody else changed the traffic"):
        roll(office)
    assert endpoints.show(office.desk, "iris")["traffic"] == {"blue": 50, "green": 50}


def test_a_rollback_to_a_deployment_that_is_gone(office: Desk) -> None:
    endpoints.update(office.desk, "iris", {"traffic": {"blue": 0, "green": 100}, "mirror_traffic": {}})
    office.store.endpoints.delete_deployment("iris", "blue", by="me", at=2.0)
    with pytest.raises(ConflictError, match="gave traffic to 'blue', which was deleted since"):
        rollouts.rollback(office.desk, "iris", 3, lambda _: None)
