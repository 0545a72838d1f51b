"""Rendezvous variables of each distribution type."""

from __future__ import annotations

import json
from pathlib import PurePosixPath
from typing import Any

import pytest

from mlctl.backends.supervised.folder import JobFolder
from mlctl.backends.supervised.launches import launches
from mlctl.backends.supervised.runner import Launch
from mlctl.errors import UnsupportedError

FOLDER = JobFolder(PurePosixPath("/ws/jobs/a"))


def made(distribution: dict[str, Any] | None, *, instances: int = 1, programs: tuple[str, ...] = ()) -> list[Launch]:
    payload = {
        "command": "python train.py",
        "variables": {"A": "1", "AZUREML_PROCESS_NAME": "main"},
        "distribution": distribution,
        "instance_count": instances,
    }
    return launches(
        payload, FOLDER, has_program=programs.__contains__, free_ports=lambda count: list(range(6000, 6000 + count))
    )


def test_no_distribution_is_one_process_with_the_plain_log() -> None:
    (only,) = made(None)
    assert str(only.log) == "/ws/jobs/a/artifacts/user_logs/std_log.txt"
    assert only.command == "python train.py"
    assert "RANK" not in only.variables


def test_pytorch_ranks_across_instances() -> None:
    found = made({"type": "pytorch", "process_count_per_instance": 2}, instances=2)
    keys = ("RANK", "LOCAL_RANK", "NODE_RANK", "WORLD_SIZE", "MASTER_ADDR", "MASTER_PORT")
    assert [[launch.variables[key] for key in keys] for launch in found] == [
        ["0", "0", "0", "4", "127.0.0.1", "6000"],
        ["1", "1", "0", "4", "127.0.0.1", "6000"],
        ["2", "0", "1", "4", "127.0.0.1", "6000"],
        ["3", "1", "1", "4", "127.0.0.1", "6000"],
    ]
    assert [launch.log.name for launch in found][:2] == ["std_log_process_00.txt", "std_log_process_01.txt"]
    assert found[3].variables["AZUREML_CR_NODE_RANK"] == "1"
    assert found[0].variables["A"] == "1"


def test_tensorflow_workers_decide_and_servers_help() -> None:
    found = made({"type": "tensorflow", "worker_count": 2, "parameter_server_count": 1})
    configs = [json.loads(launch.variables["TF_CONFIG"]) for launch in found]
    assert configs[0]["cluster"] == {"worker": ["127.0.0.1:6000", "127.0.0.1:6001"], "ps": ["127.0.0.1:6002"]}
    assert [config["task"] for config in configs] == [
        {"type": "worker", "index": 0},
        {"type": "worker", "index": 1},
        {"type": "ps", "index": 0},
    ]
    assert [launch.essential for launch in found] == [True, True, False]


def test_tensorflow_workers_default_to_the_instances() -> None:
    assert len(made({"type": "tensorflow"}, instances=3)) == 3


def test_mpi_uses_mpirun_when_there_is_one() -> None:
    (only,) = made({"type": "mpi", "process_count_per_instance": 2}, instances=2, programs=("mpirun",))
    assert only.command.startswith("exec mpirun -n 4 ")
    assert only.command.endswith("/bin/sh -c 'python train.py'")


def test_mpi_without_mpirun_sets_its_variables() -> None:
    found = made({"type": "mpi", "process_count_per_instance": 2}, instances=2)
    keys = ("OMPI_COMM_WORLD_RANK", "OMPI_COMM_WORLD_LOCAL_RANK", "OMPI_COMM_WORLD_SIZE", "OMPI_COMM_WORLD_LOCAL_SIZE")
    assert [[launch.variables[key] for key in keys] for launch in found] == [
        ["0", "0", "4", "2"],
        ["1", "1", "4", "2"],
        ["2", "0", "4", "2"],
        ["3", "1", "4", "2"],
    ]


def test_ray_starts_a_head_that_runs_the_command_and_workers_that_join() -> None:
    head, worker = made({"type": "ray", "port": 6379}, instances=2, programs=("ray",))
    assert "--port=6379" in head.command
    assert head.command.endswith("python train.py")
    assert "ray start --address=127.0.0.1:6379 --block" in worker.command
    assert not worker.essential


def test_ray_that_is_not_installed_is_an_error() -> None:
    with pytest.raises(UnsupportedError, match="no program `ray`"):
        made({"type": "ray"})
