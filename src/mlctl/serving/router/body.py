"""The body of a request: read ahead while it is small, streamed when it is not, and never waited for without end.

A body up to HELD bytes is read before a replica is asked, so that a slow caller holds no slot of a model and a refused
connection can be tried again elsewhere. The rest of a larger one goes through in pieces.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator

from mlctl.serving.router.answers import RefusalError
from mlctl.serving.router.clock import timeout
from mlctl.serving.router.request import Request

HELD = 1024 * 1024
IDLE_SECONDS = 10.0
"""How long a caller may take for the next piece of its body."""
WHOLE_SECONDS = 20.0
RATE = 500
"""What is read ahead may take 20 s and one more for each 500 bytes that came: Apache's default (RequestReadTimeout)."""
COPIED = 8 * 1024 * 1024
"""Up to this size a body can be copied to a mirrored deployment or kept by a collector."""


class Body:
    """One request's body. `copy()` gives it whole once it went through, when it was wanted and small enough."""

    def __init__(self, request: Request, limit: int) -> None:
        self._content = request.content
        self._limit = limit
        self._pieces: list[bytes] = []
        self._kept = True
        self.size = 0
        self.refusal: RefusalError | None = None
        self.length = request.length
        self.whole = not request.has_body
        if self.length is not None and self.length > limit:
            raise self._too_large()

    async def read_ahead(self) -> None:
        """Read up to HELD bytes. Raises RefusalError: 408 for a caller that stops or trickles, 413 for too much."""
        now = asyncio.get_running_loop().time
        began = 0.0
        while not self.whole and self.size <= HELD:
            if not self._content.is_here():
                began = began or now()
                if now() - began > WHOLE_SECONDS + self.size / RATE:
                    message = f"only {self.size} bytes of the body came within {now() - began:.0f} seconds"
                    raise RefusalError(408, "RequestTimeout", message, close=True)
            piece = await self._next()
            if piece:
                self._pieces.append(piece)
            if self._content.is_over():
                self.whole = True

    def data(self, *, copy: bool) -> bytes | AsyncIterator[bytes]:
        """What to send: the bytes when all are here, else a stream that may be read once."""
        if self.whole:
            return self._joined()
        self._kept = copy
        return self._stream()

    def copy(self) -> bytes | None:
        """The whole body, when it is here whole."""
        return self._joined() if self.whole and self._kept else None

    async def _stream(self) -> AsyncIterator[bytes]:
        if self._kept:
            for piece in self._pieces:
                yield piece
        else:
            held, self._pieces = self._pieces, []
            for piece in held:
                yield piece
        while piece := await self._remembered():
            self._kept = self._kept and self.size <= COPIED
            if self._kept:
                self._pieces.append(piece)
            elif self._pieces:
                self._pieces = []
            yield piece
        self.whole = True

    async def _remembered(self) -> bytes:
        try:
            return await self._next()
        except RefusalError as error:
            # the client that sends the stream wraps what is raised in it; the reason is looked up here
            self.refusal = error
            raise

    async def _next(self) -> bytes:
        if self._content.is_here():
            piece = await self._content.take()
        else:
            try:
                async with timeout(IDLE_SECONDS):
                    piece = await self._content.take()
            except asyncio.TimeoutError:
                message = f"the next part of the body did not come within {IDLE_SECONDS:g} seconds"
                raise RefusalError(408, "RequestTimeout", message, close=True) from None
        self.size += len(piece)
        if self.size > self._limit:
            raise self._too_large()
        return piece

    def _joined(self) -> bytes:
        if len(self._pieces) > 1:
            self._pieces = [b"".join(self._pieces)]
        return self._pieces[0] if self._pieces else b""

    def _too_large(self) -> RefusalError:
        message = f"the body is larger than {self._limit} bytes, the most this endpoint takes"
        return RefusalError(413, "PayloadTooLarge", message, close=True)
