"""Where the engine may listen: the setting, DOCKER_HOST, docker's contexts, and the usual sockets of Docker and Podman.

Contract of contexts: `currentContext` in docker's config.json, or DOCKER_CONTEXT; the address is in
contexts/meta/<sha256 of the name>/meta.json below `Endpoints.docker.Host`.
"""

from __future__ import annotations

import hashlib
import json
import os
import socket
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

from mlctl.errors import UnsupportedError, UsageError

_PATIENCE = 5.0
"""Seconds for an answer of this very machine."""

_LOOPBACK = frozenset({"localhost", "127.0.0.1", "::1", "0.0.0.0"})


@dataclass(frozen=True, slots=True)
class Candidate:
    """An address to try, and where it came from."""

    address: str
    source: str

    @property
    def socket(self) -> Path | None:
        """Path of the socket, None for other kinds of address."""
        parts = urlsplit(self.address)
        return Path(parts.path) if parts.scheme in ("unix", "http+unix") else None


def candidates(host: str | None, source: str, environ: Mapping[str, str]) -> list[Candidate]:
    """The addresses to try, best first. An address that somebody chose is the only one.

    `host` and `source`: the setting docker.host (which includes DOCKER_HOST) or the compute's own host.
    Raises UsageError for a chosen context that does not exist, and for an address that is none.
    """
    if host:
        return [Candidate(_normal(host, source), source)]
    context = _context(environ)
    if context:
        return [context]
    return [Candidate(f"unix://{path}", name) for path, name in _usual_sockets(environ)]


def refuse_remote(candidate: Candidate) -> None:
    """Raise UnsupportedError when the address is on another machine, which cannot see the job's folder."""
    parts = urlsplit(candidate.address)
    if parts.scheme in ("unix", "http+unix"):
        return
    if parts.scheme != "ssh" and parts.hostname in _LOOPBACK | {socket.gethostname()}:
        return
    raise UnsupportedError(
        f"the Docker engine at {candidate.address} ({candidate.source}) is on another machine: "
        "it cannot see the folders of jobs, which are on this one",
        hint="use an engine of this machine (mlctl config set docker.host=unix:///var/run/docker.sock), "
        "or run mlctl on that machine",
    )


def knock(candidate: Candidate) -> str | None:
    """Why nobody answers at an address of this machine; None when somebody listens. Sends nothing."""
    parts = urlsplit(candidate.address)
    if candidate.socket and not candidate.socket.exists():
        return "no such socket"
    try:
        if candidate.socket:
            with socket.socket(socket.AF_UNIX) as probe:
                probe.settimeout(_PATIENCE)
                probe.connect(str(candidate.socket))
        else:
            socket.create_connection((parts.hostname or "127.0.0.1", parts.port or 2375), _PATIENCE).close()
    except OSError as error:
        return (error.strerror or str(error)).lower()
    return None


def _normal(host: str, source: str) -> str:
    if host.startswith("/"):
        return f"unix://{host}"
    scheme, separator, rest = host.partition("://")
    if not separator or scheme not in ("unix", "http+unix", "tcp", "http", "https", "ssh") or not rest:
        raise UsageError(
            f"{host!r} ({source}) is not the address of an engine",
            hint="write unix:///path/of/docker.sock or tcp://127.0.0.1:2375",
        )
    return host


def _usual_sockets(environ: Mapping[str, str]) -> list[tuple[str, str]]:
    home, runtime = environ.get("HOME"), environ.get("XDG_RUNTIME_DIR") or f"/run/user/{os.getuid()}"
    found = [("/var/run/docker.sock", "Docker's socket"), (f"{runtime}/docker.sock", "rootless Docker's socket")]
    if home:
        found.append((f"{home}/.docker/run/docker.sock", "Docker Desktop's socket"))
    found.append((f"{runtime}/podman/podman.sock", "Podman's socket of this user"))
    return [*found, ("/run/podman/podman.sock", "Podman's system socket")]


def _context(environ: Mapping[str, str]) -> Candidate | None:
    folder = _config_folder(environ)
    if folder is None:
        return None
    name, source = environ.get("DOCKER_CONTEXT"), "DOCKER_CONTEXT"
    if not name:
        name, source = _read_json(folder / "config.json").get("currentContext"), str(folder / "config.json")
    if not name or name == "default":
        return None
    meta = folder / "contexts" / "meta" / hashlib.sha256(name.encode()).hexdigest() / "meta.json"
    host = _read_json(meta).get("Endpoints", {}).get("docker", {}).get("Host")
    if not host:
        raise UsageError(
            f"docker context {name!r} ({source}) does not exist or has no address",
            hint="see `docker context ls`, or set docker.host",
        )
    return Candidate(_normal(host, source), f"docker context {name}")


def _config_folder(environ: Mapping[str, str]) -> Path | None:
    if environ.get("DOCKER_CONFIG"):
        return Path(environ["DOCKER_CONFIG"])
    return Path(environ["HOME"], ".docker") if environ.get("HOME") else None


def _read_json(path: Path) -> dict[str, Any]:
    """The object in the file; empty when there is none that can be read, as the docker command does it."""
    try:
        data = json.loads(path.read_bytes())
    except (OSError, ValueError):
        return {}
    return data if isinstance(data, dict) else {}
