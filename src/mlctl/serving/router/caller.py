"""The connections of callers: HTTP/1.1 as it comes in and goes out, and how long each part of it may take.

llhttp (the parser of Node.js, in `httptools`) reads; a web framework on top of it costs three times what the rest of
the router does. A request is handed on with its head; its body follows in `Request.content`. The next one that was sent
ahead waits until its answer is written and taken.
"""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import Awaitable, Callable
from typing import cast

import httptools

from mlctl.serving.router.answers import Answer, Fields, RefusalError
from mlctl.serving.router.flow import Content, Outlet
from mlctl.serving.router.request import HEAD_BYTES, Request, head_bytes, too_much
from mlctl.serving.router.rest import Rest

HEAD_SECONDS = 10.0
"""How long a caller may take for the head of a request, and a new connection for its first byte."""
IDLE_SECONDS = 75.0
"""How long a connection may stay open between two requests."""
_LINGER_SECONDS = 5.0
"""How long what a caller still sends is read and dropped after the last answer: a closed port would take the answer
from it before it was read."""
_SWEEP_SECONDS = 0.5

_FRESH, _IDLE, _HEAD, _BUSY, _ENDING = range(5)
_LIMITS = {_FRESH: HEAD_SECONDS, _IDLE: IDLE_SECONDS, _HEAD: HEAD_SECONDS, _ENDING: _LINGER_SECONDS}


class Callers:
    """All connections. `handle` answers a request, `refuse` what is none."""

    def __init__(
        self, handle: Callable[[Request], Awaitable[None]], refuse: Callable[[str, RefusalError], Answer]
    ) -> None:
        self.handle = handle
        self.refuse = refuse
        self.loop = asyncio.get_running_loop()
        self.open: set[Caller] = set()
        self.busy = 0
        """How many requests are being answered."""
        self._swept = 0.0

    def connected(self) -> Caller:
        """The protocol of a new connection."""
        return Caller(self)

    def sweep(self) -> None:
        """End the connections that take too long; called again and again."""
        now = self.loop.time()
        if now - self._swept >= _SWEEP_SECONDS:
            self._swept = now
            for caller in list(self.open):
                caller.check(now)

    def close(self) -> None:
        """End all connections."""
        for caller in list(self.open):
            caller.close()


class Caller(asyncio.Protocol):
    """One connection: one request after the other."""

    def __init__(self, callers: Callers) -> None:
        self._callers = callers
        self._loop = callers.loop
        self._outlet = Outlet(self._loop)
        self._parser = httptools.HttpRequestParser(self)
        self._upgrades = False
        self._transport: asyncio.Transport
        self._phase = _FRESH
        self._since = self._loop.time()
        self._url = b""
        self._fields: Fields = []
        self._known: dict[bytes, bytes] = {}
        self._size = 0
        self._mixed = False
        self._waiting = 0
        self._incoming: Request | None = None
        self._queue: deque[Request] = deque()
        self._task: asyncio.Task[None] | None = None
        self._last = False
        self._chunks = False
        self._refusal: RefusalError | None = None
        self.address = ""

    # what asyncio tells

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """A caller is there."""
        self._transport = cast(asyncio.Transport, transport)  # uvloop's own is no subclass
        peer = transport.get_extra_info("peername")
        self.address = str(peer[0]) if peer else ""
        self._callers.open.add(self)

    def connection_lost(self, _: Exception | None) -> None:
        """It is gone, and whatever was done for it ends."""
        self._callers.open.discard(self)
        self._outlet.lose()
        if self._incoming is not None:
            self._incoming.content.fail(ConnectionResetError("the caller is gone"))
        if self._task is not None:
            self._task.cancel()

    def pause_writing(self) -> None:
        """It takes no more for now."""
        self._outlet.pause()

    def resume_writing(self) -> None:
        """It takes more."""
        self._outlet.resume()

    def data_received(self, data: bytes) -> None:
        """Bytes came."""
        if self._phase == _ENDING or self._refusal is not None:
            return
        self._size, self._mixed = len(data), False
        try:
            self._read(data)
        except httptools.HttpParserError as error:
            self._refuse(_why(error))
        if not self._mixed and (self._incoming is None or not self._incoming.content.whole):
            self._waiting += len(data)
            if self._waiting > HEAD_BYTES and self._refusal is None:
                self._refuse(too_much())

    def _read(self, data: bytes) -> None:
        while True:
            try:
                self._parser.feed_data(data)
            except httptools.HttpParserUpgrade as upgrade:
                assert self._incoming is not None  # its head is what the parser stopped after
                self._upgrades = False
                data = self._incoming.rest() + data[upgrade.args[0] :]
                self._parser = httptools.HttpRequestParser(Rest(self))
            else:
                return

    # what the parser tells

    def on_message_begin(self) -> None:
        """A request begins."""
        self._url, self._fields, self._known, self._waiting = b"", [], {}, 0
        self._incoming = None
        if self._task is None:
            self._phase, self._since = _HEAD, self._loop.time()

    def on_url(self, url: bytes) -> None:
        """A part of the target."""
        self._url += url

    def on_header(self, name: bytes, value: bytes) -> None:
        """A header, or after the head a trailer, which is passed over."""
        if self._incoming is None:
            lower = name.lower()
            self._fields.append((lower, name, value))
            self._known.setdefault(lower, value)

    def on_headers_complete(self) -> None:
        """The head is here."""
        parser = self._parser
        if self._waiting + self._size > HEAD_BYTES and head_bytes(self._url, self._fields) > HEAD_BYTES:
            raise too_much()
        request = Request(self, parser.get_method().decode(), self._url, self._fields, self._known)
        request.version = parser.get_http_version()
        request.check()
        self._upgrades = parser.should_upgrade()
        request.keeps = parser.should_keep_alive() and request.method != "CONNECT"
        request.content = Content(self._loop, self._transport)
        self._incoming = request
        if self._task is None:
            self._start(request)
        else:  # sent ahead, before the last answer was there
            self._queue.append(request)
            self._transport.pause_reading()

    def on_body(self, piece: bytes) -> None:
        """A piece of the body."""
        self._mixed, self._waiting = True, 0
        if self._incoming is not None:
            self._incoming.content.feed(piece)

    def on_message_complete(self) -> None:
        """The request is whole, or its parser ends here because another protocol could begin."""
        self._mixed = True
        if self._incoming is not None and not self._upgrades:
            self._incoming.content.finish()

    # what is written

    def send(self, request: Request, answer: Answer) -> None:
        """The answer to the request, as a whole."""
        body = answer.body
        if answer.status not in (204, 304):
            answer.lines.append(b"Content-Length: %d" % len(body))
        self._transport.write(self._head(request, answer) + (b"" if request.method == "HEAD" else body))

    def begin(self, request: Request, answer: Answer, length: int | None) -> None:
        """The head of an answer whose body follows with `pass_on`; `length` is the body's, when it is known."""
        self._chunks = length is None and request.method != "HEAD"
        if length is not None:
            answer.lines.append(b"Content-Length: %d" % length)
        elif request.version == "1.0":  # it knows no pieces: the end of the connection is the body's
            self._chunks = False
            answer.close = True
        else:
            answer.lines.append(b"Transfer-Encoding: chunked")
        self._transport.write(self._head(request, answer))

    async def pass_on(self, piece: bytes) -> None:
        """A piece of the body. Waits while the caller does not take it."""
        self._transport.write(b"%x\r\n%b\r\n" % (len(piece), piece) if self._chunks else piece)
        await self._outlet.drained()

    def end(self) -> None:
        """The body is whole."""
        if self._chunks:
            self._transport.write(b"0\r\n\r\n")

    def go_on(self) -> None:
        """Tell a caller that asked first to send its body."""
        self._transport.write(b"HTTP/1.1 100 Continue\r\n\r\n")

    def abort(self) -> None:
        """End the connection in the middle, so that nobody takes what was sent for a whole answer."""
        self._last = True
        self._transport.abort()

    def close(self) -> None:
        """End the connection; what was written still goes out."""
        self._transport.close()

    def check(self, now: float) -> None:
        """End the connection when its caller takes too long."""
        limit = _LIMITS.get(self._phase)
        unread = self._phase in (_IDLE, _ENDING) and self._transport.get_write_buffer_size() > 0
        if unread:
            limit = _LIMITS[_IDLE]
        if limit is None or now - self._since < limit:
            return
        if unread or self._transport.is_closing():  # it does not take its answer
            self._transport.abort()
        elif self._phase == _HEAD:
            message = f"the head of the request did not come within {HEAD_SECONDS:g} seconds"
            self._refuse(RefusalError(408, "RequestTimeout", message, close=True))
        else:
            self._transport.close()

    # one request after the other

    def _start(self, request: Request) -> None:
        self._phase = _BUSY
        self._task = self._loop.create_task(self._answer(request))

    async def _answer(self, request: Request) -> None:
        callers = self._callers
        callers.busy += 1
        try:
            await callers.handle(request)
        finally:
            callers.busy -= 1
        self._since = self._loop.time()
        if not self._last:
            if request.content.whole:
                request.content.drop()
            self._phase = _IDLE  # one that does not take its answer has as long as one that sends nothing
            try:
                await self._outlet.drained()
            except ConnectionResetError:
                return
            self._since = self._loop.time()
        self._task = None
        self._go_on(request)

    def _go_on(self, request: Request) -> None:
        """What follows an answer: the end, the next request, or to wait for it."""
        if self._last:
            self._linger(request.content.whole)
        elif self._queue:
            following = self._queue.popleft()
            if not self._queue and not following.content.held:
                self._transport.resume_reading()
            self._start(following)
        elif self._refusal is not None:
            self._say_refused(self._refusal)
        else:
            # a part of the next head may be here already
            self._phase = _IDLE if self._incoming is request else _HEAD

    def _head(self, request: Request, answer: Answer) -> bytes:
        self._last = answer.close or not request.keeps or not request.content.whole
        if self._last:
            answer.lines.append(b"Connection: close")
        elif request.version == "1.0":
            answer.lines.append(b"Connection: keep-alive")
        return b"HTTP/1.1 %d %b\r\n%b\r\n\r\n" % (answer.status, answer.reason, b"\r\n".join(answer.lines))

    def _refuse(self, refusal: RefusalError) -> None:
        """What came is no request, or stopped in the middle of one."""
        receiving = self._incoming is not None and not self._incoming.content.whole
        self._refusal = refusal
        if self._incoming is not None and receiving and self._task is not None:
            self._incoming.content.fail(refusal)
        elif self._task is None:
            self._say_refused(refusal)

    def _say_refused(self, refusal: RefusalError) -> None:
        answer = self._callers.refuse(self.address, refusal)
        answer.lines += [b"Content-Length: %d" % len(answer.body), b"Connection: close"]
        head = b"HTTP/1.1 %d %b\r\n%b\r\n\r\n" % (answer.status, answer.reason, b"\r\n".join(answer.lines))
        self._transport.write(head + answer.body)
        self._linger(whole=False)

    def _linger(self, whole: bool) -> None:
        self._phase, self._since = _ENDING, self._loop.time()
        if whole or self._transport.is_closing() or not self._transport.can_write_eof():
            self._transport.close()
        else:
            self._transport.write_eof()
            self._transport.resume_reading()


def _why(error: httptools.HttpParserError) -> RefusalError:
    """The refusal of what the parser does not read on; one that was raised while it read is its context."""
    if isinstance(error.__context__, RefusalError):
        return error.__context__
    return RefusalError(400, "BadRequest", f"the request is no HTTP: {error}", close=True)
