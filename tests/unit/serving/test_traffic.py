"""Requests are shared out exactly, and evenly."""

from __future__ import annotations

import itertools
from collections import Counter

import pytest

from mlctl.serving.traffic import Share, SmoothChoice


@pytest.mark.parametrize(
    "weights", [{"blue": 90, "green": 10}, {"blue": 50, "green": 50}, {"a": 33, "b": 33, "c": 34}, {"a": 1, "b": 99}]
)
def test_every_hundred_requests_are_split_as_the_weights_say(weights: dict[str, int]) -> None:
    choice = SmoothChoice(weights)
    for _ in range(3):
        assert Counter(choice.choose() for _ in range(100)) == weights


def test_the_smaller_share_does_not_come_in_a_lump() -> None:
    choice = SmoothChoice({"blue": 90, "green": 10})
    places = [index for index in range(100) if choice.choose() == "green"]
    assert {later - earlier for earlier, later in itertools.pairwise(places)} == {10}


def test_names_without_weight_are_never_chosen() -> None:
    assert {SmoothChoice({"blue": 0, "green": 5}).choose() for _ in range(5)} == {"green"}
    assert SmoothChoice({"blue": 0}).choose() is None
    assert SmoothChoice({}).choose() is None


@pytest.mark.parametrize(("share", "taken"), [(0.1, 100), (0.0, 0), (1.0, 1000), (0.25, 250), (0.07, 70)])
def test_a_share_is_exact(share: float, taken: int) -> None:
    sample = Share(share)
    assert sum(sample.take() for _ in range(1000)) == taken
