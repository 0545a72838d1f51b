"""Waiting until an online endpoint does what was asked of it."""

from __future__ import annotations

import time
from pathlib import Path
from typing import TYPE_CHECKING

from mlctl.entities.endpoint import ONLINE, Endpoint
from mlctl.errors import UnavailableError

if TYPE_CHECKING:
    from mlctl.operations.endpoints import EndpointDesk

_RETRY = "once that is put right the endpoint starts by itself"


def wait_until_it_answers(desk: EndpointDesk, endpoint: Endpoint, *, patience: float = 30.0) -> None:
    """Wait until the endpoint's own router listens. Raises UnavailableError with its last words."""
    served = desk.endpoints()
    log = served.folder(endpoint.name) / "router.log"
    known, give_up = _size(log), time.monotonic() + patience
    while time.monotonic() < give_up:
        if served.router(endpoint.name) is not None:
            return
        if (said := _refusal(log, known)) is not None:
            raise UnavailableError(f"endpoint '{endpoint.name}' cannot listen: {said}", hint=f"see {log}; {_RETRY}")
        if not served.is_kept(endpoint.name):
            # a keeper that was stopping may have been taken for one that stays
            served.look_after(endpoint.name)
        time.sleep(0.05)
    raise UnavailableError(
        f"endpoint '{endpoint.name}' does not listen on port {endpoint.port} after {patience:g} s",
        hint=f"its router's words are in {log}",
    )


def wait_until_it_is_routed(desk: EndpointDesk, endpoint: Endpoint, *, patience: float = 10.0) -> None:
    """Wait until requests follow the traffic. An endpoint that cannot listen is not waited for longer than that."""
    served, give_up = desk.endpoints(), time.monotonic() + patience
    while time.monotonic() < give_up:
        current = desk.store.endpoints.get(ONLINE, endpoint.name)
        if served.is_routed(endpoint) or current.stopped or current.modified_at != endpoint.modified_at:
            return
        if not served.is_kept(endpoint.name):
            served.look_after(endpoint.name)
        time.sleep(0.02)


def _size(path: Path) -> int:
    return path.stat().st_size if path.exists() else 0


def _refusal(log: Path, known: int) -> str | None:
    """The error that the router's log holds behind `known` bytes, such as a port that is taken."""
    if _size(log) <= known:
        return None
    lines = log.read_bytes()[known:].decode(errors="replace").splitlines()
    return next((line.partition(": ")[2] for line in lines if line.startswith("error[")), None)
