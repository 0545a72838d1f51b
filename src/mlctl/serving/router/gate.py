"""One request: who asks, for what, within which limits; then forward it, and write down what happened."""

from __future__ import annotations

import asyncio
import ipaddress
import time
from collections.abc import Callable
from dataclasses import dataclass

from mlctl.serving import keys
from mlctl.serving.keys import Keys
from mlctl.serving.router import answers
from mlctl.serving.router.answers import Answer, RefusalError, refused, said
from mlctl.serving.router.body import Body
from mlctl.serving.router.clock import timeout
from mlctl.serving.router.collector import Collectors
from mlctl.serving.router.exchange import Exchange, new_id, opened
from mlctl.serving.router.forward import ask, broken, relay
from mlctl.serving.router.journal import Journal
from mlctl.serving.router.lanes import Lanes, LeftError
from mlctl.serving.router.line import BrokenError
from mlctl.serving.router.metrics import CONTENT_TYPE, Metrics
from mlctl.serving.router.mirror import Mirror
from mlctl.serving.router.request import Request
from mlctl.serving.router.table import Table
from mlctl.serving.router.upstream import Data, Head, Upstream

_HEALTHY = b"Healthy"
"""What Azure ML's scoring server says."""


class Gate:
    """Answers requests. `keys` is replaced when the file changes; with `draining` each answer ends its connection."""

    def __init__(
        self,
        table: Table,
        owned: Keys,
        upstream: Upstream,
        journal: Journal,
        say: Callable[[str], None],
    ) -> None:
        self.table = table
        self.keys = owned
        self.draining = False
        self.metrics = Metrics()
        self.collectors = Collectors(self.metrics)
        self.mirror = Mirror(upstream, self.metrics, journal)
        self._upstream = upstream
        self._journal = journal
        self._say = say
        self._now = asyncio.get_running_loop().time

    async def handle(self, request: Request) -> None:
        """The whole of one request; never raises, but when the caller is gone. Liveness probes leave no line."""
        if request.path == "/" and request.method in ("GET", "HEAD"):
            self._send(request, said(200, "text/plain", _HEALTHY))
            return
        exchange = opened(request, self._now())
        try:
            answer = await self._answer(request, exchange)
        except RefusalError as refusal:
            answer = self._refused(request, refusal, exchange)
        except asyncio.CancelledError:
            exchange.status, exchange.reason = 499, "CallerGone"
            self._write_down(exchange)
            raise
        except Exception as error:  # a bug of ours must not end the service
            self._say(f"request {exchange.request_id}: {type(error).__name__}: {error}")
            exchange.error = f"{type(error).__name__}: {error}"[:300]
            failure = RefusalError(500, "InternalError", "the router failed", close=True)
            answer = self._refused(request, failure, exchange)
        self._write_down(exchange)
        if answer is not None:
            self._send(request, answer)

    def refuse(self, client: str, refusal: RefusalError) -> Answer:
        """The answer to what never became a request, and its line in the log."""
        exchange = Exchange("", "", client, new_id(), "", self._now())
        answer = self._refusal(refusal, exchange)
        self._write_down(exchange)
        return answer

    async def _answer(self, request: Request, exchange: Exchange) -> Answer | None:
        path = request.path
        if path == "/metrics" and request.method == "GET":
            return self._metrics(request, exchange)
        self._admit(request)
        body = Body(request, self.table.routes.max_body_bytes)
        wanted = request.header(answers.DEPLOYMENT)
        lanes = self.table.choose(path, wanted)
        exchange.deployment = lanes.deployment.name
        if (request.header(b"expect") or "").lower() == "100-continue" and request.version != "1.0":
            request.caller.go_on()
        await body.read_ahead()
        while True:
            try:
                return await self._forward(_Trip(request, exchange, body, wanted is None), lanes)
            except LeftError:  # it waited for a deployment that was taken out of the routes
                lanes = self.table.choose(path, wanted)
                exchange.deployment = lanes.deployment.name

    async def _forward(self, trip: _Trip, lanes: Lanes) -> Answer | None:
        deployment, exchange, body = lanes.deployment, trip.exchange, trip.body
        mirrors = self.table.mirrors(exchange.path, deployment.name) if trip.mirrored else []
        collected = self.table.collects(deployment.name)
        head = _head(trip, lanes)
        seconds = deployment.request_timeout_ms / 1000
        try:
            async with timeout(seconds):
                answer = await self._through(trip, lanes, head, kept=bool(mirrors), collected=collected)
        except asyncio.TimeoutError:
            message = f"deployment {deployment.name} did not answer within {seconds:g} s (request_timeout_ms)"
            raise RefusalError(408, "RequestTimeout", message, close=not body.whole) from None
        finally:
            exchange.bytes_in = body.size
        for lane in mirrors:
            self.mirror.offer(lane, head, body.copy(), exchange)
        if collected and deployment.collector is not None:
            kind = (trip.request.header(b"content-type") or "application/octet-stream").partition(";")[0].strip()
            self.collectors.keep(deployment, self.table.routes.endpoint, kind, exchange, body)
        return answer

    async def _through(self, trip: _Trip, lanes: Lanes, head: Head, *, kept: bool, collected: bool) -> Answer | None:
        until = self._now() + lanes.deployment.max_queue_wait_ms / 1000

        def data() -> Data:
            return trip.body.data(copy=kept or collected) if trip.body.length or trip.body.size else None

        try:
            replica, response = await ask(self._upstream, lanes, head, data, exchange=trip.exchange, until=until)
            try:
                return await relay(trip.request, response, trip.exchange, copy=collected)
            finally:
                response.close()
                lanes.leave(replica)
        except BrokenError as error:
            raise broken(error, trip.body, trip.exchange) from None

    def _admit(self, request: Request) -> None:
        why = keys.refusal(request.header(b"authorization"), self.keys, self.table.routes.auth_mode, now=time.time())
        if why is not None:
            raise RefusalError(401, "Unauthorized", why)

    def _metrics(self, request: Request, exchange: Exchange) -> Answer:
        if not _is_loopback(request.client):
            self._admit(request)
        lanes = self.table.lanes
        text = self.metrics.text(
            {
                "mlctl_requests_running": {name: one.running for name, one in lanes.items()},
                "mlctl_requests_waiting": {name: one.waiting for name, one in lanes.items()},
                "mlctl_ready_replicas": {name: len(one.replicas) for name, one in lanes.items()},
            }
        )
        exchange.status = 200
        return said(200, CONTENT_TYPE, text.encode())

    def _send(self, request: Request, answer: Answer) -> None:
        answer.close = answer.close or self.draining
        request.caller.send(request, answer)

    def _refused(self, request: Request, refusal: RefusalError, exchange: Exchange) -> Answer | None:
        if exchange.begun:
            # part of an answer is out already: what is left is to end the connection, so that nobody takes it for whole
            exchange.reason = refusal.code
            request.caller.abort()
            return None
        return self._refusal(refusal, exchange)

    def _refusal(self, refusal: RefusalError, exchange: Exchange) -> Answer:
        answer = refused(refusal)
        exchange.status, exchange.reason, exchange.bytes_out = refusal.status, refusal.code, len(answer.body)
        exchange.stamp(answer)
        return answer

    def _write_down(self, exchange: Exchange) -> None:
        seconds = self._now() - exchange.started
        self._journal.write(exchange.record(wall=time.time(), seconds=seconds))
        self.metrics.request(exchange.deployment, exchange.status, seconds, exchange.reason)


@dataclass(slots=True)
class _Trip:
    """What goes along with one request. `mirrored`: the weights chose its deployment, so it may be copied."""

    request: Request
    exchange: Exchange
    body: Body
    mirrored: bool


def _head(trip: _Trip, lanes: Lanes) -> Head:
    request, body = trip.request, trip.body
    path, _, query = request.target.partition(b"?")
    own = lanes.deployment.path_for(request.path)
    if own is not None:
        path = own.encode("utf-8", "surrogateescape")
    target = path + b"?" + query if query else path
    lines = answers.for_replica(request.fields, trip.exchange.request_id)
    return Head(request.method, target, lines, None if body.whole else body.length)


def _is_loopback(address: str | None) -> bool:
    try:
        return address is not None and ipaddress.ip_address(address).is_loopback
    except ValueError:
        return False
