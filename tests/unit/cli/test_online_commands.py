"""What the groups online-endpoint and online-deployment read from the command line."""

from __future__ import annotations

import pytest
from tests.unit.cli.calls import Call

from mlctl.cli.online_endpoint import parse_traffic
from mlctl.errors import UsageError


def test_traffic_is_read_as_az_reads_it() -> None:
    assert parse_traffic("blue=90 green=10", "--traffic") == {"blue": "90", "green": "10"}
    assert parse_traffic("blue=90, green=10", "--traffic") == {"blue": "90", "green": "10"}
    for bad in ("blue", "blue=", "=10", "blue=90 green"):
        with pytest.raises(UsageError, match="--traffic cannot be"):
            parse_traffic(bad, "--traffic")


def test_nothing_is_there(call: Call) -> None:
    assert call("online-endpoint", "list").json == []
    for words in (
        ("online-endpoint", "show", "-n", "IRIS"),
        ("online-endpoint", "stop", "-n", "iris"),
        ("online-endpoint", "delete", "-n", "iris", "--yes"),
        ("online-endpoint", "rollout", "-n", "iris", "--to", "green"),
        ("online-deployment", "list", "-e", "iris"),
    ):
        answer = call(*words)
        assert (answer.code, "no online-endpoint named 'iris'" in answer.err) == (3, True), answer.err


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (("online-deployment", "create", "-f", "x.yml", "--all-traffic", "--no-wait"), "--all-traffic waits"),
        (("online-deployment", "update", "-n", "blue"), "needs --name and --endpoint-name, or a file"),
        (("online-endpoint", "rollout", "-n", "iris", "--to", "b", "--every", "soon"), "--every"),
        (("online-endpoint", "rollout", "-n", "iris", "--to", "b", "--abort-if", "bad"), "--abort-if"),
    ],
)
def test_options_that_make_no_sense(call: Call, words: tuple[str, ...], said: str) -> None:
    answer = call(*words)
    assert answer.code == 2
    assert said in answer.err
