"""One request to one replica and its answer back, byte by byte as they came.

A connection that is refused before anything was sent is tried again on another replica. A request of which anything
was sent never goes out twice, since a scoring script may do more than score; `upstream` says where GET, HEAD and
OPTIONS do.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable

from mlctl.serving.router import answers
from mlctl.serving.router.answers import Answer, RefusalError
from mlctl.serving.router.body import COPIED, Body
from mlctl.serving.router.exchange import Exchange
from mlctl.serving.router.lanes import Lanes, Replica
from mlctl.serving.router.line import BrokenError
from mlctl.serving.router.request import Request
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
    BrokenError.
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


async def relay(request: Request, response: Response, exchange: Exchange, *, copy: bool) -> Answer | None:
    """The replica's answer as the caller gets it; None when it went through already, as what is large does.

    With `copy` its body is left in `exchange.copy`.
    """
    answer = Answer(response.status, answers.from_replica(response.fields), reason=response.reason)
    if response.status != 200:
        reason = b"%b: model_error" % answers.ERROR_REASON
        answer = Answer(424, [*answer.lines, reason, b"%b: %d" % (answers.ERROR_STATUS, response.status)])
        exchange.reason = "ModelError"
    exchange.stamp(answer)
    answer.lines.append(b"%b: %d" % (answers.MODEL_TIME, round(exchange.model * 1000)))
    exchange.status = answer.status
    length = response.length
    if request.method != "HEAD" and length is not None and length <= _WHOLE:
        answer.body = await response.content.read()
        exchange.bytes_out = len(answer.body)
        exchange.copy = answer.body if copy else None
        return answer
    exchange.begun = True
    request.caller.begin(request, answer, length)
    await _stream(request, response, exchange, copy=copy)
    return None


async def _stream(request: Request, response: Response, exchange: Exchange, *, copy: bool) -> None:
    pieces: list[bytes] = []
    while piece := await response.content.take():
        exchange.bytes_out += len(piece)
        copy = copy and exchange.bytes_out <= COPIED
        if copy:
            pieces.append(piece)
        await request.caller.pass_on(piece)
    if response.length not in (None, exchange.bytes_out) and request.method != "HEAD":
        raise BrokenError("the answer is not as long as it said")
    if copy:
        exchange.copy = b"".join(pieces)
    request.caller.end()


def broken(error: BrokenError, body: Body, exchange: Exchange) -> RefusalError:
    """Why a request that was sent got no answer: the caller's body failed, or the replica ended the connection."""
    if body.refusal is not None:
        return body.refusal
    exchange.error = str(error)[:300]
    message = f"the replica of deployment {exchange.deployment} ended the connection before it answered"
    return RefusalError(502, "ReplicaBroke", message, close=not body.whole)
