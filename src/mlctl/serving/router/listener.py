"""The router's side of `mlctl.serving.port`: who asks gets its listening socket, and it ends when another serves."""

from __future__ import annotations

import asyncio
import os
import socket
from collections.abc import Callable
from pathlib import Path

from mlctl.serving.port import DOOR, READY


async def hand_over(listening: socket.socket, succeeded: Callable[[], None]) -> None:
    """Wait for the next router, give it `listening` and call `succeeded` when it serves. Runs until cancelled."""
    loop = asyncio.get_running_loop()
    Path(DOOR).unlink(missing_ok=True)
    with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as door:
        before = os.umask(0o177)
        try:
            door.bind(DOOR)
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
            if said == READY:
                succeeded()
                return


def forget() -> None:
    """Remove the door: this router ends and no other took its place."""
    Path(DOOR).unlink(missing_ok=True)
