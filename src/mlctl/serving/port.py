"""The port of an endpoint, and how it passes from one router to the next.

A router hands its listening socket to who asks through `router.sock` (SCM_RIGHTS). The next router and it then accept
from one queue, and it stops when the next one says that it serves: no connection is refused, none is lost in between.
Two sockets with SO_REUSEPORT would each have a queue of its own, and connections that wait in the one that closes are
reset; it would also hide that somebody else has the port.

The keeper asks for the socket too, and only holds it. When the router is killed, the port stays open: who connects
waits in the queue until the keeper has started the next router, which gets the socket from it.
"""

from __future__ import annotations

import contextlib
import errno
import os
import socket
from pathlib import Path

from mlctl.errors import ConflictError, UnavailableError

DOOR = "router.sock"
READY = b"ready"
"""What a router says to its predecessor when it serves."""
_BACKLOG = 1024


class Predecessor:
    """The router that serves now. `listening` is its socket, shared; `release` tells it to stop."""

    def __init__(self, connection: socket.socket, listening: socket.socket) -> None:
        self._connection = connection
        self.listening = listening

    def leave(self) -> None:
        """Let it go on."""
        self._connection.close()

    def release(self) -> None:
        """Tell it that somebody else serves."""
        with contextlib.suppress(OSError), self._connection:
            self._connection.sendall(READY)


def find_predecessor(folder: Path, *, patience: float = 5.0) -> Predecessor | None:
    """The router of an endpoint's folder that serves, with its socket; None when there is none."""
    handle = os.open(folder, os.O_RDONLY | os.O_DIRECTORY)
    connection = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
    connection.settimeout(patience)
    # a socket's path may have 107 bytes only, and a workspace may lie deeper
    short = Path(f"/proc/self/fd/{handle}")
    try:
        connection.connect(str((short if short.exists() else folder) / DOOR))
        _, handles, _, _ = socket.recv_fds(connection, 16, 1)
    except OSError:  # nobody there, or nobody any more
        handles = []
    finally:
        os.close(handle)
    if not handles:
        connection.close()
        return None
    return Predecessor(connection, socket.socket(fileno=handles[0]))


def share(folder: Path) -> socket.socket | None:
    """The listening socket of the router that serves, which goes on; None when there is none, or it is busy."""
    found = find_predecessor(folder, patience=0.2)
    if found is None:
        return None
    found.leave()
    return found.listening


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
