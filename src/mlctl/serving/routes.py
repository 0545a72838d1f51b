"""Where the requests of one endpoint go: `routes.json`, written by whoever decides, read by the router.

    {"version": 3, "endpoint": "iris", "host": "127.0.0.1", "port": 5001, "auth_mode": "key",
     "max_body_bytes": 104857600,
     "deployments": {"blue": {
        "replicas": ["http://127.0.0.1:31001"], "weight": 90, "mirror": 0,
        "request_timeout_ms": 5000, "max_concurrent_requests_per_instance": 1, "max_queue_wait_ms": 500,
        "scoring_path": "/score", "paths": ["/v2/*"],
        "collector": {"folder": "/…/blue", "request": true, "response": true, "sampling_rate": 1.0,
                      "rolling_rate": "hour"}}}}

Only replicas that are ready stand here. Keys that are left out have the defaults below, which are Azure ML's; keys
that are not known are passed over, so that an older router can read what a newer mlctl wrote. `port` 0 lets the system
choose. `paths` are the paths beside `/score` and `scoring_path` that a deployment answers; a `*` at the end stands for
any rest. `host` and `port` are read when a router starts; everything else takes effect at once.
"""

from __future__ import annotations

import json
import os
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from mlctl.errors import InvalidSpecError, NotFoundError

FILE = "routes.json"
STATE_FILE = "router.json"
AUTH_MODES = ("key", "aml_token")
ROLLING_RATES = ("minute", "hour", "day", "month", "year")
SCORE = "/score"
"""The path of an endpoint's scoring URI, whatever path its deployments use themselves."""


@dataclass(frozen=True, slots=True)
class Collector:
    """What is kept of requests and responses, as lines below the absolute path `folder`."""

    folder: str
    request: bool = True
    response: bool = True
    sampling_rate: float = 1.0
    rolling_rate: str = "hour"


@dataclass(frozen=True, slots=True)
class Deployment:
    """One deployment as the router sees it. `replicas` are base URLs; times are in milliseconds, shares in percent."""

    name: str
    replicas: tuple[str, ...] = ()
    weight: int = 0
    mirror: int = 0
    request_timeout_ms: int = 5000
    max_concurrent_requests_per_instance: int = 1
    max_queue_wait_ms: int = 500
    scoring_path: str = SCORE
    paths: tuple[str, ...] = ()
    collector: Collector | None = None

    def path_for(self, path: str) -> str | None:
        """The path to ask a replica for, or None when this deployment does not answer `path`."""
        if path == SCORE:
            return self.scoring_path
        if path in (self.scoring_path, "/swagger.json") or path in self.paths:
            return path
        if any(one.endswith("*") and path.startswith(one[:-1]) for one in self.paths) and not _climbs(path):
            return path
        return None


@dataclass(frozen=True, slots=True)
class Routes:
    """All of `routes.json`. `version` grows with each change; `router.json` tells which one the router follows."""

    version: int = 1
    endpoint: str = ""
    host: str = "127.0.0.1"
    port: int = 0
    auth_mode: str = "key"
    max_body_bytes: int = 100 * 1024 * 1024
    deployments: tuple[Deployment, ...] = ()

    def find(self, name: str) -> Deployment | None:
        """The deployment with that name."""
        return next((one for one in self.deployments if one.name == name), None)


@dataclass(frozen=True, slots=True)
class RouterState:
    """`router.json`: what a router says about itself once it answers, and after each change of the routes.

    `draining` has the replicas that left the routes and still answer requests, with their number: a replica that is
    not in it, under a `version` without it, may be ended. `started` is in seconds since the epoch.
    """

    pid: int
    started: float
    host: str
    port: int
    version: int
    draining: dict[str, int]


def load_routes(folder: Path) -> Routes:
    """Read `routes.json`. Raises NotFoundError when it is not there, InvalidSpecError when it makes no sense."""
    path = folder / FILE
    try:
        data = json.loads(path.read_text(encoding="utf-8"))
        return _routes(data)
    except FileNotFoundError as error:
        raise NotFoundError(f"there is no {path}", hint="the endpoint was not set up here, or was deleted") from error
    except (ValueError, TypeError, AttributeError, KeyError) as error:
        raise InvalidSpecError(f"{path} is not valid: {error}") from error


def save_routes(folder: Path, routes: Routes) -> None:
    """Write `routes.json` by rename: a reader sees the old file or the new one."""
    data = asdict(routes)
    data["deployments"] = {one.pop("name"): one for one in data["deployments"]}
    write_whole(folder / FILE, data)


def load_state(folder: Path) -> RouterState | None:
    """Read `router.json`; None when no router wrote one. Whether its process still lives is the caller's question."""
    try:
        data = json.loads((folder / STATE_FILE).read_text(encoding="utf-8"))
        return RouterState(**{name: data[name] for name in RouterState.__slots__})
    except (FileNotFoundError, ValueError, KeyError):
        return None


def save_state(folder: Path, state: RouterState) -> None:
    """Write `router.json` by rename."""
    write_whole(folder / STATE_FILE, asdict(state))


def write_whole(path: Path, data: object, mode: int = 0o600) -> None:
    """Write JSON so that no reader ever sees half of it, and nobody but the owner sees it before it has its name."""
    new = path.with_name(f".{path.name}.{os.getpid()}")
    handle = os.open(new, os.O_WRONLY | os.O_CREAT | os.O_TRUNC | os.O_NOFOLLOW, mode)
    with os.fdopen(handle, "w", encoding="utf-8") as file:
        os.fchmod(file.fileno(), mode)  # the file may be left from a process that was killed
        json.dump(data, file, indent=2)
    new.replace(path)


def _routes(data: Mapping[str, Any]) -> Routes:
    mode = data.get("auth_mode", "key")
    if mode not in AUTH_MODES:
        raise ValueError(f"auth_mode {mode!r} is not one of {', '.join(AUTH_MODES)}")
    deployments = data.get("deployments", {})
    return Routes(
        version=int(data["version"]),
        deployments=tuple(_deployment(name, one) for name, one in deployments.items()),
        **_known(data, "endpoint", "host", "port", "auth_mode", "max_body_bytes"),
    )


def _deployment(name: str, data: Mapping[str, Any]) -> Deployment:
    collector = data.get("collector")
    numbers = _known(
        data, "weight", "mirror", "request_timeout_ms", "max_concurrent_requests_per_instance", "max_queue_wait_ms"
    )
    for key, value in numbers.items():
        if type(value) is not int or value < 0:
            raise ValueError(f"{key} of {name} must be a whole number, not {value!r}")
    return Deployment(
        name=name,
        replicas=tuple(str(url).rstrip("/") for url in data.get("replicas", ())),
        paths=tuple(str(path) for path in data.get("paths", ())),
        collector=_collector(collector) if collector else None,
        **numbers,
        **_known(data, "scoring_path"),
    )


def _collector(data: Mapping[str, Any]) -> Collector:
    rate = str(data.get("rolling_rate", "hour")).lower()
    if rate not in ROLLING_RATES:
        raise ValueError(f"rolling_rate {rate!r} is not one of {', '.join(ROLLING_RATES)}")
    return Collector(
        folder=str(data["folder"]), rolling_rate=rate, **_known(data, "request", "response", "sampling_rate")
    )


def _climbs(path: str) -> bool:
    """Whether a path has `..` in it: what stands for any rest must not lead out of its beginning."""
    return ".." in path.lower().replace("%2e", ".").split("/")


def _known(data: Mapping[str, Any], *names: str) -> dict[str, Any]:
    return {name: data[name] for name in names if name in data}
