"""The router of an endpoint as the keeper sees it: what it is told, and that it lives."""

from __future__ import annotations

import asyncio
import os
import signal
import socket
import subprocess
import sys
from contextlib import suppress
from dataclasses import replace
from typing import Any

from mlctl.backends.served.layout import EndpointFolder, open_log
from mlctl.backends.supervised.processes import ENDPOINT_MARK, identify, is_alive
from mlctl.entities.endpoint import Deployment, Endpoint
from mlctl.entities.job import ProcessId
from mlctl.errors import InvalidSpecError, NotFoundError
from mlctl.serving.port import share
from mlctl.serving.routes import Collector, Routes, load_routes, load_state, save_routes
from mlctl.serving.routes import Deployment as Route

_PAUSE = 1.0
_PATIENCE = 15.0
_HELD_SECONDS = 30.0
"""How long callers wait in the queue of a port for a router that does not come up; after that they are refused."""


class Router:
    """Starts the router's process, starts it anew when it dies, and writes what it routes."""

    def __init__(self, folder: EndpointFolder) -> None:
        self._folder = folder
        self._process: ProcessId | None = None
        self._child: subprocess.Popen[bytes] | None = None
        self._routes: Routes | None = None
        self._next_start = 0.0
        self._held: socket.socket | None = None
        self._held_of: ProcessId | None = None
        self._next_look = 0.0
        self._seen = 0.0

    def route(self, routes: Routes) -> None:
        """Tell the router, when something changed."""
        if self._routes is None:
            self._routes = _known_routes(self._folder)
        if replace(routes, version=self._routes.version) != self._routes:
            self._routes = replace(routes, version=self._routes.version + 1)
            save_routes(self._folder.root, self._routes)

    def is_done_with(self, address: str) -> bool:
        """Whether a replica that left the routes has no request any more."""
        state = load_state(self._folder.root)
        return self.is_told() and not (self._is_running() and state is not None and state.draining.get(address))

    def is_told(self) -> bool:
        """Whether it follows the newest routes; one that does not run starts with them."""
        if not self._is_running() or self._routes is None:
            return True
        state = load_state(self._folder.root)
        return state is not None and state.version >= self._routes.version

    def look_after(self, *, now: float) -> None:
        """Start the router when it does not run."""
        if self._is_running():
            self._seen = now
            self._hold(now)
            return
        if self._held is not None and now - self._seen > _HELD_SECONDS:
            self._let_go()
        if now < self._next_start:
            return
        self._next_start = now + _PAUSE
        handles = [self._held.fileno()] if self._held is not None else []
        with open_log(self._folder.router_log) as log:
            self._child = subprocess.Popen(
                [sys.executable, "-m", "mlctl.serving.router", str(self._folder.root), *map(str, handles)],
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
                env={**os.environ, ENDPOINT_MARK: str(self._folder.root)},
                start_new_session=True,
                pass_fds=handles,
            )
        self._process = identify(self._child.pid)

    def _hold(self, now: float) -> None:
        """Keep the port open beside the router: who connects while there is none waits for the next one."""
        if self._held_of == self._process or now < self._next_look:
            return
        self._next_look = now + _PAUSE
        shared = share(self._folder.root)
        if shared is not None:
            self._let_go()
            self._held, self._held_of = shared, self._process

    def _let_go(self) -> None:
        if self._held is not None:
            self._held.close()
        self._held = self._held_of = None

    def adopt(self, facts: dict[str, Any] | None) -> None:
        """Take over the router that an earlier keeper started."""
        if facts:
            self._process = ProcessId(facts["pid"], facts["started"])

    def describe(self) -> dict[str, Any] | None:
        """What the next keeper needs to take it over."""
        return {"pid": self._process.pid, "started": self._process.started} if self._process else None

    async def stop(self) -> None:
        """Let it finish its requests, and end it; nobody waits for another one."""
        self._let_go()
        for number in (signal.SIGTERM, signal.SIGKILL):
            if not self._is_running() or self._process is None:
                return
            with suppress(ProcessLookupError):
                os.kill(self._process.pid, number)
            for _ in range(int(_PATIENCE / 0.1)):
                if not self._is_running():
                    return
                await asyncio.sleep(0.1)

    def _is_running(self) -> bool:
        if self._child is not None:
            return self._child.poll() is None
        return self._process is not None and is_alive(self._process)


def routes_of(
    endpoint: Endpoint, active: list[tuple[Deployment, dict[str, Any], list[str]]], folder: EndpointFolder
) -> Routes:
    """What the router is told: addresses, weights and limits of each deployment that answers."""
    return Routes(
        endpoint=endpoint.name,
        host=endpoint.host,
        port=endpoint.port,
        auth_mode=endpoint.auth_mode,
        deployments=tuple(
            Route(
                name=deployment.name,
                replicas=tuple(addresses),
                weight=endpoint.traffic.get(deployment.name, 0),
                mirror=endpoint.mirror_traffic.get(deployment.name, 0),
                scoring_path=plan["routes"].get("scoring", "/score"),
                paths=("/*",) if plan["routes"] else (),
                collector=_collector(plan.get("collector"), folder, deployment.name),
                **plan["requests"],
            )
            for deployment, plan, addresses in active
        ),
    )


def _collector(wanted: dict[str, Any] | None, folder: EndpointFolder, deployment: str) -> Collector | None:
    """Azure ML's collections `request` and `response`; others are for the collector's own SDK in the script."""
    collections = (wanted or {}).get("collections", {})
    kept = {
        name: str(collections.get(name, {}).get("enabled", "false")).lower() == "true"
        for name in ("request", "response")
    }
    if wanted is None or not any(kept.values()):
        return None
    return Collector(
        folder=str(folder.root / "collected" / deployment),
        sampling_rate=float(wanted.get("sampling_rate", 1.0)),
        rolling_rate=str(wanted.get("rolling_rate", "hour")).lower(),
        **kept,
    )


def _known_routes(folder: EndpointFolder) -> Routes:
    try:
        return load_routes(folder.root)
    except (NotFoundError, InvalidSpecError):
        return Routes(version=0)
