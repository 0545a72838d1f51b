"""What the router says itself: refusals with their status codes, and the headers it adds or takes away.

Status codes are those of Azure ML's managed online endpoints where it documents one (troubleshooting, "HTTP status
codes"): 401, 404 without a deployment that has weight, 408 past `request_timeout_ms`, 424 for any answer of a model but
200, 429 for too many pending requests. 424 carries the model's own status in a header and the model's body as it is.
"""

from __future__ import annotations

import json
import time
from collections.abc import Set
from email.utils import formatdate
from functools import lru_cache
from http import HTTPStatus

Fields = list[tuple[bytes, bytes, bytes]]
"""Headers: each with its name in small letters, its name as it was sent, and its value."""

DEPLOYMENT = b"azureml-model-deployment"
REQUEST_ID = b"x-request-id"
CLIENT_REQUEST_ID = b"x-ms-client-request-id"
ERROR_REASON = b"ms-azureml-model-error-reason"
ERROR_STATUS = b"ms-azureml-model-error-statuscode"
MODEL_TIME = b"ms-azureml-model-time"

_HOP_BY_HOP = frozenset(
    {
        b"connection",
        b"keep-alive",
        b"proxy-authenticate",
        b"proxy-authorization",
        b"proxy-connection",
        b"te",
        b"trailer",
        b"transfer-encoding",
        b"upgrade",
    }
)
# the key is for the router; a scoring script that logs its headers must not have it. Expect is answered here.
_NOT_FOR_REPLICAS = _HOP_BY_HOP | {b"authorization", b"host", b"content-length", b"expect", REQUEST_ID}
# what the router says itself stands once
_NOT_FOR_CALLERS = _HOP_BY_HOP | {
    b"content-length",
    DEPLOYMENT,
    REQUEST_ID,
    CLIENT_REQUEST_ID,
    MODEL_TIME,
    ERROR_REASON,
    ERROR_STATUS,
}
_REASONS = {status.value: status.phrase.encode() for status in HTTPStatus}


class Answer:
    """What goes back to a caller. `lines` are its headers but those of its length and of the connection."""

    __slots__ = ("body", "close", "lines", "reason", "status")

    def __init__(
        self, status: int, lines: list[bytes], body: bytes = b"", *, reason: bytes = b"", close: bool = False
    ) -> None:
        self.status = status
        self.reason = reason or _REASONS.get(status, b"")
        self.lines = lines
        self.body = body
        self.close = close
        """Whether the connection ends with the answer."""


class RefusalError(Exception):
    """The router answers this request itself, with `status`. `code` is the word for logs and counters."""

    def __init__(self, status: int, code: str, message: str, *, close: bool = False) -> None:
        super().__init__(message)
        self.status = status
        self.code = code
        self.message = message
        self.close = close
        """Whether the connection ends with the answer: the rest of the request is not read."""
        self.deployment = ""


def said(status: int, content_type: str, body: bytes) -> Answer:
    """An answer of the router's own."""
    return Answer(status, [b"Content-Type: " + content_type.encode(), date()], body)


def refused(refusal: RefusalError) -> Answer:
    """The answer to a refused request: JSON with a code and a sentence, as Azure shapes errors."""
    body = {"error": {"code": refusal.code, "message": refusal.message}}
    answer = said(refusal.status, "application/json; charset=utf-8", json.dumps(body).encode())
    answer.close = refusal.close
    if refusal.status == 401:
        answer.lines.append(b"WWW-Authenticate: Bearer")
    if refusal.status in (429, 503):
        reason = b"too_many_pending_request" if refusal.status == 429 else b"model_not_ready"
        answer.lines += [b"Retry-After: 1", ERROR_REASON + b": " + reason]
    return answer


def for_replica(fields: Fields, request_id: str) -> list[bytes]:
    """The caller's headers without those that end here, and with the request's id."""
    lines = _without(fields, _NOT_FOR_REPLICAS)
    lines.append(b"%b: %b" % (REQUEST_ID, request_id.encode()))
    return lines


def from_replica(fields: Fields) -> list[bytes]:
    """The replica's headers without those of its connection and those that the router says itself."""
    lines = _without(fields, _NOT_FOR_CALLERS)
    if not any(name == b"date" for name, _, _ in fields):
        lines.append(date())
    return lines


def date() -> bytes:
    """The header Date."""
    return _date(int(time.time()))


@lru_cache(maxsize=1)
def _date(second: int) -> bytes:
    return b"Date: " + formatdate(second, usegmt=True).encode()


def _without(fields: Fields, dropped: Set[bytes]) -> list[bytes]:
    for lower, _, value in fields:
        if lower == b"connection":  # it may name further headers that end here
            dropped = dropped | {name.strip() for name in value.lower().split(b",")}
    return [b"%b: %b" % (name, value) for lower, name, value in fields if lower not in dropped]
