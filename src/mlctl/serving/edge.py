"""What a machine without mlctl needs to run a deployment: compose file, IoT Edge manifest, systemd unit. Pure texts.

Secrets stand in a file of their own, which is its owner's alone, and for IoT Edge in the manifest. Ports are published
on the loopback: the server in the image asks for no key, so what lets others in stands before it.
"""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from mlctl.errors import UnsupportedError

EDGE_RUNTIME = "1.5"
"""Version of the IoT Edge runtime's images: the one with long-term support."""

_CHUNK = 512
"""Characters of createOptions that one property of a twin may hold; the next are createOptions01 and so on."""

_TWIN_VALUE = 4096
"""Bytes that a text in a twin of IoT Hub may have."""

_NANOSECONDS = 10**9


@dataclass(frozen=True, slots=True)
class EdgeService:
    """One container. `image`: by digest when it is in a registry, else `pulled` is False: nothing may be fetched.

    `port`: the server's; `host_port`: that of the machine. `secrets`: variables that hold one; "" for a value that is
    filled in there. `health`: a shell's words that fail unless it answers; None when nothing in the image can ask.
    Times in seconds.
    """

    name: str
    image: str
    port: int
    host_port: int
    pulled: bool = True
    variables: Mapping[str, str] = field(default_factory=dict)
    secrets: Mapping[str, str] = field(default_factory=dict)
    health: str | None = None
    period: int = 10
    timeout: int = 2
    retries: int = 30
    start: int = 10


@dataclass(frozen=True, slots=True)
class EdgeFile:
    """A file to write. `is_private`: for its owner alone."""

    name: str
    text: str
    is_private: bool = False


def compose(service: EdgeService) -> list[EdgeFile]:
    """`compose.yaml`, and `.env` for the secrets. Contract: the Compose specification; JSON scalars are YAML.

    Raises UnsupportedError for a secret that `.env` cannot hold, or whose name is no variable's.
    """
    lines = [
        "services:",
        f"  {_json(service.name)}:",
        f"    image: {_dollars(service.image)}",
        *([] if service.pulled else ["    pull_policy: never"]),
        "    restart: unless-stopped",
        "    ports:",
        "      # no key is asked: put what lets others in before it",
        f"      - {_json(_published(service))}",
    ]
    if service.variables or service.secrets:
        lines.append("    environment:")
        lines += [f"      {_json(name)}: {_dollars(value)}" for name, value in service.variables.items()]
        lines += [f'      {_json(name)}: "${{{name}:?give it in .env}}"' for name in service.secrets]
    if service.health:
        lines += [
            "    healthcheck:",
            f'      test: ["CMD-SHELL", {_dollars(service.health)}]',
            f"      interval: {service.period}s",
            f"      timeout: {service.timeout}s",
            f"      retries: {service.retries}",
            f"      start_period: {service.start}s",
        ]
    _check_names(service.secrets)
    secrets = [f"{name}={_dotenv(name, value)}" for name, value in service.secrets.items()]
    return [EdgeFile("compose.yaml", _text(lines)), *_private(".env", secrets)]


def iot_edge(service: EdgeService) -> list[EdgeFile]:
    """`deployment.json`, a manifest for `az iot edge set-modules --content`. Contract: schema 1.1 of both agents.

    Raises UnsupportedError for variables that a module twin cannot hold.
    """
    port = f"{service.port}/tcp"
    options: dict[str, Any] = {
        "ExposedPorts": {port: {}},
        "HostConfig": {"PortBindings": {port: [{"HostIp": "127.0.0.1", "HostPort": str(service.host_port)}]}},
    }
    if service.health:
        options["Healthcheck"] = {
            "Test": ["CMD-SHELL", service.health],
            "Interval": service.period * _NANOSECONDS,
            "Timeout": service.timeout * _NANOSECONDS,
            "Retries": service.retries,
            "StartPeriod": service.start * _NANOSECONDS,
        }
    secrets = {name: value or f"<{name}>" for name, value in service.secrets.items()}
    module = {
        "version": "1.0",
        **_module(service.image, options),
        **({} if service.pulled else {"imagePullPolicy": "never"}),
        **_twin_variables({**service.variables, **secrets}),
    }
    hub_ports = {f"{number}/tcp": [{"HostPort": str(number)}] for number in (443, 5671, 8883)}
    runtime = "mcr.microsoft.com/azureiotedge-"
    agent: dict[str, Any] = {
        "schemaVersion": "1.1",
        "runtime": {"type": "docker", "settings": {"minDockerVersion": "v1.25", "registryCredentials": {}}},
        "systemModules": {
            "edgeAgent": {"type": "docker", "settings": _settings(f"{runtime}agent:{EDGE_RUNTIME}", {})},
            "edgeHub": _module(f"{runtime}hub:{EDGE_RUNTIME}", {"HostConfig": {"PortBindings": hub_ports}}),
        },
        "modules": {service.name: module},
    }
    hub = {"schemaVersion": "1.1", "routes": {}, "storeAndForwardConfiguration": {"timeToLiveSecs": 7200}}
    content = {"$edgeAgent": {"properties.desired": agent}, "$edgeHub": {"properties.desired": hub}}
    text = json.dumps({"modulesContent": content}, indent=2) + "\n"
    return [EdgeFile("deployment.json", text, is_private=bool(service.secrets))]


def systemd(service: EdgeService) -> list[EdgeFile]:
    """`<name>.service`, which runs the container with Docker, and `<name>.env` for the secrets.

    Raises UnsupportedError for a secret of several lines, or whose name is no variable's.
    """
    words = ["--rm", "--name", service.name, "--publish", _published(service)]
    if not service.pulled:
        words += ["--pull", "never"]
    for name, value in service.variables.items():
        words += ["--env", f"{name}={value}"]
    place = f"/etc/{service.name}.env"
    if service.secrets:
        words += ["--env-file", place]  # so that no list of processes shows them
    if service.health:
        words += ["--health-cmd", service.health, "--health-interval", f"{service.period}s"]
        words += ["--health-timeout", f"{service.timeout}s", "--health-retries", str(service.retries)]
        words += ["--health-start-period", f"{service.start}s"]
    copied = f"install -m 600 {service.name}.env {place} && " if service.secrets else ""
    lines = [
        f"# {copied}cp {service.name}.service /etc/systemd/system/",
        f"# systemctl daemon-reload && systemctl enable --now {service.name}",
        "[Unit]",
        f"Description=Model {service.name}",
        "After=docker.service network-online.target",
        "Requires=docker.service",
        "Wants=network-online.target",
        "",
        "[Service]",
        *_asked_for(service, place),
        f"ExecStartPre=-docker rm --force {service.name}",
        "ExecStart=docker run " + " ".join(_word(word) for word in [*words, service.image]),
        f"ExecStop=docker stop {service.name}",
        # the first start pulls the image
        "TimeoutStartSec=infinity",
        "Restart=always",
        "RestartSec=5",
        # what the server ends with when it is stopped
        "SuccessExitStatus=143",
        "",
        "[Install]",
        "WantedBy=multi-user.target",
    ]
    return [EdgeFile(f"{service.name}.service", _text(lines)), *_private(f"{service.name}.env", _env_file(service))]


FORMATS: dict[str, Callable[[EdgeService], list[EdgeFile]]] = {
    "compose": compose,
    "iotedge": iot_edge,
    "systemd": systemd,
}
"""Name of the format -> from a service to files."""


def _published(service: EdgeService) -> str:
    return f"127.0.0.1:{service.host_port}:{service.port}"


def _module(image: str, options: Mapping[str, Any]) -> dict[str, Any]:
    settings = _settings(image, options)
    return {"type": "docker", "status": "running", "restartPolicy": "always", "settings": settings}


def _settings(image: str, options: Mapping[str, Any]) -> dict[str, str]:
    """Image and createOptions, which the agent wants as text in pieces."""
    text = json.dumps(options, separators=(",", ":"))
    pieces = [text[start : start + _CHUNK] for start in range(0, len(text), _CHUNK)]
    numbered = {f"createOptions{number:02}" if number else "createOptions": one for number, one in enumerate(pieces)}
    return {"image": image, **numbered}


def _twin_variables(values: Mapping[str, str]) -> dict[str, Any]:
    for name, value in values.items():
        if re.search(r"[+#$\s.]", name):
            raise UnsupportedError(f"IoT Edge takes no variable with the name '{name}'", hint="letters, digits and _")
        if len(value.encode()) > _TWIN_VALUE:
            raise UnsupportedError(
                f"IoT Edge takes no variable of more than {_TWIN_VALUE} bytes, as {name} is",
                hint="put it into a file of the code",
            )
    return {"env": {name: {"value": value} for name, value in values.items()}} if values else {}


def _asked_for(service: EdgeService, place: str) -> list[str]:
    """A step that names the secret that was not filled in."""
    if not service.secrets:
        return []
    names = " ".join(service.secrets)
    script = (
        f'for name in {names}; do grep -q "^$name=." {place} || {{ echo "fill in $name in {place}"; exit 1; }}; done'
    )
    return [f"ExecStartPre=/bin/sh -c {_word(script)}"]


def _check_names(secrets: Mapping[str, str]) -> None:
    """Names stand in the words of a shell, and where Compose asks for a variable."""
    for name in secrets:
        if not re.fullmatch(r"[A-Za-z_][A-Za-z0-9_]*", name):
            raise UnsupportedError(
                f"a secret cannot be a variable with the name '{name}'", hint="letters, digits and _"
            )


def _env_file(service: EdgeService) -> list[str]:
    """Lines as `docker run --env-file` reads them: everything after = is the value."""
    _check_names(service.secrets)
    for name, value in service.secrets.items():
        if "\n" in value or "\r" in value:
            raise UnsupportedError(
                f"the variable {name} has several lines, which a file for docker run cannot hold",
                hint="write it in one line, for example as base64",
            )
    return [f"{name}={value}" for name, value in service.secrets.items()]


def _private(name: str, lines: Sequence[str]) -> list[EdgeFile]:
    return [EdgeFile(name, _text(lines), is_private=True)] if lines else []


def _json(value: str) -> str:
    """A text in YAML. Signs that not every reader takes are escaped."""
    text = json.dumps(value, ensure_ascii=False)
    return re.sub(r"[\x7f-\x9f\u2028\u2029\ufeff]", lambda sign: f"\\u{ord(sign[0]):04x}", text)


def _dollars(value: str) -> str:
    """A text in a compose file, where a dollar sign asks for a variable."""
    return _json(value.replace("$", "$$"))


def _dotenv(name: str, value: str) -> str:
    """A value in `.env`, in the quotes in which every Docker Compose takes it as it is.

    Between double quotes $ asks for a variable, and the first generation cannot escape it; between single quotes some
    take \\' as it is.
    """
    if re.fullmatch(r"[\w./:@%+,=~-]*", value):
        return value
    if re.search(r"[\x00-\x09\x0b-\x1f\x7f-\x9f\u2028\u2029]", value):
        raise UnsupportedError(
            f"the variable {name} has control characters, which .env cannot hold",
            hint="write it in another way (base64), or leave --include-secrets out and fill it in there",
        )
    if "$" not in value:
        return '"' + value.replace("\\", "\\\\").replace('"', '\\"').replace("\n", "\\n") + '"'
    if "'" not in value and not re.search(r"\\(?:\\|$)", value):
        return f"'{value}'"
    raise UnsupportedError(
        f"the variable {name} has $ beside ' or \\, which .env cannot hold for every Docker Compose",
        hint="write it in another way (base64), or leave --include-secrets out and fill it in there",
    )


def _word(word: str) -> str:
    """One word in systemd's syntax: its own quotes and escapes, no specifiers, no variables."""
    escaped = (
        word.replace("\\", "\\\\").replace('"', '\\"').replace("\n", "\\n").replace("\r", "\\r").replace("\t", "\\t")
    )
    return '"' + escaped.replace("%", "%%").replace("$", "$$") + '"'


def _text(lines: Sequence[str]) -> str:
    return "".join(f"{line}\n" for line in lines)
