"""An endpoint as a service of systemd, so that it comes back after a reboot."""

from __future__ import annotations

import os

from mlctl.entities.endpoint import ONLINE
from mlctl.operations.endpoints import EndpointDesk

_UNIT = """\
[Unit]
Description=mlctl online endpoint {name} (workspace {workspace})
After=network-online.target docker.service
Wants=network-online.target

[Service]
Type=exec
Environment={environment}
ExecStart={command}
# the keeper stops router and replicas itself, and they go on when it is killed
KillMode=process
TimeoutStopSec=90
Restart=on-failure
RestartSec=2

[Install]
WantedBy=default.target
"""


def systemd_unit(desk: EndpointDesk, name: str) -> str:
    """A unit that keeps the endpoint. Raises NotFoundError.

    It holds no key: those stay in the endpoint's folder.
    """
    endpoint = desk.store.endpoints.get(ONLINE, name)
    variables = {"MLCTL_HOME": str(desk.settings.home.absolute()), "PATH": os.defpath}
    if desk.settings.environ.get("PATH"):
        variables["PATH"] = desk.settings.environ["PATH"]
    return _UNIT.format(
        name=endpoint.name,
        workspace=desk.store.name,
        environment=" ".join(_quoted(f"{key}={value}") for key, value in variables.items()),
        command=" ".join(_quoted(word).replace("$", "$$") for word in desk.endpoints().command(endpoint.name)),
    )


def _quoted(word: str) -> str:
    """One word in systemd's syntax: its own quotes, and no specifiers."""
    escaped = word.replace("\\", "\\\\").replace('"', '\\"').replace("%", "%%")
    return f'"{escaped}"'
