"""What an engine tells while it pulls, builds and pushes, as whole lines for people."""

from __future__ import annotations

import time
from collections.abc import Iterable, Iterator, Mapping
from typing import Any

from mlctl.backends.docker.client import RefusedError

_PROGRESS_SECONDS = 10.0
_ONCE = frozenset({"Already exists", "Pull complete", "Download complete"})
_PUSHED = ("Pushed", "Layer already exists", "Mounted from")


def pull_lines(messages: Iterable[Mapping[str, Any]]) -> Iterator[str]:
    """Lines about a pull: each layer's end, and the total now and then. Raises RefusedError for an error message."""
    layers: dict[str, tuple[int, int]] = {}
    shown = time.monotonic()
    for message in messages:
        _raise_error(message)
        status, layer = str(message.get("status", "")), str(message.get("id", ""))
        detail = message.get("progressDetail") or {}
        if status == "Downloading" and detail.get("total"):
            layers[layer] = (int(detail.get("current") or 0), int(detail["total"]))
            if time.monotonic() - shown > _PROGRESS_SECONDS:
                shown = time.monotonic()
                done, total = (sum(part) / 1e6 for part in zip(*layers.values(), strict=True))
                yield f"downloading: {done:.0f} of {total:.0f} MB so far"
        elif status in _ONCE or (status and not detail and status.startswith(("Pulling from", "Digest", "Status"))):
            yield f"{layer}: {status}" if layer else status


def build_lines(messages: Iterable[Mapping[str, Any]]) -> Iterator[str]:
    """The builder's output as whole lines. Raises RefusedError for an error message."""
    pending = ""
    for message in messages:
        text = str(message.get("stream") or "")
        if not text and message.get("status") and not message.get("progressDetail"):
            text = f"{message['status']}\n"
        *lines, pending = (pending + text).split("\n")
        yield from (line for line in lines if line.strip())
        if message.get("error"):
            yield from [pending] if pending.strip() else []
            _raise_error(message)
    if pending.strip():
        yield pending


def push_lines(messages: Iterable[Mapping[str, Any]], facts: dict[str, Any]) -> Iterator[str]:
    """Lines about a push: the end of each layer; `facts` gets what the engine tells at the end (Tag, Digest, Size).

    Raises RefusedError for an error message.
    """
    for message in messages:
        _raise_error(message)
        facts.update(message.get("aux") or {})
        status, layer = str(message.get("status", "")), str(message.get("id", ""))
        if layer and status.startswith(_PUSHED):
            yield f"{layer}: {status}"


def _raise_error(message: Mapping[str, Any]) -> None:
    if message.get("error"):
        text = str((message.get("errorDetail") or {}).get("message") or message["error"])
        raise RefusedError(text, text=text)
