"""The life of the server: serve, follow the files, hand over or drain, end."""

from __future__ import annotations

import asyncio
import contextlib
import os
import socket
import time
from collections.abc import Awaitable, Callable
from pathlib import Path

from aiohttp import web
from aiohttp.web_protocol import RequestHandler

from mlctl.errors import MlctlError
from mlctl.serving import keys as keys_file
from mlctl.serving import routes as routes_file
from mlctl.serving.keys import Keys
from mlctl.serving.router import listener
from mlctl.serving.router.gate import Gate
from mlctl.serving.router.journal import FILE as JOURNAL
from mlctl.serving.router.journal import Journal
from mlctl.serving.router.table import Table
from mlctl.serving.router.upstream import Upstream
from mlctl.serving.routes import RouterState, Routes

HEAD_SECONDS = 10.0
"""How long a new connection may take for the head of its first request."""
IDLE_SECONDS = 75.0
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

    async def run(
        self, listening: socket.socket, predecessor: listener.Predecessor | None, ready: Callable[[], None]
    ) -> None:
        """Serve on `listening`, which is closed at the end; `ready` is called once requests are answered."""
        loop = asyncio.get_running_loop()
        journal = Journal(self._folder / JOURNAL)
        upstream = Upstream()
        self._table = Table(self._routes, loop.time)
        gate = Gate(self._table, self._keys, upstream, journal, self._say)
        server = _Server(gate.handle)
        listening.setblocking(False)
        sockets = await loop.create_server(server, sock=listening, backlog=1024)
        host, port = listening.getsockname()[:2]
        door = loop.create_task(listener.hand_over(listening, self._take_leave))
        await asyncio.sleep(0)  # the door is there before anybody is told
        self._tell(host, port)
        if predecessor is not None:
            predecessor.release()
        ready()
        await self._follow(gate, upstream, host, port, door)
        door.cancel()
        sockets.close()
        gate.draining = True
        await self._drain(server)
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

    async def _follow(self, gate: Gate, upstream: Upstream, host: str, port: int, door: asyncio.Task[None]) -> None:
        for name in (routes_file.FILE, keys_file.FILE):
            self._changed(name)
        while not self._stop.is_set():
            if door.done() and not self._succeeded and door.exception() is not None:
                self._say(f"hand-over is not possible: {door.exception()}")
            if self._changed(routes_file.FILE):
                self._reload(lambda: self._table.follow(routes_file.load_routes(self._folder)))
            if self._changed(keys_file.FILE):
                self._reload(lambda: setattr(gate, "keys", keys_file.load_keys(self._folder)))
            self._tell(host, port)
            upstream.sweep()
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

    async def _drain(self, server: _Server) -> None:
        # answers from here on close their connections; an idle one may be about to send its next request
        now = asyncio.get_running_loop().time
        quiet = _HANDED_OVER_SECONDS if self._succeeded else _ENDING_SECONDS
        until, last = now() + quiet, now() + _DRAIN_SECONDS
        while server.connections and now() < last:
            if server.busy:
                until = max(until, now() + _LOOK_SECONDS)
            elif now() >= until:
                break
            await asyncio.sleep(_LOOK_SECONDS / 2)
        await server.shutdown(0)


class _Server(web.Server):
    """aiohttp's low-level server, with a limit for the first head and a count of requests that are being answered."""

    def __init__(self, handle: Callable[[web.BaseRequest], Awaitable[web.StreamResponse]]) -> None:
        super().__init__(
            self._handle,
            handler_cancellation=True,
            keepalive_timeout=IDLE_SECONDS,
            auto_decompress=False,
            access_log=None,
        )
        self._answer = handle
        self._fresh: dict[RequestHandler, asyncio.TimerHandle] = {}
        self.busy = 0

    def connection_made(self, handler: RequestHandler, transport: asyncio.Transport) -> None:
        """aiohttp tells of a new connection."""
        super().connection_made(handler, transport)
        self._fresh[handler] = asyncio.get_running_loop().call_later(HEAD_SECONDS, self._too_slow, handler, transport)

    def connection_lost(self, handler: RequestHandler, exc: BaseException | None = None) -> None:
        """aiohttp tells of the end of a connection."""
        self._known(handler)
        super().connection_lost(handler, exc)

    async def _handle(self, request: web.BaseRequest) -> web.StreamResponse:
        self._known(request.protocol)
        self.busy += 1
        try:
            return await self._answer(request)
        finally:
            self.busy -= 1

    def _known(self, handler: RequestHandler) -> None:
        timer = self._fresh.pop(handler, None)
        if timer is not None:
            timer.cancel()

    def _too_slow(self, handler: RequestHandler, transport: asyncio.Transport) -> None:
        self._fresh.pop(handler, None)
        transport.write(b"HTTP/1.1 408 Request Timeout\r\nConnection: close\r\nContent-Length: 0\r\n\r\n")
        transport.close()
