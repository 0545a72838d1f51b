"""The replicas of one deployment: who is free, who waits, who is left out because it does not answer.

As in Azure ML, at most `max_concurrent_requests_per_instance` requests are with a replica at a time, as many again may
wait, for at most `max_queue_wait_ms`; what comes beyond that is refused with 429. One event loop, so no locks.
"""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import Callable

from mlctl.serving.router.answers import RefusalError
from mlctl.serving.router.clock import timeout
from mlctl.serving.routes import Deployment

_REST_SECONDS = 0.1
"""How long a replica that refused a connection is left out, first; doubled each time up to the longest."""
_LONGEST_REST_SECONDS = 2.0


class LeftError(Exception):
    """The deployment left the routes while a request waited for it."""


class Replica:
    """One scoring server. `outstanding` counts the requests that are with it, mirrored ones too."""

    __slots__ = ("outstanding", "refused", "resting_until", "url")

    def __init__(self, url: str) -> None:
        self.url = url
        self.outstanding = 0
        self.refused = 0
        self.resting_until = 0.0


class Lanes:
    """The lanes to one deployment. `replica_for` gives the shared record of a URL, `now` the loop's time."""

    def __init__(self, deployment: Deployment, replica_for: Callable[[str], Replica], now: Callable[[], float]) -> None:
        self.deployment = deployment
        self.replicas: list[Replica] = []
        self.running = 0
        self._replica_for = replica_for
        self._now = now
        self._waiting: deque[asyncio.Future[Replica]] = deque()
        self._turn = 0
        self.follow(deployment)

    @property
    def waiting(self) -> int:
        """How many requests wait for a replica."""
        return len(self._waiting)

    @property
    def slots(self) -> int:
        """How many requests can be with the replicas at a time."""
        return max(1, len(self.replicas)) * self.deployment.max_concurrent_requests_per_instance

    def follow(self, deployment: Deployment) -> None:
        """Take up the deployment as it is in the routes now."""
        self.deployment = deployment
        self.replicas = [self._replica_for(url) for url in deployment.replicas]
        self._serve()

    def close(self) -> None:
        """The deployment left the routes: whoever waits looks for another one."""
        for waiter in self._waiting:
            if not waiter.done():
                waiter.set_exception(LeftError())
        self._waiting.clear()

    async def enter(self, until: float, *, again: bool = False) -> Replica:
        """A replica for one request; `leave` gives it back. Waits until the loop's time `until` at most.

        `again`: a replica refused the connection; the request stands first in the queue. Raises RefusalError (429 or
        503) and LeftError.
        """
        if not again and self.running + len(self._waiting) >= 2 * self.slots:
            raise self._too_many() if self.replicas else self._not_ready()
        if not self._waiting or again:
            replica = self._free()
            if replica is not None:
                return self._taken(replica)
        return await self._queued(until, first=again)

    def leave(self, replica: Replica) -> None:
        """The request is through, or given up."""
        replica.outstanding -= 1
        self.running -= 1
        self._serve()

    def answered(self, replica: Replica) -> None:
        """The replica took a connection: it is there."""
        replica.refused = 0

    def refused(self, replica: Replica) -> None:
        """The replica refused a connection: others first, for a moment."""
        rest = min(_LONGEST_REST_SECONDS, _REST_SECONDS * 2**replica.refused)
        replica.refused = min(replica.refused + 1, 10)
        replica.resting_until = self._now() + rest
        asyncio.get_running_loop().call_later(rest, self._serve)

    async def _queued(self, until: float, *, first: bool) -> Replica:
        waiter: asyncio.Future[Replica] = asyncio.get_running_loop().create_future()
        (self._waiting.appendleft if first else self._waiting.append)(waiter)
        try:
            async with timeout(max(0.0, until - self._now())):
                return await waiter
        except (asyncio.TimeoutError, asyncio.CancelledError) as error:
            got = waiter.done() and not waiter.cancelled() and waiter.exception() is None
            if isinstance(error, asyncio.CancelledError):
                if got:
                    self.leave(waiter.result())
                raise
            if got:  # in the very last moment
                return waiter.result()
            raise (self._too_many() if self._any_up() else self._not_ready()) from None
        finally:
            if waiter in self._waiting:
                self._waiting.remove(waiter)

    def _serve(self) -> None:
        while self._waiting and (replica := self._free()) is not None:
            waiter = self._waiting.popleft()
            if not waiter.done():
                waiter.set_result(self._taken(replica))

    def _free(self) -> Replica | None:
        most, now = self.deployment.max_concurrent_requests_per_instance, self._now()
        best: Replica | None = None
        count = len(self.replicas)
        # from the next one on: of equals each has its turn
        for index in range(count):
            replica = self.replicas[(self._turn + index) % count]
            free = replica.outstanding < most and replica.resting_until <= now
            if free and (best is None or replica.outstanding < best.outstanding):
                best = replica
        self._turn += 1
        return best

    def _taken(self, replica: Replica) -> Replica:
        replica.outstanding += 1
        self.running += 1
        return replica

    def _any_up(self) -> bool:
        return any(one.refused == 0 for one in self.replicas)

    def _too_many(self) -> RefusalError:
        one = self.deployment
        message = (
            f"deployment {one.name} has more requests than it can take: {len(self.replicas)} replicas, "
            f"max_concurrent_requests_per_instance {one.max_concurrent_requests_per_instance}, "
            f"max_queue_wait_ms {one.max_queue_wait_ms}"
        )
        return RefusalError(429, "TooManyPendingRequests", message)

    def _not_ready(self) -> RefusalError:
        why = "none of its replicas takes connections" if self.replicas else "it has no ready replica"
        return RefusalError(503, "NotReady", f"deployment {self.deployment.name} cannot answer: {why}")
