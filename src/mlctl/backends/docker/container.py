"""The request that makes one container of a job: an Engine API body (1.41) from the plan and the launch. Pure.

The command runs under a small shell script, the container's first process. It appends the command's output to the
job's log file itself, so that no line is lost with the container or the engine; waits, when asked to end, until all
processes have ended; and leaves a record with the exit code and what the container used.
"""

from __future__ import annotations

import hashlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import PurePosixPath
from typing import Any

from mlctl.backends.docker.arguments import gpu_request, parse_size
from mlctl.backends.supervised.folder import JobFolder
from mlctl.backends.supervised.runner import Launch
from mlctl.images.dockerfile import CA_BUNDLE, ca_variables

DEFAULT_SHM = "2g"
"""Azure ML's own default for `resources.shm_size`."""

# $1 log, $2 record, $3 command. Only builtins after the command: near the memory limit nothing may be forked.
# What this shell itself says (`Terminated`) goes to the container's own output, not into the job's log.
# The command stays in the foreground, so SIGINT is not ignored in it; the trap is reset in the subshell.
SCRIPT = r"""
stopping=
trap 'stopping=1' TERM
: >>"$1" || exit 125
shell=sh
if command -v bash >/dev/null 2>&1; then shell=bash; fi
(exec "$shell" -c "$3" >>"$1" 2>&1)
code=$?
others() {
    for found in /proc/[0-9]*; do
        case ${found#/proc/} in 1|$$) ;; *) return 0 ;; esac
    done
    return 1
}
if [ -n "$stopping" ]; then
    while others; do sleep 0.2 2>/dev/null || sleep 1; done
fi
report() {
    [ -r "$2" ] || return 0
    while read -r line; do echo "$1 $line"; done <"$2"
}
{
    cgroup=/sys/fs/cgroup
    if [ -r $cgroup/memory.events ]; then
        report memory $cgroup/memory.events
        report peak $cgroup/memory.peak
        report cpu $cgroup/cpu.stat
    else
        report memory $cgroup/memory/memory.oom_control
        report peak $cgroup/memory/memory.max_usage_in_bytes
        report nanoseconds $cgroup/cpuacct/cpuacct.usage
    fi
    echo "code $code"
} >"$2"
exit $code
"""

STOP_COMMAND = ("/bin/sh", "-c", "kill -TERM 1; kill -TERM -1")
"""Run in a container: asks every process to end, the first one too (which then waits for the others)."""


@dataclass(frozen=True, slots=True)
class Surroundings:
    """What the request needs to know beyond plan and launch.

    `image`: the image's inspect data. `user`: "uid:gid" for the processes. `mounts`: {"source", "target",
    "read_only"} besides the job's folder. `proxies`: variables. `ca_bundle`: file on this machine. `joined`: id of the
    container whose network and shared memory are used; None for the first. `host`: keys that the kind of engine needs.
    """

    image: Mapping[str, Any]
    user: str
    login: str
    groups: Sequence[int] = ()
    mounts: Sequence[Mapping[str, Any]] = ()
    proxies: Mapping[str, str] = field(default_factory=dict)
    ca_bundle: str | None = None
    network: str | None = None
    joined: str | None = None
    gpus: bool = False
    host: Mapping[str, Any] = field(default_factory=dict)


def container_name(job: str, folder: str, rank: int) -> str:
    """A name that tells the job to people, and that two workspaces with a job of this name do not share."""
    return f"mlctl-{job[:60]}-{hashlib.sha256(folder.encode()).hexdigest()[:8]}-{rank}"


def job_labels(job: str, folder: str) -> dict[str, str]:
    """The labels of every container of a job. `folder` is the job's folder, `<workspace>/jobs/<name>`."""
    workspace = str(PurePosixPath(folder).parent.parent)
    return {"mlctl.managed-by": "mlctl", "mlctl.job": job, "mlctl.workspace": workspace}


def record_file(folder: str, rank: int) -> PurePosixPath:
    """Where the script leaves the record of a rank."""
    return PurePosixPath(folder) / "containers" / f"{rank}.txt"


def container_request(job: str, payload: Mapping[str, Any], launch: Launch, around: Surroundings) -> dict[str, Any]:
    """The body of the request. `payload` is the plan's."""
    wanted, folder = payload["docker"], str(payload["folder"])
    options = wanted["options"]
    record = str(record_file(folder, launch.rank))
    request: dict[str, Any] = {
        "Image": wanted["image"],
        "Entrypoint": ["/bin/sh"],
        "Cmd": ["-c", SCRIPT, "mlctl", str(launch.log), record, launch.command],
        "Env": [f"{name}={value}" for name, value in _variables(folder, launch, around, options).items()],
        "User": around.user,
        "WorkingDir": str(launch.cwd),
        "Healthcheck": {"Test": ["NONE"]},
        **options["config"],
        "HostConfig": _host_config(payload, around),
    }
    if "Entrypoint" in options["config"]:
        request["Cmd"] = ["/bin/sh", *request["Cmd"]]
    request["Labels"] = {
        **options["config"].get("Labels", {}),
        **job_labels(job, folder),
        "mlctl.rank": str(launch.rank),
    }
    shares_network = request["HostConfig"].get("NetworkMode", "").startswith(("container:", "host"))
    if shares_network:
        request.pop("Hostname", None)
    else:
        request.setdefault("Hostname", job.replace("_", "-")[:63].rstrip("-"))
    return request


def read_record(text: str) -> dict[str, int]:
    """The record as numbers: code, oom_kills, peak_bytes, cpu_nanoseconds, each only when known.

    Empty when the script did not come to its end.
    """
    values: dict[str, int] = {}
    names = {
        "code": ("code", 1), "memory oom_kill": ("oom_kills", 1), "peak": ("peak_bytes", 1),
        "cpu usage_usec": ("cpu_nanoseconds", 1000), "nanoseconds": ("cpu_nanoseconds", 1),
    }  # fmt: skip
    for line in text.splitlines():
        name, _, number = line.rpartition(" ")
        if name in names and number.isdigit():
            key, factor = names[name]
            values[key] = int(number) * factor
    return values if "code" in values and text.endswith("\n") else {}


def _variables(folder: str, launch: Launch, around: Surroundings, options: Mapping[str, Any]) -> dict[str, str]:
    home = str(JobFolder(PurePosixPath(folder)).home)
    image_path = next(
        (
            entry.partition("=")[2]
            for entry in (around.image.get("Config") or {}).get("Env") or []
            if entry[:5] == "PATH="
        ),
        "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin",
    )
    return {
        "HOME": home,
        # Python's getpass needs a name, and the image's /etc/passwd does not know the caller
        "USER": around.login,
        "LOGNAME": around.login,
        # `pip install` in a command: into the image where it may write, else below HOME
        "PATH": f"{image_path}:{home}/.local/bin",
        "PIP_BREAK_SYSTEM_PACKAGES": "1",
        "PIP_DISABLE_PIP_VERSION_CHECK": "1",
        **(ca_variables() if around.ca_bundle else {}),
        **around.proxies,
        **options["environment"],
        **launch.variables,
    }


def _host_config(payload: Mapping[str, Any], around: Surroundings) -> dict[str, Any]:
    wanted = payload["docker"]
    host: dict[str, Any] = {
        "ShmSize": parse_size(wanted["shm_size"] or DEFAULT_SHM),
        "IpcMode": "shareable",
        **({"NetworkMode": around.network} if around.network else {}),
        **_limits(wanted["resources"]),
        **around.host,
        **wanted["options"]["host"],
        "Mounts": _mounts(payload, around),
    }
    groups = [str(group) for group in around.groups]
    if groups or "GroupAdd" in host:
        host["GroupAdd"] = [*groups, *host.get("GroupAdd", [])]
    if around.gpus and "DeviceRequests" not in host:
        host["DeviceRequests"] = [gpu_request("all")]
    if around.joined:
        _join(host, around.joined)
    if host["IpcMode"] == "host" or host["IpcMode"].startswith("container:"):
        host.pop("ShmSize")
    return host


def _join(host: dict[str, Any], container: str) -> None:
    """Share network and memory with the first container, so that 127.0.0.1 and /dev/shm are the same for all ranks."""
    if host.get("NetworkMode") != "host":
        host["NetworkMode"] = f"container:{container}"
        for key in ("Dns", "DnsSearch", "ExtraHosts"):
            host.pop(key, None)
    if host["IpcMode"] != "host":
        host["IpcMode"] = f"container:{container}"


def _limits(resources: Mapping[str, Any]) -> dict[str, Any]:
    limits: dict[str, Any] = {}
    if resources.get("memory"):
        limits["Memory"] = parse_size(str(resources["memory"]))
    if resources.get("cpus"):
        limits["NanoCpus"] = int(float(resources["cpus"]) * 1e9)
    if resources.get("gpus"):
        limits["DeviceRequests"] = [gpu_request(str(resources["gpus"]))]
    return limits


def _mounts(payload: Mapping[str, Any], around: Surroundings) -> list[dict[str, Any]]:
    folder = str(payload["folder"])
    mounts = [_bind(folder, folder), _bind(f"{folder}/tmp", "/tmp")]
    mounts += [_bind(m["source"], m["target"], read_only=bool(m["read_only"])) for m in around.mounts]
    if around.ca_bundle:
        mounts.append(_bind(around.ca_bundle, CA_BUNDLE, read_only=True))
    return mounts


def _bind(source: str, target: str, *, read_only: bool = False) -> dict[str, Any]:
    return {"Type": "bind", "Source": source, "Target": target, "ReadOnly": read_only}
