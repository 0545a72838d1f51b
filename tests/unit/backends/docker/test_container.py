"""The request that makes a container, and the record that its script leaves."""

from __future__ import annotations

import os
import subprocess
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from mlctl.backends.docker.arguments import parse_arguments
from mlctl.backends.docker.container import (
    SCRIPT,
    Surroundings,
    container_name,
    container_request,
    job_labels,
    read_record,
)
from mlctl.backends.supervised.runner import Launch

AROUND = Surroundings(image={"Config": {"Env": ["LANG=C", "PATH=/image/bin"]}}, user="7:8", login="ada")


def _request(
    *, rank: int = 0, around: Surroundings = AROUND, words: tuple[str, ...] = (), **docker: Any
) -> dict[str, Any]:
    wanted = {"image": "img", "options": parse_arguments(words), "shm_size": None, "resources": {}, **docker}
    launch = Launch(rank, "python train.py", {"A": "1"}, Path("/ws/jobs/j/log.txt"), Path("/ws/jobs/j/code"))
    return container_request("my_job", {"folder": "/ws/jobs/j", "docker": wanted}, launch, around)


def test_the_command_and_its_place() -> None:
    request = _request()
    assert request["Image"] == "img"
    assert request["Entrypoint"] == ["/bin/sh"]
    assert request["Cmd"][-3:] == ["/ws/jobs/j/log.txt", "/ws/jobs/j/containers/0.txt", "python train.py"]
    assert request["User"] == "7:8"
    assert request["WorkingDir"] == "/ws/jobs/j/code"
    assert request["Hostname"] == "my-job"
    assert request["Labels"] == {
        "mlctl.managed-by": "mlctl", "mlctl.job": "my_job", "mlctl.workspace": "/ws", "mlctl.rank": "0",
    }  # fmt: skip


def test_variables_and_who_wins() -> None:
    env = dict(entry.split("=", 1) for entry in _request(words=("-e", "A=2", "-e", "HOME=/h"))["Env"])
    assert env["A"] == "1"
    assert env["HOME"] == "/h"
    assert env["USER"] == env["LOGNAME"] == "ada"
    assert env["PATH"] == "/image/bin:/ws/jobs/j/home/.local/bin"
    assert "SSL_CERT_FILE" not in env
    around = replace(AROUND, ca_bundle="/ca.pem", proxies={"http_proxy": "http://p"})
    env = dict(entry.split("=", 1) for entry in _request(around=around)["Env"])
    assert env["SSL_CERT_FILE"] == env["PIP_CERT"] == "/opt/mlctl/ca-bundle.pem"
    assert env["http_proxy"] == "http://p"


def test_mounts_are_binds_that_fail_when_the_source_is_missing() -> None:
    around = replace(AROUND, ca_bundle="/ca.pem", mounts=[{"source": "/d", "target": "/t", "read_only": True}])
    mounts = [
        (m["Type"], m["Source"], m["Target"], m["ReadOnly"]) for m in _request(around=around)["HostConfig"]["Mounts"]
    ]
    assert mounts == [
        ("bind", "/ws/jobs/j", "/ws/jobs/j", False),
        ("bind", "/ws/jobs/j/tmp", "/tmp", False),
        ("bind", "/d", "/t", True),
        ("bind", "/ca.pem", "/opt/mlctl/ca-bundle.pem", True),
    ]


def test_limits_and_who_wins() -> None:
    host = _request()["HostConfig"]
    assert host["ShmSize"] == 2 << 30
    assert "Memory" not in host
    host = _request(shm_size="1g", resources={"memory": "4g", "cpus": 2, "gpus": "all"})["HostConfig"]
    assert (host["ShmSize"], host["Memory"], host["NanoCpus"]) == (1 << 30, 4 << 30, 2_000_000_000)
    assert host["DeviceRequests"][0]["Count"] == -1
    host = _request(resources={"memory": "4g"}, words=("-m", "1g", "--shm-size=8m"))["HostConfig"]
    assert (host["Memory"], host["ShmSize"]) == (1 << 30, 8 << 20)
    assert "ShmSize" not in _request(words=("--ipc=host",))["HostConfig"]
    assert _request(around=replace(AROUND, gpus=True))["HostConfig"]["DeviceRequests"][0]["Count"] == -1


def test_other_ranks_join_the_first() -> None:
    request = _request(rank=1, around=replace(AROUND, joined="abc", network="net"), words=("--dns", "1.1.1.1"))
    host = request["HostConfig"]
    assert host["NetworkMode"] == host["IpcMode"] == "container:abc"
    assert "Hostname" not in request
    assert not {"ShmSize", "Dns"} & host.keys()
    assert _request(around=replace(AROUND, network="net"))["HostConfig"]["NetworkMode"] == "net"
    assert (
        _request(words=("--network=host",), around=replace(AROUND, joined="abc"))["HostConfig"]["NetworkMode"] == "host"
    )


def test_what_the_kind_of_engine_needs_is_kept() -> None:
    around = replace(AROUND, host={"SecurityOpt": ["label=disable"], "UsernsMode": "host"}, groups=(5, 6))
    host = _request(around=around, words=("--group-add", "7"))["HostConfig"]
    assert host["SecurityOpt"] == ["label=disable"]
    assert host["GroupAdd"] == ["5", "6", "7"]


def test_an_entrypoint_gets_the_shell_as_its_arguments() -> None:
    request = _request(words=("--entrypoint", "/entry.sh"))
    assert request["Entrypoint"] == ["/entry.sh"]
    assert request["Cmd"][:2] == ["/bin/sh", "-c"]


def test_names_do_not_meet() -> None:
    assert container_name("j", "/a/jobs/j", 0) != container_name("j", "/b/jobs/j", 0)
    assert len(container_name("j" * 255, "/a", 12)) < 100
    assert job_labels("j", "/a/jobs/j")["mlctl.workspace"] == "/a"


@pytest.mark.parametrize(
    ("text", "record"),
    [
        ("", {}),
        ("peak 5\n", {}),
        ("code 3", {}),
        ("code 3\n", {"code": 3}),
        (
            "memory low 0\nmemory oom_kill 1\npeak 4096\ncpu usage_usec 7\ncpu user_usec 3\ncode 137\n",
            {"oom_kills": 1, "peak_bytes": 4096, "cpu_nanoseconds": 7000, "code": 137},
        ),
        (
            "memory oom_kill_disable 0\nmemory under_oom 0\nmemory oom_kill 0\npeak 1\nnanoseconds 9\ncode 0\n",
            {"oom_kills": 0, "peak_bytes": 1, "cpu_nanoseconds": 9, "code": 0},
        ),
    ],
)
def test_records(text: str, record: dict[str, int]) -> None:
    assert read_record(text) == record


@pytest.mark.parametrize("code", [0, 3, 127])
def test_the_script_keeps_code_and_output(tmp_path: Path, code: int) -> None:
    log, record = tmp_path / "log", tmp_path / "record"
    log.write_text("before\n")
    command = ["/bin/sh", "-c", SCRIPT, "mlctl", str(log), str(record), f"echo out; echo err >&2; exit {code}"]
    assert subprocess.run(command, check=False, env={"PATH": os.environ["PATH"]}).returncode == code
    assert log.read_text() == "before\nout\nerr\n"
    assert read_record(record.read_text())["code"] == code


def test_the_script_says_that_the_log_cannot_be_written(tmp_path: Path) -> None:
    command = ["/bin/sh", "-c", SCRIPT, "mlctl", f"{tmp_path}/no/log", f"{tmp_path}/record", "true"]
    done = subprocess.run(command, check=False, capture_output=True, text=True)
    assert done.returncode != 0
    assert "no/log" in done.stderr
    assert not (tmp_path / "record").exists()
