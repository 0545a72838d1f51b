"""The life of the server: serve, follow the files, hand over or drain, end."""

from __future__ import annotations

import asyncio
import contextlib
import os
import socket
import time
from collections.abc import Callable
from pathlib import Path

from mlctl.errors import MlctlError
from mlctl.serving import keys as keys_file
from mlctl.serving import routes as routes_file
from mlctl.serving.keys import Keys
from mlctl.serving.port import Predecessor
from mlctl.serving.router import listener
from mlctl.serving.router.caller import Callers
from mlctl.serving.router.gate import Gate
from mlctl.serving.router.journal import FILE as JOURNAL
from mlctl.serving.router.journal import Journal
from mlctl.serving.router.table import Table
from mlctl.serving.router.upstream import Upstream
from mlctl.serving.routes import RouterState, Routes

_LOOK_SECONDS = 0.05
_HANDED_OVER_SECONDS = 15.0
"""How long a caller's open connection may stay idle after a hand-over, to be answered once more and closed with it."""
_ENDING_SECONDS = 1.0
_DRAIN_SECONDS = 180.0
"""The longest `request_timeout_ms` that Azure ML takes."""


class Service:
    """One router. `run` serves until SIGTERM (through `stop`) or until the next router has taken over."""

    def __init__(self, folder: Path, routes: Routes, keys: Keys, say: Callable[[str], None]) -> None:
        self._folder = folder
        self._routes = routes
        self._keys = keys
        self._say = say
        self._stop = asyncio.Event()
        self._succeeded = False
        self._started = time.time()
        self._told: RouterState | None = None
        self._seen: dict[str, tuple[int, int] | None] = {}

    def stop(self) -> None:
        """Stop accepting, finish what is there, end."""
        self._stop.set()

    async def run(self, listening: socket.socket, predecessor: Predecessor | None, ready: Callable[[], None]) -> None:
        """Serve on `listening`, which is closed at the end; `ready` is called once requests are answered."""
        loop = asyncio.get_running_loop()
        journal = Journal(self._folder / JOURNAL)
        upstream = Upstream()
        self._table = Table(self._routes, loop.time)
        gate = Gate(self._table, self._keys, upstream, journal, self._say)
        callers = Callers(gate.handle, gate.refuse)
        listening.setblocking(False)
        sockets = await loop.create_server(callers.connected, sock=listening, backlog=1024)
        host, port = listening.getsockname()[:2]
        door = loop.create_task(listener.hand_over(listening, self._take_leave))
        await asyncio.sleep(0)  # the door is there before anybody is told
        self._tell(host, port)
        if predecessor is not None:
            predecessor.release()
        ready()
        await self._follow(gate, upstream, callers, (host, port), door)
        door.cancel()
        sockets.close()
        gate.draining = True
        await self._drain(callers)
        gate.mirror.close()
        gate.collectors.close()
        upstream.close()
        journal.close()
        if not self._succeeded:
            listener.forget()
            (self._folder / routes_file.STATE_FILE).unlink(missing_ok=True)

    def _take_leave(self) -> None:
        self._succeeded = True
        self._stop.set()

    async def _follow(
        self, gate: Gate, upstream: Upstream, callers: Callers, at: tuple[str, int], door: asyncio.Task[None]
    ) -> None:
        for name in (routes_file.FILE, keys_file.FILE):
            self._changed(name)
        while not self._stop.is_set():
            if door.done() and not self._succeeded and door.exception() is not None:
                self._say(f"hand-over is not possible: {door.exception()}")
            if self._changed(routes_file.FILE):
                self._reload(lambda: self._table.follow(routes_file.load_routes(self._folder)))
            if self._changed(keys_file.FILE):
                self._reload(lambda: setattr(gate, "keys", keys_file.load_keys(self._folder)))
            self._tell(*at)
            upstream.sweep()
            callers.sweep()
            with contextlib.suppress(asyncio.TimeoutError):
                await asyncio.wait_for(self._stop.wait(), _LOOK_SECONDS)

    def _changed(self, name: str) -> bool:
        try:
            found = (self._folder / name).stat()
            stamp = (found.st_ino, found.st_mtime_ns)
        except FileNotFoundError:
            stamp = None
        changed = name in self._seen and self._seen[name] != stamp
        self._seen[name] = stamp
        return changed and stamp is not None

    def _reload(self, load: Callable[[], None]) -> None:
        try:
            load()
        except MlctlError as error:
            self._say(f"{error.message}; the last good one stays in force")

    def _tell(self, host: str, port: int) -> None:
        table = self._table
        state = RouterState(os.getpid(), self._started, host, port, table.routes.version, table.draining())
        if state != self._told:
            self._told = state
            try:
                routes_file.save_state(self._folder, state)
            except OSError as error:
                self._say(f"{routes_file.STATE_FILE} cannot be written: {error.strerror}")

    async def _drain(self, callers: Callers) -> None:
        # answers from here on close their connections; an idle one may be about to send its next request
        now = asyncio.get_running_loop().time
        quiet = _HANDED_OVER_SECONDS if self._succeeded else _ENDING_SECONDS
        until, last = now() + quiet, now() + _DRAIN_SECONDS
        while callers.open and now() < last:
            if callers.busy:
                until = max(until, now() + _LOOK_SECONDS)
            elif now() >= until:
                break
            callers.sweep()
            await asyncio.sleep(_LOOK_SECONDS / 2)
        callers.close()
        await asyncio.sleep(0)
