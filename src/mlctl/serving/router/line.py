"""One connection to a replica. llhttp reads the answers, as it reads callers' requests."""

from __future__ import annotations

import asyncio
import select
from collections.abc import Callable
from typing import cast

import httptools

from mlctl.serving.router.answers import Fields
from mlctl.serving.router.flow import Content, Outlet


class BrokenError(Exception):
    """The connection broke, or what came is no HTTP, after a part of the request was sent."""


class Line(asyncio.Protocol):
    """One connection to a replica: one request at a time.

    `ended` is called when the replica ends it between two requests, with the seconds that it was idle.
    """

    def __init__(self, loop: asyncio.AbstractEventLoop, ended: Callable[[float], None]) -> None:
        self._loop = loop
        self._ended = ended
        self._parser = httptools.HttpResponseParser(self)
        self._asked: asyncio.Future[None] | None = None
        self._bodiless = False
        self._lost = False
        self._released = loop.time()
        self._keeps = True
        self.heard = False
        """Whether anything came back since the last request."""
        self._poll = select.poll()
        self.outlet = Outlet(loop)
        self.transport: asyncio.Transport
        self.status = 0
        self.reason = b""
        self.fields: Fields = []
        self.known: dict[bytes, bytes] = {}
        self.content: Content

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """The replica took the connection."""
        self.transport = cast(asyncio.Transport, transport)  # uvloop's own is no subclass
        self._poll.register(transport.get_extra_info("socket").fileno(), select.POLLIN)

    def connection_lost(self, exc: Exception | None) -> None:
        """It is gone; where an answer told no length, this is its end."""
        if self._asked is None and self._keeps:
            self._ended(self._loop.time() - self._released)
        self._lost = True
        self.outlet.lose()
        if self.status and b"content-length" not in self.known and b"transfer-encoding" not in self.known:
            self.content.finish()
        self.fail(exc or ConnectionResetError("the connection ended"))

    def pause_writing(self) -> None:
        """The replica takes no more for now."""
        self.outlet.pause()

    def resume_writing(self) -> None:
        """It takes more."""
        self.outlet.resume()

    def data_received(self, data: bytes) -> None:
        """Bytes came. What comes after an answer that is whole spoils the connection for the next request."""
        self.heard = True
        if self._asked is None:
            self.close()
            return
        try:
            self._parser.feed_data(data)
        except (httptools.HttpParserError, httptools.HttpParserUpgrade) as error:
            self._keeps = False
            self.fail(ValueError(f"the answer is no HTTP: {error}"))

    def on_message_begin(self) -> None:
        """An answer begins; a second one ends the reading, and the first one stays as it is."""
        if self._asked is None or self._asked.done():
            raise ValueError("an answer that nobody asked for")
        self.status, self.reason, self.fields, self.known = 0, b"", [], {}

    def on_status(self, reason: bytes) -> None:
        """A part of the words after the status."""
        self.reason += reason

    def on_header(self, name: bytes, value: bytes) -> None:
        """A header, or a trailer, which is passed over."""
        if not self.status:
            lower = name.lower()
            self.fields.append((lower, name, value))
            self.known.setdefault(lower, value)

    def on_headers_complete(self) -> None:
        """The head is here; a status below 200 only announces another one."""
        status = self._parser.get_status_code()
        if status < 100:
            raise ValueError(f"no answer has the status {status}")
        if status < 200 or self._asked is None or self._asked.done():
            return
        self.status = status
        self.content = Content(self._loop, self.transport)
        if self._bodiless:
            self._keeps = False  # the parser waits for a body that will not come
            self.content.finish()
        self._asked.set_result(None)

    def on_body(self, piece: bytes) -> None:
        """A piece of the body."""
        if self.status and not self._bodiless:
            self.content.feed(piece)

    def on_message_complete(self) -> None:
        """The answer is whole."""
        if self.status:
            self._keeps = self._keeps and self._parser.should_keep_alive()
            self.content.finish()

    async def ask(self, *, bodiless: bool) -> None:
        """Wait for the head of the answer to what was written. Raises BrokenError."""
        if self._lost:
            raise BrokenError("the connection ended")
        self._bodiless = bodiless
        self.heard = False
        self._asked = self._loop.create_future()
        await self._asked

    def release(self) -> None:
        """The answer was taken."""
        self._released = self._loop.time()
        self._asked = None

    def fail(self, error: Exception) -> None:
        """What was asked for will not come."""
        broken = BrokenError(f"{type(error).__name__}: {error}")
        if self._asked is not None and not self._asked.done():
            self._asked.set_exception(broken)
        elif self.status:
            self.content.fail(broken)

    def is_free(self) -> bool:
        """Whether it stays open after its answer."""
        return self._keeps and not self._lost and not self.transport.is_closing()

    def is_quiet(self) -> bool:
        """Whether the next request can go out on it: nothing came meanwhile, and not its end. Asks the system."""
        if not self.is_free():
            return False
        if self._poll.poll(0):
            self._ended(self._loop.time() - self._released)
            return False
        return True

    def close(self) -> None:
        """End the connection, with what the replica has not taken of a request."""
        self._keeps = False
        if self.transport.get_write_buffer_size():
            self.transport.abort()
        else:
            self.transport.close()
