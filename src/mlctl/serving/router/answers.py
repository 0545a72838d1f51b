"""What the router says itself: refusals with their status codes, and the headers it adds or takes away.

Status codes are those of Azure ML's managed online endpoints where it documents one (troubleshooting, "HTTP status
codes"): 401, 404 without a deployment that has weight, 408 past `request_timeout_ms`, 424 for any answer of a model but
200, 429 for too many pending requests. 424 carries the model's own status in a header and the model's body as it is.
"""

from __future__ import annotations

import json
from collections.abc import Iterable

from aiohttp import web
from multidict import CIMultiDict, CIMultiDictProxy

DEPLOYMENT = "azureml-model-deployment"
REQUEST_ID = "x-request-id"
CLIENT_REQUEST_ID = "x-ms-client-request-id"
ERROR_REASON = "ms-azureml-model-error-reason"
ERROR_STATUS = "ms-azureml-model-error-statuscode"
MODEL_TIME = "ms-azureml-model-time"

_HOP_BY_HOP = frozenset(
    {
        "connection",
        "keep-alive",
        "proxy-authenticate",
        "proxy-authorization",
        "proxy-connection",
        "te",
        "trailer",
        "transfer-encoding",
        "upgrade",
    }
)
# the key is for the router; a scoring script that logs its headers must not have it. Expect is answered here.
_NOT_FOR_REPLICAS = _HOP_BY_HOP | {"authorization", "host", "content-length", "expect", REQUEST_ID}


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


def refused(refusal: RefusalError) -> web.Response:
    """The answer to a refused request: JSON with a code and a sentence, as Azure shapes errors."""
    body = {"error": {"code": refusal.code, "message": refusal.message}}
    headers: dict[str, str] = {}
    if refusal.status == 401:
        headers["WWW-Authenticate"] = "Bearer"
    if refusal.status in (429, 503):
        headers["Retry-After"] = "1"
        headers[ERROR_REASON] = "too_many_pending_request" if refusal.status == 429 else "model_not_ready"
    answer = web.Response(
        status=refusal.status, body=json.dumps(body).encode(), headers=headers, content_type="application/json"
    )
    if refusal.close:
        answer.force_close()
    return answer


def for_replica(headers: CIMultiDictProxy[str], request_id: str) -> CIMultiDict[str]:
    """The caller's headers without those that end here, and with the request's id."""
    kept = _without(headers, _NOT_FOR_REPLICAS)
    kept[REQUEST_ID] = request_id
    return kept


def from_replica(headers: CIMultiDictProxy[str]) -> CIMultiDict[str]:
    """The replica's headers without those of its connection."""
    return _without(headers, _HOP_BY_HOP)


def _without(headers: CIMultiDictProxy[str], dropped: Iterable[str]) -> CIMultiDict[str]:
    names = frozenset(dropped)
    connection = headers.get("Connection")
    if connection:  # it may name further headers that end here
        names |= {name.strip().lower() for name in connection.split(",")}
    return CIMultiDict([(name, value) for name, value in headers.items() if name.lower() not in names])
