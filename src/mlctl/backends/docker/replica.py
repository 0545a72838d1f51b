"""`python -m mlctl.backends.docker.replica FOLDER PORT INDEX [ITS=OURS]…`: one replica that is a container.

Makes and starts the container that `container.json` in FOLDER describes, with its port published on loopback at PORT,
and further ports of ITS at OURS; writes what it says to stdout. Ends when the container ends, with its exit code. On
SIGTERM the container is stopped; whatever happens, it is removed. One that a killed replica left under the same name is
removed first. An engine that is away is waited for (`docker.reconnect_seconds`); when it goes away later, this process
ends, and the keeper starts the next one.
"""

from __future__ import annotations

import json
import os
import signal
import sys
import time
from collections.abc import Sequence
from contextlib import closing, suppress
from pathlib import Path
from typing import Any

from mlctl.backends.docker.client import Engine, open_engine
from mlctl.backends.docker.refusals import explain_start
from mlctl.backends.docker.serve import REQUEST, container_name
from mlctl.errors import MlctlError, UnavailableError
from mlctl.settings import Settings, load

_STOP_SECONDS = 5
_AGAIN_SECONDS = 0.5


class _ToldToEnd(BaseException):
    """SIGTERM came."""


def main(folder: Path, port: int, index: int, further: Sequence[str] = ()) -> int:
    """Run the container until it ends; its exit code. 0 when told to end."""
    told = json.loads((folder / REQUEST).read_text(encoding="utf-8"))
    pairs = [(str(told["port"]), str(port)), *(word.split("=") for word in further)]
    published = {f"{its}/tcp": [{"HostIp": "127.0.0.1", "HostPort": ours}] for its, ours in pairs}
    request = {**told["request"], "HostConfig": {**told["request"]["HostConfig"], "PortBindings": published}}
    signal.signal(signal.SIGTERM, _end)
    try:
        with closing(_engine(load(environ=os.environ, cwd=folder), told["host"])) as engine:
            return _run(engine, request, container_name(folder, index))
    except MlctlError as error:
        sys.stderr.write(f"{error.message}\n" + (f"hint: {error.hint}\n" if error.hint else ""))
        return 1
    except _ToldToEnd:
        return 0


def _engine(settings: Settings, host: str) -> Engine:
    give_up = time.monotonic() + (settings.number("docker.reconnect_seconds") or 0.0)
    while True:
        try:
            return open_engine(settings, host)
        except UnavailableError:
            if time.monotonic() > give_up:
                raise
            time.sleep(_AGAIN_SECONDS)


def _run(engine: Engine, request: dict[str, Any], name: str) -> int:
    engine.remove(name)
    container = ""
    try:
        try:
            container = engine.create(request, name=name)
            engine.start(container)
        except MlctlError as error:
            text = error.details.get("text")
            raise explain_start(request["Image"], str(text)) if text else error from error
        for piece in engine.follow(container):
            sys.stdout.buffer.write(piece)
            sys.stdout.buffer.flush()
        return engine.wait(container)
    finally:
        # once more SIGTERM must not end the clearing up
        signal.signal(signal.SIGTERM, signal.SIG_IGN)
        # by its id: the name may be the next replica's by now
        if container:
            _clear_up(engine, container)


def _clear_up(engine: Engine, container: str) -> None:
    with suppress(MlctlError), closing(engine.again()) as other:
        with suppress(MlctlError):
            other.stop(container, _STOP_SECONDS)
        other.remove(container)


def _end(*_: object) -> None:
    raise _ToldToEnd


if __name__ == "__main__":
    sys.exit(main(Path(sys.argv[1]), int(sys.argv[2]), int(sys.argv[3]), sys.argv[4:]))
