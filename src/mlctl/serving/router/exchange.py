"""What is known about one request and its answer: the facts of its log line and of its counters."""

from __future__ import annotations

import os
import time
from dataclasses import dataclass, field
from functools import lru_cache
from typing import Any

from mlctl.serving.router.answers import CLIENT_REQUEST_ID, DEPLOYMENT, REQUEST_ID, Answer
from mlctl.serving.router.request import Request

_LONGEST_ID = 100
"""As much of an id as Azure ML's scoring server takes."""


@dataclass(slots=True)
class Exchange:
    """One request and its answer. Times are in seconds, `started` is the loop's; sizes are of the bodies."""

    method: str
    path: str
    client: str
    request_id: str
    client_request_id: str
    started: float
    deployment: str = ""
    replica: str = ""
    status: int = 0
    model_status: int = 0
    reason: str = ""
    queued: float = 0.0
    model: float = 0.0
    bytes_in: int = 0
    bytes_out: int = 0
    traffic: str = "live"
    retries: int = 0
    error: str = ""
    copy: bytes | None = field(default=None, repr=False)
    """The answer's body, when a collector wants it."""
    begun: bool = False
    """Whether a part of the answer is with the caller."""

    def stamp(self, answer: Answer) -> None:
        """Add to an answer's headers what tells which request and which deployment it belongs to."""
        answer.lines.append(b"%b: %b" % (REQUEST_ID, self.request_id.encode()))
        if self.client_request_id:
            answer.lines.append(b"%b: %b" % (CLIENT_REQUEST_ID, self.client_request_id.encode()))
        if self.deployment:
            answer.lines.append(b"%b: %b" % (DEPLOYMENT, self.deployment.encode()))

    def record(self, *, wall: float, seconds: float) -> dict[str, Any]:
        """The line of the access log. No headers and no query: they may hold secrets."""
        line: dict[str, Any] = {
            "time": _stamp(wall - seconds),
            "request_id": self.request_id,
            "client_request_id": self.client_request_id,
            "client": self.client,
            "method": self.method,
            "path": self.path,
            "deployment": self.deployment,
            "replica": self.replica,
            "status": self.status,
            "model_status": self.model_status,
            "reason": self.reason,
            "duration_ms": round(seconds * 1000, 3),
            "queue_ms": round(self.queued * 1000, 3),
            "model_ms": round(self.model * 1000, 3),
            "bytes_in": self.bytes_in,
            "bytes_out": self.bytes_out,
            "traffic": self.traffic,
        }
        if self.retries:
            line["retries"] = self.retries
        if self.error:
            line["error"] = self.error
        return line


def opened(request: Request, started: float) -> Exchange:
    """The exchange of a request that just came in."""
    return Exchange(
        method=request.method,
        path=request.path[:512],
        client=request.client,
        request_id=_usable(request.header(REQUEST_ID)) or new_id(),
        client_request_id=_usable(request.header(CLIENT_REQUEST_ID)),
        started=started,
    )


def new_id() -> str:
    """A random UUID; the class `uuid.UUID` takes three times as long."""
    text = os.urandom(16).hex()
    variant = "89ab"[int(text[16], 16) & 3]
    return f"{text[:8]}-{text[8:12]}-4{text[13:16]}-{variant}{text[17:20]}-{text[20:]}"


def _stamp(seconds: float) -> str:
    """Seconds since the epoch as az prints times."""
    whole = int(seconds)
    return f"{_second(whole)}.{int((seconds - whole) * 1e6):06d}+00:00"


@lru_cache(maxsize=16)
def _second(whole: int) -> str:
    return time.strftime("%Y-%m-%dT%H:%M:%S", time.gmtime(whole))


def _usable(given: str | None) -> str:
    if given and len(given) <= _LONGEST_ID and given.isascii() and given.isprintable():
        return given
    return ""
