"""One generation of a deployment: how it is made ready and watched."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from collections.abc import Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from typing import Any

from mlctl.backends.served.layout import GenerationFolder, open_log
from mlctl.backends.served.replicas import Watch
from mlctl.backends.served.verdicts import preparation_failed
from mlctl.entities.online_deployment import Probe


@dataclass
class Generation:
    """One generation of a deployment that is being prepared or runs."""

    deployment: str
    number: int
    plan: dict[str, Any]
    watch: Watch
    preparation: subprocess.Popen[bytes] | None = None
    prepared: bool = False
    deaths: int = 0
    start_again: float = 0.0
    failed: bool = False


def prepare(
    generation: Generation, folder: GenerationFolder, words: Sequence[str], mark: Mapping[str, str]
) -> dict[str, Any] | None:
    """One step of the preparation; the error when it failed. `words`: the arguments of `served.prepare`.

    Environment or image are built in a process of its own: it may take minutes.
    """
    if folder.launch.exists():
        generation.prepared = True
    elif generation.preparation is None:
        folder.root.mkdir(mode=0o700, parents=True, exist_ok=True)
        with open_log(folder.build_log) as log:
            generation.preparation = subprocess.Popen(
                [sys.executable, "-m", "mlctl.backends.served.prepare", *words],
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
                env={**os.environ, **mark},
                start_new_session=True,
            )
    elif generation.preparation.poll() is not None:
        code, generation.preparation = generation.preparation.returncode, None
        generation.prepared = folder.launch.exists()
        if not generation.prepared:
            return preparation_failed(folder, code)
    return None


def end_preparation(generation: Generation) -> bool:
    """End a preparation with all that it started; whether it still runs."""
    process = generation.preparation
    if process is None or process.poll() is not None:
        return False
    with suppress(ProcessLookupError):
        os.killpg(process.pid, signal.SIGTERM)
    return True


def watch_of(plan: dict[str, Any]) -> Watch:
    """How the replicas of a plan are probed."""
    readiness, liveness = Probe(**plan["readiness"]), Probe(**plan["liveness"])
    routes, ports = plan["routes"], plan.get("probe_ports", {})
    return Watch(
        readiness,
        liveness,
        routes.get("readiness", "/"),
        routes.get("liveness", "/"),
        str(ports.get("readiness", "")),
        str(ports.get("liveness", "")),
        budget=float(readiness.initial_delay + readiness.period * readiness.failure_threshold),
    )
