"""Copies of live requests for mirrored deployments: sent beside the live answer, their answers dropped.

A copy is offered when the live answer is there, waits in a bounded queue and takes only slots that the mirrored
deployment has. What does not fit is dropped and counted: live traffic never waits for a mirror.
"""

from __future__ import annotations

import asyncio
import time
from collections import deque
from dataclasses import dataclass

from mlctl.serving.router.answers import RefusalError
from mlctl.serving.router.clock import timeout
from mlctl.serving.router.exchange import Exchange
from mlctl.serving.router.forward import ask
from mlctl.serving.router.journal import Journal
from mlctl.serving.router.lanes import Lanes, LeftError
from mlctl.serving.router.line import BrokenError
from mlctl.serving.router.metrics import Metrics
from mlctl.serving.router.upstream import Head, Upstream

QUEUED = 100
QUEUED_BYTES = 64 * 1024 * 1024


@dataclass(frozen=True, slots=True)
class _Copy:
    head: Head
    body: bytes
    exchange: Exchange


class Mirror:
    """The queues of copies, one for each mirrored deployment, with as many senders as the deployment has slots."""

    def __init__(self, upstream: Upstream, metrics: Metrics, journal: Journal) -> None:
        self._upstream = upstream
        self._metrics = metrics
        self._journal = journal
        self._queues: dict[str, deque[_Copy]] = {}
        self._bytes = 0
        self._senders: dict[str, set[asyncio.Task[None]]] = {}

    def offer(self, lanes: Lanes, head: Head, body: bytes | None, live: Exchange) -> None:
        """Queue a copy of the request for the deployment of `lanes`. `body` is None when it was too large to copy."""
        name = lanes.deployment.name
        queue = self._queues.setdefault(name, deque())
        if body is None:
            self._metrics.dropped(name, "mirror", "too_large")
            return
        if len(queue) >= QUEUED or self._bytes + len(body) > QUEUED_BYTES:
            self._metrics.dropped(name, "mirror", "queue_full")
            return
        target = lanes.deployment.path_for(live.path) or live.path
        query = head.target.partition(b"?")[1:]
        copied = Head(head.method, target.encode("utf-8", "surrogateescape") + b"".join(query), head.lines)
        queue.append(_Copy(copied, body, _mirrored(live, name)))
        self._bytes += len(body)
        senders = self._senders.setdefault(name, set())
        if len(senders) < lanes.slots:
            task = asyncio.get_running_loop().create_task(self._send_all(lanes, queue))
            senders.add(task)
            task.add_done_callback(senders.discard)

    def close(self) -> None:
        """Drop what is queued and end what is on its way."""
        for senders in self._senders.values():
            for task in senders:
                task.cancel()

    async def _send_all(self, lanes: Lanes, queue: deque[_Copy]) -> None:
        while queue:
            one = queue.popleft()
            self._bytes -= len(one.body)
            await self._send(lanes, one)

    async def _send(self, lanes: Lanes, one: _Copy) -> None:
        now = asyncio.get_running_loop().time
        exchange = one.exchange
        exchange.started = now()
        seconds = lanes.deployment.request_timeout_ms / 1000
        try:
            async with timeout(seconds):
                until = now() + lanes.deployment.max_queue_wait_ms / 1000
                replica, response = await ask(
                    self._upstream, lanes, one.head, lambda: one.body or None, exchange=exchange, until=until
                )
                try:
                    while piece := await response.content.take():
                        exchange.bytes_out += len(piece)
                finally:
                    response.close()
                    lanes.leave(replica)
            exchange.status = exchange.model_status
            exchange.reason = "" if exchange.status == 200 else "ModelError"
        except asyncio.TimeoutError:
            exchange.status, exchange.reason = 408, "RequestTimeout"
        except RefusalError as refusal:
            exchange.status, exchange.reason = refusal.status, refusal.code
        except BrokenError as error:
            exchange.status, exchange.reason, exchange.error = 502, "ReplicaBroke", str(error)[:300]
        except LeftError:
            self._metrics.dropped(exchange.deployment, "mirror", "deployment_left")
            return
        took = now() - exchange.started
        self._metrics.request(exchange.deployment, exchange.status, took, exchange.reason, traffic="mirror")
        self._journal.write(exchange.record(wall=time.time(), seconds=took))


def _mirrored(live: Exchange, name: str) -> Exchange:
    return Exchange(
        method=live.method,
        path=live.path,
        client=live.client,
        request_id=live.request_id,
        client_request_id=live.client_request_id,
        started=0.0,
        deployment=name,
        bytes_in=live.bytes_in,
        traffic="mirror",
    )
