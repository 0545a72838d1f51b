"""Which deployment answers a request."""

from __future__ import annotations

from collections import Counter
from dataclasses import replace

import pytest

from mlctl.serving.router.answers import RefusalError
from mlctl.serving.router.table import Table
from mlctl.serving.routes import Collector, Deployment, Routes

BLUE = Deployment("blue", ("http://b",), 90)
GREEN = Deployment("green", ("http://g",), 10, scoring_path="/v1/predict", paths=("/v1/*",))


def table(*deployments: Deployment) -> Table:
    return Table(Routes(deployments=deployments), lambda: 0.0)


def test_weights_choose_and_a_header_goes_before_them() -> None:
    found = table(BLUE, GREEN)
    assert Counter(found.choose("/score", None).deployment.name for _ in range(100)) == {"blue": 90, "green": 10}
    assert found.choose("/score", "green").deployment.name == "green"


def test_a_path_that_one_deployment_has_goes_there_whatever_the_weights() -> None:
    found = table(BLUE, GREEN)
    assert {found.choose("/v1/models", None).deployment.name for _ in range(20)} == {"green"}


@pytest.mark.parametrize(
    ("path", "wanted", "said"),
    [
        ("/score", "red", "names 'red'; the endpoint's deployments are: blue, green"),
        ("/v1/x", "blue", "deployment blue does not answer /v1/x"),
        ("/nowhere", None, "no deployment with traffic answers /nowhere"),
    ],
)
def test_what_nobody_answers_is_404_with_a_reason(path: str, wanted: str | None, said: str) -> None:
    with pytest.raises(RefusalError, match=said) as caught:
        table(BLUE, GREEN).choose(path, wanted)
    assert caught.value.status == 404


def test_without_weights_the_answer_is_404_as_in_azure() -> None:
    with pytest.raises(RefusalError, match="no deployment with a weight above 0") as caught:
        table(replace(BLUE, weight=0)).choose("/score", None)
    assert caught.value.status == 404
    assert table(replace(BLUE, weight=0)).choose("/score", "blue").deployment.name == "blue"


def test_a_mirror_gets_its_share_of_what_others_answer() -> None:
    found = table(replace(BLUE, weight=100), replace(GREEN, weight=0, mirror=10))
    copied = [found.mirrors("/score", "blue") for _ in range(100)]
    assert sum(len(one) for one in copied) == 10
    assert found.mirrors("/score", "green") == []


def test_a_collector_keeps_its_share() -> None:
    found = table(replace(BLUE, collector=Collector("/f", sampling_rate=0.25)), GREEN)
    assert sum(found.collects("blue") for _ in range(100)) == 25
    assert not found.collects("green")


def test_a_replica_drains_while_it_answers_after_it_left() -> None:
    found = table(BLUE)
    lanes = found.choose("/score", None)
    lanes.replicas[0].outstanding = 2
    replica = lanes.replicas[0]
    found.follow(Routes(version=2, deployments=(GREEN,)))
    assert found.draining() == {"http://b": 2}
    replica.outstanding = 0
    assert found.draining() == {}
    # one that comes back under its old address is known with its count
    replica.outstanding = 1
    found.follow(Routes(version=3, deployments=(BLUE,)))
    assert found.draining() == {}
    assert found.choose("/score", None).replicas[0] is replica
