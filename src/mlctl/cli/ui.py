"""`mlctl ui`: MLflow's own UI on the workspace, from an environment of its own."""

from __future__ import annotations

import os
import signal
import socket
import subprocess
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Annotated, NoReturn

import typer

from mlctl.cli.command import command
from mlctl.context import Context
from mlctl.entities.environment import Requirements
from mlctl.errors import UnavailableError
from mlctl.output.streams import Level

REQUIREMENTS = Requirements(packages=("mlflow>=2.14,<4",), origin="mlctl ui")
_LAST_PORT = 65535
_SECONDS_TO_START = 90.0
_SECONDS_TO_END = 10.0


@command
def ui(
    context: Context,
    *,
    port: Annotated[
        int | None,
        typer.Option("--port", min=1, max=_LAST_PORT, metavar="NUMBER", help="Port; the next free from 5000."),
    ] = None,
    host: Annotated[str, typer.Option("--host", metavar="ADDRESS", help="Address to listen on.")] = "127.0.0.1",
    no_browser: Annotated[bool, typer.Option("--no-browser", help="Do not open the browser.")] = False,
) -> None:
    """Open MLflow's own UI on the workspace. It runs until Ctrl-C; the first time its environment is built."""
    from mlctl.operations.workspaces import tracking_uri

    uri = tracking_uri(str(context.store.folder), context.settings)
    if uri.startswith(("http://", "https://")):
        context.say.note(f"runs are tracked at {uri}")
        _open_browser(uri, wanted=not no_browser)
        return
    port = _choose_port(host, port)
    python = _environment(context)
    address = f"http://{host}:{port}"
    command_line = [str(python), "-m", "mlflow", "ui", "--backend-store-uri", uri, "--host", host, "--port", str(port)]
    # each run knows its own folder; without these two, what the UI creates would point to the UI's own address
    command_line += ["--no-serve-artifacts", "--default-artifact-root", uri]
    code = 0
    with _running(command_line, context) as process:
        _await_start(process, host, port)
        context.say.note(f"MLflow UI of workspace {context.store.name!r}: {address} (Ctrl-C ends it)")
        _open_browser(address, wanted=not no_browser and context.streams.talks_to_terminal())
        code = process.wait()
    if code:
        raise UnavailableError(f"MLflow's UI ended with exit code {code}", hint="mlctl ui --verbose shows what it said")


def _choose_port(host: str, port: int | None) -> int:
    for candidate in [port] if port else range(5000, 5100):
        try:
            with socket.socket() as probe:
                probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
                probe.bind((host, candidate))
        except OSError as error:
            reason = error.strerror
            continue
        return candidate
    where = f"{host}:{port}" if port else f"ports 5000 to 5099 of {host}"
    raise UnavailableError(f"cannot listen on {where}: {reason}", hint="choose another with --port")


def _environment(context: Context) -> Path:
    """The interpreter of an environment with mlflow, built when it is not there."""
    from mlctl.environments.builder import EnvironmentBuilder

    builder = EnvironmentBuilder(context.settings.home / "cache", context.settings)
    verbose = context.say.level >= Level.INFO
    log_path = Path(f"/dev/fd/{context.streams.stderr.fileno()}") if verbose else Path(os.devnull)
    with log_path.open("wb", buffering=0) as log, context.say.progress("building the environment of the UI, once"):
        return builder.ensure(REQUIREMENTS, log).python


@contextmanager
def _running(command_line: list[str], context: Context) -> Iterator[subprocess.Popen[bytes]]:
    """The server as a process group of its own, which ends with us however we end; Ctrl-C and TERM end the block."""
    said = None if context.say.level >= Level.INFO else subprocess.DEVNULL
    process = subprocess.Popen(
        command_line,
        env={**context.settings.environ, "MLFLOW_ALLOW_FILE_STORE": "true"},
        stdin=subprocess.DEVNULL,
        stdout=context.streams.stderr if said is None else said,
        stderr=said,
        start_new_session=True,
    )
    before = signal.signal(signal.SIGTERM, _interrupt)
    try:
        yield process
    except KeyboardInterrupt:
        context.say.info("ending MLflow's UI")
    finally:
        signal.signal(signal.SIGTERM, before)
        _end(process)


def _interrupt(number: int, frame: object) -> NoReturn:
    del number, frame
    raise KeyboardInterrupt


def _end(process: subprocess.Popen[bytes]) -> None:
    for number in (signal.SIGTERM, signal.SIGKILL):
        try:
            os.killpg(process.pid, number)
        except ProcessLookupError:
            break
        try:
            process.wait(_SECONDS_TO_END)
        except subprocess.TimeoutExpired:
            continue
        break


def _await_start(process: subprocess.Popen[bytes], host: str, port: int) -> None:
    give_up = time.monotonic() + _SECONDS_TO_START
    while time.monotonic() < give_up:
        if process.poll() is not None:
            raise UnavailableError(
                f"MLflow's UI ended with exit code {process.returncode} before it listened",
                hint="mlctl ui --verbose shows what it said",
            )
        try:
            with socket.create_connection((host, port), timeout=1):
                return
        except OSError:
            time.sleep(0.1)
    raise UnavailableError(f"MLflow's UI did not listen on {host}:{port} within {_SECONDS_TO_START:g} s")


def _open_browser(address: str, *, wanted: bool) -> None:
    if wanted:
        import webbrowser

        webbrowser.open(address)
