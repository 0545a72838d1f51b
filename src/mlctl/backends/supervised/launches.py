"""Which processes a job consists of, and the rendezvous variables of each distribution type.

Contract: the launch variables of Azure ML (PyTorch: MASTER_ADDR, MASTER_PORT, RANK, LOCAL_RANK, WORLD_SIZE, NODE_RANK;
TensorFlow: TF_CONFIG; MPI: OMPI_COMM_WORLD_…). All instances share one machine, so every address is the loopback one.
"""

from __future__ import annotations

import json
import shlex
from collections.abc import Callable
from pathlib import Path
from typing import Any

from mlctl.backends.supervised.folder import USER_LOG, JobFolder, rank_log
from mlctl.backends.supervised.runner import Launch
from mlctl.errors import UnsupportedError

HOST = "127.0.0.1"
Ports = Callable[[int], list[int]]
"""Gives that many free ports."""


def launches(
    payload: dict[str, Any], folder: JobFolder, *, has_program: Callable[[str], bool], free_ports: Ports
) -> list[Launch]:
    """The launches of a job, in order of rank.

    `payload` is `job_payload`'s. Raises UnsupportedError when a program that the distribution needs is missing.
    """
    distribution = payload["distribution"]
    if distribution is None:
        return [_launch(payload, folder, 0, payload["command"], {}, log=USER_LOG)]
    make = {"pytorch": _pytorch, "tensorflow": _tensorflow, "mpi": _mpi, "ray": _ray}[distribution["type"]]
    return make(payload, folder, has_program, free_ports)


def _pytorch(payload: dict[str, Any], folder: JobFolder, _has: Callable[[str], bool], ports: Ports) -> list[Launch]:
    per_node, nodes = _shape(payload)
    shared = {"MASTER_ADDR": HOST, "MASTER_PORT": str(ports(1)[0]), "WORLD_SIZE": str(per_node * nodes)}
    made = []
    for rank in range(per_node * nodes):
        node, local = divmod(rank, per_node)
        variables = {
            **shared,
            **_place(node, nodes),
            "RANK": str(rank),
            "LOCAL_RANK": str(local),
            "LOCAL_WORLD_SIZE": str(per_node),
            "NODE_RANK": str(node),
        }
        made.append(_launch(payload, folder, rank, payload["command"], variables))
    return made


def _tensorflow(payload: dict[str, Any], folder: JobFolder, _has: Callable[[str], bool], ports: Ports) -> list[Launch]:
    settings = payload["distribution"]
    workers = int(settings.get("worker_count") or payload["instance_count"])
    servers = int(settings.get("parameter_server_count") or 0)
    addresses = [f"{HOST}:{port}" for port in ports(workers + servers)]
    cluster = {"worker": addresses[:workers]}
    if servers:
        cluster["ps"] = addresses[workers:]
    made = []
    for rank in range(workers + servers):
        kind, index = ("worker", rank) if rank < workers else ("ps", rank - workers)
        config = {"cluster": cluster, "task": {"type": kind, "index": index}, "environment": "cloud"}
        variables = {**_place(rank, workers + servers), "TF_CONFIG": json.dumps(config)}
        # a parameter server never ends by itself: the job is done when its workers are
        made.append(_launch(payload, folder, rank, payload["command"], variables, essential=kind == "worker"))
    return made


def _mpi(payload: dict[str, Any], folder: JobFolder, has: Callable[[str], bool], ports: Ports) -> list[Launch]:
    per_node, nodes = _shape(payload)
    size = per_node * nodes
    master = {"MASTER_ADDR": HOST, "MASTER_PORT": str(ports(1)[0]), "AZ_BATCHAI_MPI_MASTER_NODE": HOST}
    if has("mpirun"):
        # refused by default: more processes than cores, and root, which is who a container's user often is
        switches = "--oversubscribe --allow-run-as-root --tag-output"
        command = f"exec mpirun -n {size} {switches} /bin/sh -c {shlex.quote(payload['command'])}"
        return [_launch(payload, folder, 0, command, master, log=USER_LOG)]
    made = []
    for rank in range(size):
        node, local = divmod(rank, per_node)
        variables = {
            **master,
            **_place(node, nodes),
            "OMPI_COMM_WORLD_RANK": str(rank),
            "OMPI_COMM_WORLD_SIZE": str(size),
            "OMPI_COMM_WORLD_LOCAL_RANK": str(local),
            "OMPI_COMM_WORLD_LOCAL_SIZE": str(per_node),
            "OMPI_COMM_WORLD_NODE_RANK": str(node),
        }
        made.append(_launch(payload, folder, rank, payload["command"], variables))
    return made


def _ray(payload: dict[str, Any], folder: JobFolder, has: Callable[[str], bool], ports: Ports) -> list[Launch]:
    if not has("ray"):
        raise UnsupportedError(
            "distribution ray: the job's environment has no program `ray`",
            hint="add ray to the packages of the environment",
        )
    settings, nodes = payload["distribution"], payload["instance_count"]
    address = settings.get("address") or f"{HOST}:{settings.get('port') or ports(1)[0]}"
    variables = {"RAY_ADDRESS": address, "AZ_BATCH_MASTER_NODE": address}
    head = payload["command"]
    if not settings.get("address"):
        head = _ray_head(settings, address, payload["command"])
    made = [_launch(payload, folder, 0, head, {**variables, **_place(0, nodes)})]
    extra = settings.get("worker_node_additional_args") or ""
    for rank in range(1, nodes):
        # the head may take a while: a worker tries until it is there or the job ends
        join = f"until ray start --address={address} --block {extra}; do sleep 1; done"
        made.append(_launch(payload, folder, rank, join, {**variables, **_place(rank, nodes)}, essential=False))
    return made


def _ray_head(settings: dict[str, Any], address: str, command: str) -> str:
    """Start the head and run the command on it. Not `ray stop`, which ends every Ray of the machine: the runner ends
    what is left of the job."""
    words = [f"ray start --head --node-ip-address={HOST} --port={address.rpartition(':')[2]}"]
    words.append(f"--include-dashboard={'true' if settings.get('include_dashboard') else 'false'}")
    if settings.get("dashboard_port"):
        words.append(f"--dashboard-port={settings['dashboard_port']}")
    words.append(settings.get("head_node_additional_args") or "")
    return f"{' '.join(words)} || exit $?\n{command}"


def _shape(payload: dict[str, Any]) -> tuple[int, int]:
    """Processes per instance, and instances."""
    return int(payload["distribution"].get("process_count_per_instance") or 1), int(payload["instance_count"])


def _place(node: int, nodes: int) -> dict[str, str]:
    return {"AZUREML_CR_NODE_RANK": str(node), "AZUREML_NODE_COUNT": str(nodes)}


def _launch(
    payload: dict[str, Any],
    folder: JobFolder,
    rank: int,
    command: str,
    variables: dict[str, str],
    *,
    log: str | None = None,
    essential: bool = True,
) -> Launch:
    return Launch(
        rank=rank,
        command=command,
        # what the rendezvous needs wins: a wrong RANK from the spec would hang the job
        variables={**payload["variables"], "AZUREML_PROCESS_NAME": "main" if log else f"rank_{rank}", **variables},
        log=Path(folder.artifacts / (log or rank_log(rank))),
        cwd=Path(folder.code),
        essential=essential,
    )
