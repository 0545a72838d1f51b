"""Several processes that work together: PyTorch DDP, MPI and TensorFlow, as a training script meets them."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from tests.conftest import Mlctl

TRAIN = """\
import os
import torch
import torch.distributed as dist
from torch.nn.parallel import DistributedDataParallel

dist.init_process_group("gloo")
rank, world = dist.get_rank(), dist.get_world_size()
assert (rank, world) == (int(os.environ["RANK"]), int(os.environ["WORLD_SIZE"]))

total = torch.tensor([float(rank + 1)])
dist.all_reduce(total)
assert total.item() == world * (world + 1) / 2, total

torch.manual_seed(rank)
model = DistributedDataParallel(torch.nn.Linear(2, 1))
loss = model(torch.full((4, 2), float(rank + 1))).sum()
loss.backward()
mine = model.module.weight.grad.clone()
summed = mine.clone()
dist.all_reduce(summed)
assert torch.allclose(summed, mine * world), "DDP gives every rank the same gradient"
assert torch.allclose(mine, torch.full((1, 2), 4.0 * (world + 1) / 2))
print(f"rank {rank} of {world}: sum {total.item()} gradient {mine.flatten().tolist()} torch {torch.__version__}")
dist.destroy_process_group()
"""

# pinned: a machine that has a small build for its processors in its own pip settings offers it under this version,
# while the newest of the public index brings several gigabytes for GPUs along
TORCH = {
    "image": "library/python:3.11",
    "conda_file": {"dependencies": ["python=3.11", {"pip": ["torch==2.13.0", "numpy"]}]},
}


@pytest.mark.slow
@pytest.mark.network
@pytest.mark.timeout(1200)
def test_pytorch_ddp_on_two_processes(mlctl: Mlctl) -> None:
    source = mlctl.folder / "src"
    source.mkdir()
    (source / "train.py").write_text(TRAIN)
    job = mlctl.job(
        "python train.py",
        code="src",
        environment=TORCH,
        environment_variables={"OMP_NUM_THREADS": "1"},
        distribution={"type": "pytorch", "process_count_per_instance": 2},
    )
    done = mlctl("job", "create", "-f", str(job), "--name", "ddp", "--stream", timeout=1000)
    assert json.loads(done.stdout)["status"] == "Completed"
    log = mlctl.log("ddp")
    for rank in (0, 1):
        assert f"[rank {rank}] rank {rank} of 2: sum 3.0 gradient [6.0, 6.0]" in log


def test_mpi_without_mpirun_has_open_mpis_variables(mlctl: Mlctl) -> None:
    """A PATH without mpirun: the ranks are started one by one, and find each other by the same variables."""
    mlctl.environ["PATH"] = _path_without("mpirun", mlctl.folder / "bin")
    mlctl.run(
        "env | grep ^OMPI_COMM_WORLD_ | sort; echo node $AZUREML_CR_NODE_RANK master $MASTER_ADDR",
        "--name",
        "mpi",
        distribution={"type": "mpi", "process_count_per_instance": 2},
        resources={"instance_count": 2},
    )
    for rank in range(4):
        lines = mlctl("job", "stream", "-n", "mpi", "--rank", str(rank), "--no-follow").stdout.splitlines()
        assert lines == [
            f"OMPI_COMM_WORLD_LOCAL_RANK={rank % 2}",
            "OMPI_COMM_WORLD_LOCAL_SIZE=2",
            f"OMPI_COMM_WORLD_NODE_RANK={rank // 2}",
            f"OMPI_COMM_WORLD_RANK={rank}",
            "OMPI_COMM_WORLD_SIZE=4",
            f"node {rank // 2} master 127.0.0.1",
        ]


def test_mpi_with_mpirun_is_started_by_it(mlctl: Mlctl) -> None:
    """A stand-in for mpirun, first on the PATH: called once, with the number of processes and the command."""
    folder = mlctl.folder / "bin"
    folder.mkdir()
    script = '#!/bin/sh\necho "count $2"\nfor word; do last=$word; done\nexec /bin/sh -c "$last"\n'
    (folder / "mpirun").write_text(script)
    (folder / "mpirun").chmod(0o755)
    mlctl.environ["PATH"] = f"{folder}:{mlctl.environ['PATH']}"
    wanted = {"type": "mpi", "process_count_per_instance": 3}
    mlctl.run('echo "it\'s $AZUREML_RUN_ID"', "--name", "mpirun", distribution=wanted)
    assert mlctl.log("mpirun").splitlines() == ["count 3", "it's mpirun"]


def test_tensorflow_roles_are_told_by_tf_config(mlctl: Mlctl) -> None:
    """Workers end the job; a parameter server never ends by itself and is ended with it."""
    command = (
        'echo $TF_CONFIG; role=$(echo $TF_CONFIG | sed \'s/.*"type": "\\([a-z]*\\)".*/\\1/\');'
        'if [ "$role" = ps ]; then sleep 300; fi; sleep 0.3; echo done'
    )
    shown = mlctl.run(
        command,
        "--name",
        "tf",
        distribution={"type": "tensorflow", "worker_count": 2, "parameter_server_count": 1},
    )
    assert shown["status"] == "Completed"
    configs = []
    for rank in range(3):
        lines = mlctl("job", "stream", "-n", "tf", "--rank", str(rank), "--no-follow").stdout.splitlines()
        assert ("done" in lines) == (rank < 2)
        configs.append(json.loads(lines[0]))
    assert [config["task"] for config in configs] == [
        {"type": "worker", "index": 0},
        {"type": "worker", "index": 1},
        {"type": "ps", "index": 0},
    ]
    cluster = configs[0]["cluster"]
    assert [len(cluster["worker"]), len(cluster["ps"])] == [2, 1]
    assert len({*cluster["worker"], *cluster["ps"]}) == 3
    assert all(config["cluster"] == cluster for config in configs)


def test_ray_that_is_not_installed_is_named(mlctl: Mlctl) -> None:
    mlctl.environ["PATH"] = _path_without("ray", mlctl.folder / "bin")
    shown = mlctl.run("true", code=10, distribution={"type": "ray"})
    assert shown["error"]["code"] == "unsupported"
    assert "no program `ray`" in shown["error"]["message"]


def _path_without(program: str, folder: Path) -> str:
    """A PATH of one folder that has the standard programs but not this one."""
    folder.mkdir()
    for place in (Path("/usr/local/bin"), Path("/usr/bin"), Path("/bin")):
        for found in place.iterdir() if place.is_dir() else ():
            link = folder / found.name
            if found.name != program and not link.is_symlink():
                link.symlink_to(found)
    return str(folder)
