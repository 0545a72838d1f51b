"""One request to one replica and its answer back, byte by byte as they came.

A connection that is refused before anything was sent is tried again on another replica. A request of which anything
was sent never goes out twice: a scoring script may do more than score.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable

import aiohttp
from aiohttp import web

from mlctl.serving.router import answers
from mlctl.serving.router.answers import RefusalError
from mlctl.serving.router.body import COPIED, Body
from mlctl.serving.router.exchange import Exchange
from mlctl.serving.router.lanes import Lanes, Replica
from mlctl.serving.router.upstream import Data, Head, NotConnectedError, Response, Upstream

_WHOLE = 1024 * 1024
"""An answer up to this size is read before it is passed on, so that a replica that breaks gives a clean 502."""


async def ask(
    upstream: Upstream,
    lanes: Lanes,
    head: Head,
    data: Callable[[], Data],
    *,
    exchange: Exchange,
    until: float,
) -> tuple[Replica, Response]:
    """Send the request to a replica; the caller gives the replica back with `lanes.leave`.

    Waits for a free replica until the loop's time `until`. Raises RefusalError, LeftError and, once something was sent,
    aiohttp's ClientError.
    """
    now = asyncio.get_running_loop().time
    again = False
    while True:
        began = now()
        replica = await lanes.enter(until, again=again)
        sent = now()
        exchange.queued += sent - began
        exchange.replica = replica.url
        try:
            response = await upstream.send(replica.url, head, data())
        except NotConnectedError:
            lanes.refused(replica)
            lanes.leave(replica)
            exchange.retries += 1
            again = True
        except BaseException:
            lanes.leave(replica)
            raise
        else:
            lanes.answered(replica)
            exchange.model = now() - sent
            exchange.model_status = response.status
            return replica, response


async def relay(request: web.BaseRequest, response: Response, exchange: Exchange, *, copy: bool) -> web.StreamResponse:
    """Pass the replica's answer on to the caller; with `copy` its body is left in `exchange.copy`."""
    headers = answers.from_replica(response.headers)
    exchange.stamp(headers)
    headers[answers.MODEL_TIME] = str(round(exchange.model * 1000))
    exchange.status = response.status
    reason: str | None = response.reason
    if response.status != 200:
        headers[answers.ERROR_REASON] = "model_error"
        headers[answers.ERROR_STATUS] = str(response.status)
        exchange.status, reason = 424, None
        exchange.reason = "ModelError"
    length = response.length
    if request.method != "HEAD" and length is not None and length <= _WHOLE:
        data = await response.content.read()
        exchange.bytes_out = len(data)
        exchange.copy = data if copy else None
        headers.pop("Content-Length", None)
        return web.Response(status=exchange.status, reason=reason, body=data, headers=headers)
    answer = web.StreamResponse(status=exchange.status, reason=reason, headers=headers)
    exchange.answer = answer
    await answer.prepare(request)
    await _stream(response, answer, exchange, copy=copy)
    return answer


async def _stream(response: Response, answer: web.StreamResponse, exchange: Exchange, *, copy: bool) -> None:
    pieces: list[bytes] = []
    async for piece in response.content.iter_any():
        exchange.bytes_out += len(piece)
        copy = copy and exchange.bytes_out <= COPIED
        if copy:
            pieces.append(piece)
        await answer.write(piece)
    if copy:
        exchange.copy = b"".join(pieces)
    await answer.write_eof()


def broken(error: aiohttp.ClientError, body: Body, exchange: Exchange) -> RefusalError:
    """Why a request that was sent got no answer: the caller's body failed, or the replica ended the connection."""
    if body.refusal is not None:
        return body.refusal
    exchange.error = f"{type(error).__name__}: {error}"[:300]
    message = f"the replica of deployment {exchange.deployment} ended the connection before it answered"
    return RefusalError(502, "ReplicaBroke", message, close=not body.whole)
