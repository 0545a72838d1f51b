"""What is known about one request and its answer: the facts of its log line and of its counters."""

from __future__ import annotations

import uuid
from dataclasses import dataclass, field
from typing import Any

from aiohttp import web
from multidict import CIMultiDict

from mlctl.entities.clock import iso_time
from mlctl.serving.router.answers import CLIENT_REQUEST_ID, DEPLOYMENT, REQUEST_ID

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
    answer: web.StreamResponse | None = field(default=None, repr=False)
    """The answer, once a part of it is with the caller."""

    def stamp(self, headers: CIMultiDict[str]) -> None:
        """Add to an answer's headers what tells which request and which deployment it belongs to."""
        headers[REQUEST_ID] = self.request_id
        if self.client_request_id:
            headers[CLIENT_REQUEST_ID] = self.client_request_id
        if self.deployment:
            headers[DEPLOYMENT] = self.deployment

    def record(self, *, wall: float, seconds: float) -> dict[str, Any]:
        """The line of the access log. No headers and no query: they may hold secrets."""
        line: dict[str, Any] = {
            "time": iso_time(wall - seconds),
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


def opened(request: web.BaseRequest, started: float) -> Exchange:
    """The exchange of a request that just came in."""
    headers = request.headers
    return Exchange(
        method=request.method,
        path=request.rel_url.raw_path[:512],
        client=request.remote or "",
        request_id=_usable(headers.get(REQUEST_ID)) or str(uuid.uuid4()),
        client_request_id=_usable(headers.get(CLIENT_REQUEST_ID)),
        started=started,
    )


def _usable(given: str | None) -> str:
    if given and len(given) <= _LONGEST_ID and given.isascii() and given.isprintable():
        return given
    return ""
