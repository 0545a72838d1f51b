"""`resources.docker_args`: words of `docker run` as data for the engine. Pure.

The result is a plan's `options`: {"config": …, "host": …, "environment": …, "platform": …}, `config` and `host` with
keys of the Engine API's container-create request (API 1.41, also Podman's compatible one).
"""

from __future__ import annotations

import re
import shlex
from collections.abc import Callable, Iterator, Sequence
from typing import Any

from mlctl.errors import UnsupportedError

Options = dict[str, Any]
_Apply = Callable[[Options, str], None]

_UNITS = {"": 1, "b": 1, "k": 1024, "m": 1024**2, "g": 1024**3, "t": 1024**4}
_SIZE = re.compile(r"(\d+(?:\.\d+)?)\s*([bkmgt]?)(?:i?b)?", re.IGNORECASE)
_REASONS = {
    "--pid": "the job's processes are ended through their own process namespace",
    "--name": "mlctl names the containers",
    "--workdir": "the working directory of a job is its code",
    "-w": "the working directory of a job is its code",
    "--restart": "a job runs once",
}
_NOTHING = frozenset({"--rm", "--detach", "-d", "--interactive", "-i", "--tty", "-t", "-it", "-ti"})
"""Words that people copy along and that change nothing here: a container is always detached and removed."""


def parse_size(text: str) -> int:
    """Bytes of `2g`, `512m`, `64MiB`, `1.5g`, `1000`. Raises ValueError."""
    found = _SIZE.fullmatch(text.strip())
    if not found:
        raise ValueError(f"{text!r} is not a size")
    return int(float(found[1]) * _UNITS[found[2].lower()])


def parse_arguments(words: Sequence[str], *, where: str = "") -> Options:
    """The options that `words` ask for. `where` stands before messages (`job.yml:12: `).

    Raises UnsupportedError naming a word that is not understood or may not be used, or a value that makes no sense.
    """
    options: Options = {"config": {}, "host": {}, "environment": {}, "platform": None}
    for flag, value in _pairs(words, where):
        try:
            _FLAGS[flag][1](options, value)
        except (ValueError, IndexError) as error:
            raise UnsupportedError(f"{where}resources.docker_args: {flag} {value!r}: {error}") from error
    return options


def gpu_request(value: str) -> dict[str, Any]:
    """The device request of `--gpus`: `all`, a number, or `device=0,1` (quoted or not)."""
    text = value.strip("\"'")
    request: dict[str, Any] = {"Driver": "", "Count": 0, "Capabilities": [["gpu"]]}
    if text.startswith("device="):
        return {**request, "DeviceIDs": text.removeprefix("device=").split(",")}
    return {**request, "Count": -1 if text == "all" else int(text)}


def _pairs(words: Sequence[str], where: str) -> Iterator[tuple[str, str]]:
    rest = list(_split(words))
    while rest:
        word = rest.pop(0)
        if word in _NOTHING:
            continue
        flag, equals, value = word.partition("=")
        if not flag.startswith("--") and len(flag) > 2 and flag[:2] in _FLAGS:
            flag, equals, value = word[:2], "=", word[2:].removeprefix("=")  # -m64m
        if flag not in _FLAGS:
            reason = _REASONS.get(flag, "it is not among the options of `docker run` that mlctl knows")
            known = ", ".join(sorted(name for name in _FLAGS if name.startswith("--")))
            raise UnsupportedError(
                f"{where}resources.docker_args: cannot honour {flag!r}: {reason}", hint=f"known: {known}"
            )
        takes_value = _FLAGS[flag][0]
        if takes_value and not equals:
            if not rest:
                raise UnsupportedError(f"{where}resources.docker_args: {flag} has no value")
            value = rest.pop(0)
        yield flag, value


def _split(words: Sequence[str]) -> Iterator[str]:
    """List items such as `--shm-size 4g` are two words; `--env=A=b c` and values are left whole."""
    for word in words:
        head = word.split(maxsplit=1)[0] if word.strip() else ""
        if head.startswith("-") and head != word and "=" not in head:
            yield from shlex.split(word)
        else:
            yield word


def _host(key: str, convert: Callable[[str], Any] = str) -> _Apply:
    return lambda options, value: options["host"].__setitem__(key, convert(value))


def _config(key: str, convert: Callable[[str], Any] = str) -> _Apply:
    return lambda options, value: options["config"].__setitem__(key, convert(value))


def _list(key: str, convert: Callable[[str], Any] = str) -> _Apply:
    return lambda options, value: options["host"].setdefault(key, []).append(convert(value))


def _mapping(key: str, separator: str, *, part: str = "host") -> _Apply:
    def apply(options: Options, value: str) -> None:
        name, _, text = value.partition(separator)
        options[part].setdefault(key, {})[name] = text

    return apply


def _environment(options: Options, value: str) -> None:
    name, equals, text = value.partition("=")
    if not equals:
        raise ValueError("write NAME=value; a job does not see the variables of your shell")
    options["environment"][name] = text


def _gpus(options: Options, value: str) -> None:
    options["host"]["DeviceRequests"] = [gpu_request(value)]


def _swap(value: str) -> int:
    return -1 if value == "-1" else parse_size(value)


def _ulimit(value: str) -> dict[str, Any]:
    name, _, limits = value.partition("=")
    soft, _, hard = limits.partition(":")
    return {"Name": name, "Soft": int(soft), "Hard": int(hard or soft)}


def _device(value: str) -> dict[str, str]:
    parts = value.split(":")
    inside = parts[1] if len(parts) > 1 and parts[1].startswith("/") else parts[0]
    rights = parts[-1] if len(parts) > 1 and not parts[-1].startswith("/") else "rwm"
    return {"PathOnHost": parts[0], "PathInContainer": inside, "CgroupPermissions": rights}


def _volume(value: str) -> str:
    if ":" not in value:
        raise ValueError("write source:target[:ro]")
    return value


def _on(value: str) -> bool:
    return value.lower() not in ("false", "0")


def _platform(options: Options, value: str) -> None:
    options["platform"] = value


def _entrypoint(options: Options, value: str) -> None:
    if value:  # the empty one asks for what mlctl does anyway: not to use the image's own
        options["config"]["Entrypoint"] = [value]


_FLAGS: dict[str, tuple[bool, _Apply]] = {
    "--add-host": (True, _list("ExtraHosts")),
    "--cap-add": (True, _list("CapAdd")),
    "--cap-drop": (True, _list("CapDrop")),
    "--cpu-period": (True, _host("CpuPeriod", int)),
    "--cpu-quota": (True, _host("CpuQuota", int)),
    "--cpu-shares": (True, _host("CpuShares", int)),
    "--cpus": (True, _host("NanoCpus", lambda text: int(float(text) * 1e9))),
    "--cpuset-cpus": (True, _host("CpusetCpus")),
    "--cpuset-mems": (True, _host("CpusetMems")),
    "--device": (True, _list("Devices", _device)),
    "--dns": (True, _list("Dns")),
    "--dns-search": (True, _list("DnsSearch")),
    "--entrypoint": (True, _entrypoint),
    "--env": (True, _environment),
    "--gpus": (True, _gpus),
    "--group-add": (True, _list("GroupAdd")),
    "--hostname": (True, _config("Hostname")),
    "--init": (False, _host("Init", _on)),
    "--ipc": (True, _host("IpcMode")),
    "--label": (True, _mapping("Labels", "=", part="config")),
    "--memory": (True, _host("Memory", parse_size)),
    "--memory-reservation": (True, _host("MemoryReservation", parse_size)),
    "--memory-swap": (True, _host("MemorySwap", _swap)),
    "--network": (True, _host("NetworkMode")),
    "--oom-score-adj": (True, _host("OomScoreAdj", int)),
    "--pids-limit": (True, _host("PidsLimit", int)),
    "--platform": (True, _platform),
    "--privileged": (False, _host("Privileged", _on)),
    "--read-only": (False, _host("ReadonlyRootfs", _on)),
    "--runtime": (True, _host("Runtime")),
    "--security-opt": (True, _list("SecurityOpt")),
    "--shm-size": (True, _host("ShmSize", parse_size)),
    "--sysctl": (True, _mapping("Sysctls", "=")),
    "--tmpfs": (True, _mapping("Tmpfs", ":")),
    "--ulimit": (True, _list("Ulimits", _ulimit)),
    "--user": (True, _config("User")),
    "--userns": (True, _host("UsernsMode")),
    "--volume": (True, _list("Binds", _volume)),
}
_FLAGS |= {
    short: _FLAGS[long]
    for short, long in {
        "-c": "--cpu-shares", "-e": "--env", "-h": "--hostname", "-l": "--label", "-m": "--memory", "-u": "--user",
        "-v": "--volume", "--net": "--network",
    }.items()
}  # fmt: skip
