"""docker_args as data for the engine."""

from __future__ import annotations

import pytest

from mlctl.backends.docker.arguments import parse_arguments, parse_size
from mlctl.errors import UnsupportedError


@pytest.mark.parametrize(
    ("text", "size"),
    [
        ("0", 0),
        ("1000", 1000),
        ("64m", 64 << 20),
        ("2g", 2 << 30),
        ("1.5G", 3 << 29),
        ("64MiB", 64 << 20),
        ("7 kb", 7168),
    ],
)
def test_sizes(text: str, size: int) -> None:
    assert parse_size(text) == size


@pytest.mark.parametrize("text", ["", "g", "-1", "2x", "1,5g"])
def test_what_is_no_size(text: str) -> None:
    with pytest.raises(ValueError, match="is not a size"):
        parse_size(text)


@pytest.mark.parametrize(
    ("words", "host"),
    [
        (["--memory", "64m"], {"Memory": 64 << 20}),
        (["--memory=64m"], {"Memory": 64 << 20}),
        (["-m", "64m"], {"Memory": 64 << 20}),
        (["-m64m"], {"Memory": 64 << 20}),
        (["--memory 64m --cpus=1.5"], {"Memory": 64 << 20, "NanoCpus": 1_500_000_000}),
        (["--memory-swap", "-1"], {"MemorySwap": -1}),
        (["--ipc=host", "--net", "host"], {"IpcMode": "host", "NetworkMode": "host"}),
        (["--gpus", "all"], {"DeviceRequests": [{"Driver": "", "Count": -1, "Capabilities": [["gpu"]]}]}),
        (["--gpus", "2"], {"DeviceRequests": [{"Driver": "", "Count": 2, "Capabilities": [["gpu"]]}]}),
        (
            ["--gpus", '"device=0,2"'],
            {"DeviceRequests": [{"Driver": "", "Count": 0, "Capabilities": [["gpu"]], "DeviceIDs": ["0", "2"]}]},
        ),
        (["-v", "/a:/b:ro", "--volume=c:/d"], {"Binds": ["/a:/b:ro", "c:/d"]}),
        (["--ulimit", "nofile=1:2", "--ulimit=core=0"],
         {"Ulimits": [{"Name": "nofile", "Soft": 1, "Hard": 2}, {"Name": "core", "Soft": 0, "Hard": 0}]}),
        (["--cap-add", "SYS_PTRACE", "--cap-drop=ALL"], {"CapAdd": ["SYS_PTRACE"], "CapDrop": ["ALL"]}),
        (["--device", "/dev/fuse"],
         {"Devices": [{"PathOnHost": "/dev/fuse", "PathInContainer": "/dev/fuse", "CgroupPermissions": "rwm"}]}),
        (["--device", "/dev/a:/dev/b:r"],
         {"Devices": [{"PathOnHost": "/dev/a", "PathInContainer": "/dev/b", "CgroupPermissions": "r"}]}),
        (["--privileged", "--init"], {"Privileged": True, "Init": True}),
        (["--init=false"], {"Init": False}),
        (["--add-host", "a:1.2.3.4"], {"ExtraHosts": ["a:1.2.3.4"]}),
        (["--sysctl", "net.core.somaxconn=9", "--tmpfs", "/x:size=1m"],
         {"Sysctls": {"net.core.somaxconn": "9"}, "Tmpfs": {"/x": "size=1m"}}),
        (["--rm", "-it", "-d"], {}),
    ],
)  # fmt: skip
def test_options_of_docker_run(words: list[str], host: dict[str, object]) -> None:
    assert parse_arguments(words)["host"] == host


def test_options_of_the_container_itself() -> None:
    options = parse_arguments(
        [
            "-e",
            "A=b c",
            "--env=X=1=2",
            "-u",
            "1:2",
            "--hostname",
            "h",
            "--entrypoint",
            "/entry",
            "-l",
            "a=b",
            "--platform=p",
        ]
    )
    assert options == {
        "config": {"User": "1:2", "Hostname": "h", "Entrypoint": ["/entry"], "Labels": {"a": "b"}},
        "host": {},
        "environment": {"A": "b c", "X": "1=2"},
        "platform": "p",
    }
    assert parse_arguments(["--entrypoint", ""])["config"] == {}


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (["--pid=host"], "'--pid': the job's processes are ended through their own"),
        (["--name", "x"], "'--name': mlctl names"),
        (["--no-such"], "'--no-such': it is not among"),
        (["image"], "'image': it is not among"),
        (["--memory"], "--memory has no value"),
        (["--memory", "lots"], "--memory 'lots': 'lots' is not a size"),
        (["--cpus", "many"], "--cpus 'many'"),
        (["-e", "HOME"], "write NAME=value"),
        (["-v", "/data"], "write source:target"),
        (["--gpus", "some"], "--gpus 'some'"),
    ],
)
def test_what_cannot_be_honoured_is_named(words: list[str], message: str) -> None:
    with pytest.raises(UnsupportedError) as caught:
        parse_arguments(words, where="job.yml:7: ")
    assert caught.value.message.startswith("job.yml:7: resources.docker_args: ")
    assert message in caught.value.message
