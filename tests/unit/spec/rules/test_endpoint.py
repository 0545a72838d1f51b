"""Endpoints: traffic, mirrored traffic, identity, who may call."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from mlctl.spec.problems import Problem

Told = Callable[..., list[Problem]]

HEAD = "name: my-endpoint\nauth_mode: key\n"


@pytest.mark.parametrize("traffic", ["{blue: 100}", "{blue: 90, green: 10}", "{blue: 0}", "{blue: 0, green: 0}", "{}"])
def test_traffic_that_adds_up(told: Told, traffic: str) -> None:
    assert told("managedOnlineEndpoint", f"{HEAD}traffic: {traffic}\n") == []


@pytest.mark.parametrize(
    ("traffic", "line", "words"),
    [
        ("{blue: 60, green: 50}", 3, "60 + 50 = 110"),
        ("{blue: 50}", 3, "adds up to 50"),
        ("\n  blue: -10\n  green: 110", 4, "'traffic.blue' is -10"),
        ("\n  blue: 0\n  green: 110", 5, "'traffic.green' is 110"),
    ],
)
def test_traffic_that_does_not(told: Told, traffic: str, line: int, words: str) -> None:
    first, *_ = told("managedOnlineEndpoint", f"{HEAD}traffic: {traffic}\n")
    assert (first.code, first.line, first.severity) == ("out_of_range", line, "error")
    assert words in first.message


def test_a_bad_share_is_told_once_and_without_the_sum(told: Told) -> None:
    problems = told("managedOnlineEndpoint", f"{HEAD}traffic: {{blue: 120}}\n")
    assert [found.path for found in problems] == ["traffic.blue"]


@pytest.mark.parametrize("mirror", ["{green: 50}", "{green: 1}", "{green: 0}", "{green: 10, blue: 0}"])
def test_mirrored_traffic(told: Told, mirror: str) -> None:
    assert told("managedOnlineEndpoint", f"{HEAD}traffic: {{blue: 100}}\nmirror_traffic: {mirror}\n") == []


def test_only_one_deployment_gets_copies(told: Told) -> None:
    text = f"{HEAD}mirror_traffic:\n  green: 10\n  red: 10\n"
    problems = told("managedOnlineEndpoint", text)
    assert [(found.code, found.line) for found in problems] == [("conflict", 5)]
    assert "green, red" in problems[0].message


def test_a_deployment_with_traffic_gets_no_copies(told: Told) -> None:
    text = f"{HEAD}traffic: {{blue: 100}}\nmirror_traffic:\n  blue: 10\n"
    problems = told("managedOnlineEndpoint", text)
    assert [(found.code, found.line, found.path) for found in problems] == [("conflict", 5, "mirror_traffic.blue")]


def test_more_than_half_is_not_mirrored(told: Told) -> None:
    problems = told("managedOnlineEndpoint", f"{HEAD}mirror_traffic:\n  green: 80\n")
    assert [(found.code, found.line) for found in problems] == [("out_of_range", 4)]


def test_a_user_assigned_identity_names_identities(told: Told) -> None:
    problems = told("managedOnlineEndpoint", f"{HEAD}identity:\n  type: user_assigned\n")
    assert [(found.code, found.path) for found in problems] == [("missing_key", "identity.user_assigned_identities")]


def test_a_system_assigned_identity_names_none(told: Told) -> None:
    identities = "  user_assigned_identities:\n    - resource_id: /subscriptions/x\n"
    problems = told("managedOnlineEndpoint", f"{HEAD}identity:\n  type: system_assigned\n{identities}")
    assert [(found.code, found.line) for found in problems] == [("conflict", 5)]
    assert told("managedOnlineEndpoint", f"{HEAD}identity:\n  type: user_assigned\n{identities}") == []


def test_an_identity_has_a_type(told: Told) -> None:
    problems = told("managedOnlineEndpoint", f"{HEAD}identity:\n  tenant_id: x\n")
    assert [found.path for found in problems] == ["identity.type"]


@pytest.mark.parametrize("mode", ["key", "aml_token", "Key"])
def test_a_batch_endpoint_takes_entra_tokens_only(told: Told, mode: str) -> None:
    problems = told("batchEndpoint", f"name: my-batch\nauth_mode: {mode}\n")
    assert [(found.code, found.line) for found in problems] == [("not_allowed", 2)]
    assert told("batchEndpoint", "name: my-batch\nauth_mode: AAD_TOKEN\n") == []


@pytest.mark.parametrize("name", ["my_endpoint", "1st", "ab", "dash-", "a" * 33])
def test_names(told: Told, name: str) -> None:
    problems = told("managedOnlineEndpoint", f"name: {name}\n")
    assert [(found.path, found.line, found.severity) for found in problems] == [("name", 1, "error")]


def test_a_key_of_another_kind_says_where_it_belongs(told: Told) -> None:
    problems = told("batchEndpoint", "name: my-batch\ntraffic: {blue: 100}\n")
    assert problems[0].code == "unknown_key"
    assert "defaults" in str(problems[0].hint)
