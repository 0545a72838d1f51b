"""Transfers for a supervisor, in a process of their own.

A supervisor lives as long as its job, starts processes by fork, and may be told to stop at any moment. The SDKs of the
clouds want threads and memory; both end with the errand. Requests and answers are JSON on stdin and stdout.
"""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from mlctl import errors
from mlctl.errors import MlctlError, UnavailableError

FETCH, DELIVER = "fetch", "deliver"


def fetch_all(uris: Mapping[str, str], workspace: Path, cache: Path) -> dict[str, Path]:
    """Name -> where the files are now, for name -> address. Raises the errors of `fetching.fetch`."""
    found = _run({"errand": FETCH, "workspace": str(workspace), "cache": str(cache), "uris": dict(uris)})
    return {name: Path(place) for name, place in found["places"].items()}


def deliver_all(outputs: Mapping[str, tuple[Path, str]], workspace: Path) -> list[str]:
    """Bring each (file or folder, address) to its address; a sentence for each. Raises the errors of `deliver`."""
    pairs = {name: [str(source), uri] for name, (source, uri) in outputs.items()}
    said: list[str] = _run({"errand": DELIVER, "workspace": str(workspace), "outputs": pairs})["said"]
    return said


def do_errand(request: Mapping[str, Any]) -> dict[str, Any]:
    """What the process of an errand does."""
    from mlctl.entities.clock import Clock
    from mlctl.settings import load
    from mlctl.storage.addresses import Storage, locate
    from mlctl.storage.delivery import deliver
    from mlctl.storage.fetching import fetch
    from mlctl.store.workspaces import open_workspace

    store = open_workspace(Path(request["workspace"]), Clock())
    storage = Storage(store, load().environ)
    places, said, name = {}, [], ""
    try:
        for name, uri in request.get("uris", {}).items():
            address = locate(uri, store)
            assert address is not None, "only addresses of datastores are sent here"
            places[name] = str(fetch(address, storage, Path(request["cache"])))
        for name, (source, uri) in request.get("outputs", {}).items():
            address = locate(uri, store)
            assert address is not None
            done = deliver(Path(source), address, storage)
            if done is not None:
                said += [f"outputs.{name}: {done.files} files, {done.size} bytes to {uri}", *done.warnings]
    except MlctlError as error:
        error.details = {**error.details, "name": name}
        raise
    return {"places": places, "said": said}


def error_data(error: MlctlError) -> dict[str, Any]:
    """An error as an answer."""
    return {"kind": type(error).__name__, "message": error.message, "hint": error.hint, "details": error.details}


def _run(request: dict[str, Any]) -> dict[str, Any]:
    words = [sys.executable, "-m", "mlctl.storage"]
    with subprocess.Popen(words, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as process:
        try:
            answer, _ = process.communicate(json.dumps(request))
        finally:
            # a cancel request is an exception here
            process.kill()
    try:
        found: dict[str, Any] = json.loads(answer)
    except ValueError:
        raise UnavailableError(f"the transfer of files ended with code {process.returncode} and no answer") from None
    if "error" in found:
        raise _error(found["error"])
    return found


def _error(data: Mapping[str, Any]) -> MlctlError:
    kind = getattr(errors, data["kind"], UnavailableError)
    error: MlctlError = kind(data["message"], hint=data["hint"])
    error.details = dict(data["details"])
    return error
