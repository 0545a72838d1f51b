"""The port, and how the next router gets it.

A router hands its listening socket to the next one through `router.sock` (SCM_RIGHTS). Both then accept from one queue,
and the first stops when the second says that it serves: no connection is refused, none is lost in between. Two sockets
with SO_REUSEPORT would each have a queue of its own, and connections that wait in the one that closes are reset; it
would also hide that somebody else has the port.
"""

from __future__ import annotations

import asyncio
import contextlib
import errno
import os
import socket
from collections.abc import Callable
from pathlib import Path

from mlctl.errors import ConflictError, UnavailableError

# relative: a socket's path may have 107 bytes only, and a workspace may lie deeper
_SOCKET = "router.sock"
_READY = b"ready"
_BACKLOG = 1024
_PATIENCE_SECONDS = 5.0


class Predecessor:
    """The router that serves now. `listening` is its socket, shared; `release` tells it to stop."""

    def __init__(self, connection: socket.socket, listening: socket.socket) -> None:
        self._connection = connection
        self.listening = listening

    def release(self) -> None:
        """Tell it that somebody else serves."""
        with contextlib.suppress(OSError), self._connection:
            self._connection.sendall(_READY)


def find_predecessor() -> Predecessor | None:
    """The router of this folder (the current one) that serves, with its socket; None when there is none."""
    connection = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
    connection.settimeout(_PATIENCE_SECONDS)
    try:
        connection.connect(_SOCKET)
        _, handles, _, _ = socket.recv_fds(connection, 16, 1)
    except OSError:  # nobody there, or nobody any more
        connection.close()
        return None
    if not handles:
        connection.close()
        return None
    return Predecessor(connection, socket.socket(fileno=handles[0]))


def listen(host: str, port: int) -> socket.socket:
    """A listening socket. Raises ConflictError for a port that is taken, UnavailableError for an address not ours."""
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    listening = socket.socket(family, socket.SOCK_STREAM)
    try:
        listening.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        listening.bind((host, port))
        listening.listen(_BACKLOG)
    except OSError as error:
        listening.close()
        if error.errno == errno.EADDRINUSE:
            hint = "end the program that has it, or give the endpoint another port"
            raise ConflictError(f"port {port} on {host} is taken", hint=hint) from error
        raise UnavailableError(f"cannot listen on {host}:{port}: {error.strerror or error}") from error
    return listening


def serves(listening: socket.socket, host: str, port: int) -> bool:
    """Whether the socket listens where the routes want it."""
    at: tuple[str, int] = listening.getsockname()[:2]
    return at[1] == port if host in ("", at[0]) else False


async def hand_over(listening: socket.socket, succeeded: Callable[[], None]) -> None:
    """Wait for the next router, give it `listening` and call `succeeded` when it serves. Runs until cancelled."""
    loop = asyncio.get_running_loop()
    Path(_SOCKET).unlink(missing_ok=True)
    with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as door:
        before = os.umask(0o177)
        try:
            door.bind(_SOCKET)
        finally:
            os.umask(before)
        door.listen(4)
        door.setblocking(False)
        while True:
            connection, _ = await loop.sock_accept(door)
            with connection:
                connection.setblocking(False)
                try:
                    socket.send_fds(connection, [b"port"], [listening.fileno()])
                    said = await asyncio.wait_for(loop.sock_recv(connection, 16), 60)
                except (OSError, asyncio.TimeoutError):
                    continue  # it died before it served; we go on
            if said == _READY:
                succeeded()
                return


def forget() -> None:
    """Remove the door: this router ends and no other took its place."""
    Path(_SOCKET).unlink(missing_ok=True)
