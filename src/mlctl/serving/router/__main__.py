"""`python -m mlctl.serving.router FOLDER [HANDLE]`: serves the endpoint in FOLDER until SIGTERM or SIGINT.

HANDLE is an open file handle of a socket that listens already; see `mlctl.serving.port`. When a router serves the
folder, this one takes over its port; that is how a router is renewed without a refused request. Exit codes are mlctl's:
6 for a port that is taken, 3 for a folder without routes.
"""

from __future__ import annotations

import asyncio
import fcntl
import os
import resource
import signal
import socket
import sys
from collections.abc import Callable, Coroutine
from pathlib import Path
from typing import Any

from mlctl.errors import MlctlError
from mlctl.output.streams import Say, Streams
from mlctl.serving import require_extra
from mlctl.serving.keys import load_keys
from mlctl.serving.port import Predecessor, find_predecessor, listen, serves
from mlctl.serving.routes import Routes, load_routes

_FILES = 65536


def main(folder: Path, handle: int | None = None) -> int:
    """Run the router of one folder; the value is the exit code."""
    say = Say(Streams())
    try:
        require_extra()
        _loop()(_serve(folder.resolve(), handle, say))
    except MlctlError as error:
        say.error(f"error[{error.code}]: {error.message}")
        if error.hint:
            say.hint(error.hint)
        return error.exit_code
    return 0


def _loop() -> Callable[[Coroutine[Any, Any, None]], None]:
    try:
        import uvloop
    except ImportError:  # not on every platform
        return asyncio.run
    return uvloop.run


async def _serve(folder: Path, handle: int | None, say: Say) -> None:
    from mlctl.serving.router.service import Service

    routes, keys = load_routes(folder), load_keys(folder)
    os.chdir(folder)
    _allow_files()
    # one router starts at a time; the lock is gone with the process that has it
    Path("router.lock").touch(mode=0o600)
    with Path("router.lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        predecessor = find_predecessor(folder)
        listening = _listening(routes, handle, predecessor)
        service = Service(folder, routes, keys, say.warning)
        loop = asyncio.get_running_loop()
        for number in (signal.SIGTERM, signal.SIGINT):
            loop.add_signal_handler(number, service.stop)
        await service.run(listening, predecessor, lambda: fcntl.flock(lock, fcntl.LOCK_UN))


def _listening(routes: Routes, handle: int | None, predecessor: Predecessor | None) -> socket.socket:
    known = [predecessor.listening] if predecessor is not None else []
    if handle is not None:
        known.append(socket.socket(fileno=handle))
    right = [one for one in known if serves(one, routes.host, routes.port)]
    for one in known:
        if one not in right[:1]:
            one.close()
    return right[0] if right else listen(routes.host, routes.port)


def _allow_files() -> None:
    _, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    wanted = _FILES if hard == resource.RLIM_INFINITY else min(hard, _FILES)
    resource.setrlimit(resource.RLIMIT_NOFILE, (wanted, hard))


if __name__ == "__main__":
    sys.exit(main(Path(sys.argv[1]), *map(int, sys.argv[2:3])))
