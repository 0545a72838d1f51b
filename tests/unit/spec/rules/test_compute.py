"""Computes: counts, identity, networks, SSH, and what an instance has."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from mlctl.spec.problems import Problem

Told = Callable[..., list[Problem]]

CLUSTER = "name: cpu-cluster\ntype: amlcompute\n"
INSTANCE = "name: my-box\ntype: computeinstance\n"
GROUP = "/subscriptions/0/resourceGroups/g/providers"


def brief(problems: list[Problem]) -> list[tuple[str, str, int]]:
    return [(found.severity, found.code, found.line) for found in problems]


@pytest.mark.parametrize(
    ("counts", "expected"),
    [
        ("min_instances: 0\nmax_instances: 2", []),
        ("min_instances: 2\nmax_instances: 2", []),
        ("min_instances: 3\nmax_instances: 2", [("error", "conflict", 4)]),
        ("min_instances: -1", [("error", "out_of_range", 3)]),
        ("max_instances: -1", [("error", "out_of_range", 3)]),
        ("min_instances: 4", []),
        ("min_instances: 5", [("error", "conflict", 3)]),
        ("idle_time_before_scale_down: -5", [("error", "out_of_range", 3)]),
    ],
)
def test_counts(told: Told, counts: str, expected: list[object]) -> None:
    assert brief(told("amlCompute", f"{CLUSTER}{counts}\n")) == expected


@pytest.mark.parametrize("name", ["c", "my_cluster", "1st", "a" * 33, "dash-"])
def test_names(told: Told, name: str) -> None:
    problems = told("amlCompute", f"name: {name}\ntype: amlcompute\n")
    assert [(found.path, found.severity) for found in problems] == [("name", "error")]


def test_computes_of_this_machine_have_other_names(told: Told) -> None:
    assert told("localCompute", "name: my_box\ntype: local\n") == []


def test_identity(told: Told) -> None:
    problems = told("amlCompute", f"{CLUSTER}identity: {{type: user_assigned}}\n")
    assert [found.path for found in problems] == ["identity.user_assigned_identities"]
    listed = f"user_assigned_identities: [{{resource_id: {GROUP}/x/y/z}}]"
    both = f"identity:\n  type: system_assigned,user_assigned\n  {listed}\n"
    assert told("amlCompute", CLUSTER + both) == []


@pytest.mark.parametrize(
    ("network", "missing"),
    [
        ("{vnet_name: v, subnet: s}", []),
        ("{subnet: /subscriptions/0/x/subnets/s}", []),
        ("{vnet_name: v}", ["network_settings.subnet"]),
        ("{subnet: s}", ["network_settings.vnet_name"]),
    ],
)
def test_networks(told: Told, network: str, missing: list[str]) -> None:
    assert [found.path for found in told("amlCompute", f"{CLUSTER}network_settings: {network}\n")] == missing


@pytest.mark.parametrize(
    ("settings", "told_about"),
    [
        ("{admin_username: u, ssh_key_value: k}", []),
        ("{admin_username: u}", [("warning", "ssh_settings.ssh_key_value")]),
        ("{ssh_key_value: k}", [("error", "ssh_settings.admin_username")]),
    ],
)
def test_ssh(told: Told, settings: str, told_about: list[object]) -> None:
    problems = told("amlCompute", f"{CLUSTER}ssh_settings: {settings}\n")
    assert [(found.severity, found.path) for found in problems] == told_about


@pytest.mark.parametrize(
    ("kind", "type_", "provider", "fits"),
    [
        ("virtualMachineCompute", "virtualmachine", "Microsoft.Compute/virtualMachines/vm", True),
        ("virtualMachineCompute", "virtualmachine", "Microsoft.Storage/storageAccounts/a", False),
        ("synapseSparkCompute", "synapsespark", "Microsoft.Synapse/workspaces/w/bigDataPools/p", True),
        ("synapseSparkCompute", "synapsespark", "Microsoft.Synapse/workspaces/w", False),
        ("kubernetesCompute", "kubernetes", "Microsoft.ContainerService/managedClusters/k", True),
    ],
)
def test_what_is_attached(told: Told, kind: str, type_: str, provider: str, fits: bool) -> None:
    text = f"name: my-box\ntype: {type_}\nresource_id: {GROUP}/{provider}\nnamespace: default\n"
    text = text if kind == "kubernetesCompute" else text.replace("namespace: default\n", "")
    assert brief(told(kind, text)) == ([] if fits else [("error", "invalid_reference", 3)])


def test_an_id_that_is_none_and_one_to_be_filled_in(told: Told) -> None:
    head = "name: my-box\ntype: virtualmachine\nresource_id: "
    assert brief(told("virtualMachineCompute", f"{head}my-vm\n")) == [("error", "invalid_reference", 3)]
    template = f"{head}/subscriptions/<ID>/resourceGroups/g/providers/Microsoft.Compute/virtualMachines/vm\n"
    assert brief(told("virtualMachineCompute", template)) == [("warning", "placeholder", 3)]


@pytest.mark.parametrize(
    ("keys", "expected"),
    [
        ("idle_time_before_shutdown_minutes: 30", []),
        ("idle_time_before_shutdown_minutes: 5", [("error", "out_of_range", 3)]),
        ("idle_time_before_shutdown: PT30M", []),
        ("idle_time_before_shutdown: PT5M", [("error", "out_of_range", 3)]),
        ("idle_time_before_shutdown: 30 min", [("error", "invalid_value", 3)]),
        ("idle_time_before_shutdown: PT30M\nidle_time_before_shutdown_minutes: 30", [("warning", "ignored", 3)]),
        ("setup_scripts: {creation_script: {path: a.sh}}", []),
        ("setup_scripts: {creation_script: {timeout_minutes: 3}}", [("error", "missing_key", 3)]),
        ("setup_scripts: {startup_script: {path: a.sh, command: ls}}", [("error", "conflict", 3)]),
    ],
)
def test_instances(told: Told, keys: str, expected: list[object]) -> None:
    assert brief(told("computeInstance", f"{INSTANCE}{keys}\n", files={"a.sh": ""})) == expected


def test_times_at_which_an_instance_starts(told: Told) -> None:
    head = f"{INSTANCE}schedules:\n  compute_start_stop:\n    - action: stop\n"
    trigger = "      trigger:\n        type: cron\n        expression: 0 18 * *\n        time_zone: Mars\n"
    assert brief(told("computeInstance", head + trigger)) == [
        ("error", "invalid_value", 8),
        ("error", "invalid_value", 9),
    ]
    assert brief(told("computeInstance", head)) == [("error", "missing_key", 5)]


def test_ports_and_names_of_applications(told: Told) -> None:
    applications = (
        "custom_applications:\n"
        "  - {name: a, image: {reference: x}, endpoints: [{target: 8787, published: 8787}]}\n"
        "  - {name: a, image: {reference: x}, endpoints: [{target: 80, published: 8787}]}\n"
    )
    problems = told("computeInstance", INSTANCE + applications)
    assert sorted(brief(problems)) == [("error", "conflict", 5), ("error", "conflict", 5), ("error", "out_of_range", 5)]
