"""Bytes on their way through, bounded: a slow reader stops the writer, and nothing piles up in between."""

from __future__ import annotations

import asyncio
from collections import deque
from typing import Protocol

HIGH = 256 * 1024
"""So many bytes may wait to be taken before the sender is made to wait."""


class Reading(Protocol):
    """What of a transport decides whether more comes in."""

    def pause_reading(self) -> None:
        """Take nothing from the network."""

    def resume_reading(self) -> None:
        """Go on."""

    def is_closing(self) -> bool:
        """Whether it ended, and can do neither."""


class Content:
    """A body as it comes in over `transport`: pieces, in order, until it is `whole` or broke off."""

    __slots__ = ("_error", "_loop", "_pieces", "_size", "_transport", "_waiter", "held", "whole")

    def __init__(self, loop: asyncio.AbstractEventLoop, transport: Reading) -> None:
        self.whole = False
        self._loop = loop
        self._transport = transport
        self._pieces: deque[bytes] = deque()
        self._size = 0
        self.held = False
        """Whether the sender was told to wait."""
        self._error: Exception | None = None
        self._waiter: asyncio.Future[None] | None = None

    def feed(self, piece: bytes) -> None:
        """The next piece came."""
        self._pieces.append(piece)
        self._size += len(piece)
        if self._size > HIGH and not self.held and not self._transport.is_closing():
            self.held = True
            self._transport.pause_reading()
        self._wake()

    def finish(self) -> None:
        """That was the last one."""
        self.whole = True
        self._wake()

    def fail(self, error: Exception) -> None:
        """No more will come, and the end is missing: `take` raises `error` after what is here."""
        if not self.whole:
            self._error = error
            self._wake()

    def is_here(self) -> bool:
        """Whether `take` gives something at once."""
        return bool(self._pieces) or self.whole

    def is_over(self) -> bool:
        """Whether all of it was taken."""
        return self.whole and not self._pieces

    async def take(self) -> bytes:
        """All that is here, or what comes next; empty at the end."""
        while not self._pieces and not self.whole:
            if self._error is not None:
                raise self._error
            self._waiter = self._loop.create_future()
            try:
                await self._waiter
            finally:
                self._waiter = None
        return self._taken()

    async def read(self) -> bytes:
        """All of it."""
        data = await self.take()
        while not self.is_over():
            data += await self.take()
        return data

    def drop(self) -> None:
        """Nobody wants what is here: it stops nothing any more."""
        if self._pieces:
            self._taken()

    def _taken(self) -> bytes:
        pieces = self._pieces
        data = pieces.popleft() if len(pieces) == 1 else b"".join(pieces)
        pieces.clear()
        self._size = 0
        if self.held:
            self.held = False
            if not self._transport.is_closing():
                self._transport.resume_reading()
        return data

    def _wake(self) -> None:
        if self._waiter is not None and not self._waiter.done():
            self._waiter.set_result(None)


class Outlet:
    """Whether the other side of a connection takes what is written; asyncio's transport tells when it does not."""

    __slots__ = ("_loop", "_lost", "_paused", "_waiter")

    def __init__(self, loop: asyncio.AbstractEventLoop) -> None:
        self._loop = loop
        self._paused = False
        self._lost = False
        self._waiter: asyncio.Future[None] | None = None

    def pause(self) -> None:
        """Its buffer is full."""
        self._paused = True

    def resume(self) -> None:
        """Its buffer has room again."""
        self._paused = False
        self._wake()

    def lose(self) -> None:
        """The connection is gone."""
        self._lost = True
        self._wake()

    async def drained(self) -> None:
        """Wait until more may be written. Raises ConnectionResetError when nobody takes it any more."""
        if self._paused and not self._lost:
            self._waiter = self._loop.create_future()
            await self._waiter
        if self._lost:
            raise ConnectionResetError("the connection is gone")

    def _wake(self) -> None:
        if self._waiter is not None and not self._waiter.done():
            self._waiter.set_result(None)
