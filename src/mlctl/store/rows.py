"""Values to columns and back, shared by the tables."""

from __future__ import annotations

import json
from collections.abc import Iterable
from typing import Any

from mlctl.entities.job import ProcessId


def to_json(value: Any) -> str:
    """JSON text of a column. ASCII only, so that names with odd bytes survive."""
    return json.dumps(value, separators=(",", ":"))


def to_json_or_null(value: Any) -> str | None:
    """JSON text, or NULL for None."""
    return None if value is None else to_json(value)


def from_json(text: str | None) -> Any:
    """The value of a JSON column; NULL is None."""
    return None if text is None else json.loads(text)


def process_to_json(process: ProcessId | None) -> str | None:
    """A process as a column."""
    return None if process is None else to_json([process.pid, process.started])


def process_from_json(text: str | None) -> ProcessId | None:
    """A process from a column."""
    if text is None:
        return None
    pid, started = json.loads(text)
    return ProcessId(pid=pid, started=started)


def did_you_mean(name: str, names: Iterable[str], *, otherwise: str) -> str:
    """A hint with the most similar of `names`, or the text `otherwise`."""
    import difflib  # on the error path only

    similar = difflib.get_close_matches(name, names, n=1, cutoff=0.6)
    return f"did you mean '{similar[0]}'?" if similar else otherwise
