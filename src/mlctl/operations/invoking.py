"""Calling an online endpoint, as a client with its key does."""

from __future__ import annotations

from pathlib import Path

from mlctl.entities.endpoint import KEY, ONLINE
from mlctl.errors import AuthError, MlctlError, NotFoundError, UnavailableError
from mlctl.operations.answering import wait_until_it_answers
from mlctl.operations.endpoints import EndpointDesk

_PATIENCE = 300.0
"""Seconds for an answer: the deployment's own limit ends earlier."""


class InvocationFailedError(MlctlError):
    """The endpoint answered with an error (exit 1, as az); `details["status"]` is the HTTP status."""

    code = "invocation_failed"


def invoke(desk: EndpointDesk, name: str, body: bytes, *, deployment: str | None = None) -> str:
    """The text that the endpoint answers to a JSON body. `deployment` picks one whatever the traffic says.

    Raises NotFoundError, AuthError, UnavailableError when nothing listens, InvocationFailedError for an HTTP error.
    """
    from http.client import HTTPConnection, HTTPException

    from mlctl.serving.keys import issue_token, load_keys

    endpoint = desk.store.endpoints.get(ONLINE, name)
    if deployment is not None:
        desk.store.endpoints.deployment(name, deployment)
    if endpoint.stopped:
        raise UnavailableError(f"endpoint '{name}' is stopped", hint=f"mlctl online-endpoint start -n {name}")
    served = desk.endpoints()
    if not served.is_kept(name):
        served.look_after(name)
        wait_until_it_answers(desk, endpoint)
    keys = load_keys(served.folder(name))
    secret = keys.primary if endpoint.auth_mode == KEY else issue_token(keys, now=desk.clock.now()).access_token
    headers = {"Content-Type": "application/json", "Authorization": f"Bearer {secret}"}
    if deployment is not None:
        headers["azureml-model-deployment"] = deployment
    host = "127.0.0.1" if endpoint.host in ("0.0.0.0", "") else endpoint.host
    connection = HTTPConnection(host, endpoint.port, timeout=_PATIENCE)
    try:
        connection.request("POST", "/score", body=body, headers=headers)
        answer = connection.getresponse()
        text = answer.read().decode(errors="replace")
    except (OSError, HTTPException) as error:
        raise UnavailableError(
            f"endpoint '{name}' does not answer on port {endpoint.port}: {error}",
            hint=f"its router's words are in {served.folder(name) / 'router.log'}",
        ) from error
    finally:
        connection.close()
    if answer.status < 400:
        return text
    raise _refused(name, answer.status, text)


def read_request(path: Path) -> bytes:
    """The body in a request file. Raises NotFoundError, InvocationFailedError when it is no JSON (as az wants it)."""
    import json

    try:
        body = path.read_bytes()
    except OSError as error:
        raise NotFoundError(f"cannot read --request-file {path}: {error.strerror}") from error
    try:
        json.loads(body)
    except ValueError as error:
        raise InvocationFailedError(f"--request-file {path} is no JSON: {error}") from error
    return body


def _refused(name: str, status: int, text: str) -> MlctlError:
    short = text if len(text) <= 2000 else f"{text[:2000]}…"
    details = {"status": status}
    if status in (401, 403):
        return AuthError(f"endpoint '{name}' answered {status}: {short}", details=details)
    return InvocationFailedError(
        f"endpoint '{name}' answered {status}: {short}",
        hint="mlctl online-deployment get-logs shows what the scoring server says",
        details=details,
    )
