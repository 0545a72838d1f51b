"""Connections to replicas: kept open and used again, or opened anew where a server closes them.

Azure ML's scoring server closes each connection after its answer unless it is told otherwise, so opening one is half of
what a request costs here. Requests are written as they are; answers are read by llhttp, as callers' requests are.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from dataclasses import dataclass
from typing import cast
from urllib.parse import urlsplit

import httptools

from mlctl.serving.router.answers import Fields, RefusalError
from mlctl.serving.router.clock import timeout
from mlctl.serving.router.flow import Content, Outlet

CONNECT_SECONDS = 2.0
# shorter than the 2 s after which gunicorn closes idle connections: a request never meets a closing one
IDLE_SECONDS = 1.5
_BODILESS = ("GET", "HEAD", "DELETE", "OPTIONS", "TRACE")

Data = bytes | AsyncIterator[bytes] | None


class NotConnectedError(Exception):
    """The replica took no connection: nothing was sent."""


class BrokenError(Exception):
    """The connection broke, or what came is no HTTP, after a part of the request was sent."""


@dataclass(frozen=True, slots=True)
class Head:
    """What goes before the body: `target` is path and query as they were sent, or the deployment's own path.

    `lines` are headers without the length; `length` is that of a body that is streamed, when it is known.
    """

    method: str
    target: bytes
    lines: list[bytes]
    length: int | None = None


class Upstream:
    """The connections to all replicas, by address."""

    def __init__(self) -> None:
        self._loop = asyncio.get_running_loop()
        self._idle: dict[str, list[tuple[Line, float]]] = {}

    async def send(self, url: str, head: Head, data: Data) -> Response:
        """Send a request to the server at `url`; the caller closes the response.

        Raises NotConnectedError when nothing was sent, BrokenError when the connection broke later.
        """
        written = _written(url, head, data)
        line = self._take(url) or await self._connected(url)
        response = Response(self, url, line)
        try:
            await response.start(head, written, data)
        except BaseException:
            response.close()
            raise
        return response

    def give_back(self, url: str, line: Line) -> None:
        """Keep a connection for the next request to `url`."""
        self._idle.setdefault(url, []).append((line, self._loop.time()))

    def sweep(self) -> None:
        """Close what was idle for too long."""
        oldest = self._loop.time() - IDLE_SECONDS
        for url, lines in list(self._idle.items()):
            for line, since in lines:
                if since < oldest:
                    line.close()
            self._idle[url] = [one for one in lines if one[1] >= oldest]
            if not self._idle[url]:
                del self._idle[url]

    def close(self) -> None:
        """Close everything that is idle."""
        for lines in self._idle.values():
            for line, _ in lines:
                line.close()
        self._idle.clear()

    def _take(self, url: str) -> Line | None:
        lines = self._idle.get(url)
        while lines:
            line, since = lines.pop()
            if line.is_free() and since >= self._loop.time() - IDLE_SECONDS:
                return line
            line.close()
        return None

    async def _connected(self, url: str) -> Line:
        parts = urlsplit(url)
        try:
            async with timeout(CONNECT_SECONDS):
                _, line = await self._loop.create_connection(
                    lambda: Line(self._loop), parts.hostname or "", parts.port or 80
                )
        except (OSError, asyncio.TimeoutError) as error:
            raise NotConnectedError(str(error)) from error
        return line


class Line(asyncio.Protocol):
    """One connection to a replica: one request at a time."""

    def __init__(self, loop: asyncio.AbstractEventLoop) -> None:
        self._loop = loop
        self._parser = httptools.HttpResponseParser(self)
        self._asked: asyncio.Future[None] | None = None
        self._bodiless = False
        self._lost = False
        self._keeps = True
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

    def connection_lost(self, exc: Exception | None) -> None:
        """It is gone; where an answer told no length, this is its end."""
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
        """Bytes came."""
        try:
            self._parser.feed_data(data)
        except (httptools.HttpParserError, httptools.HttpParserUpgrade) as error:
            self._keeps = False
            self.fail(ValueError(f"the answer is no HTTP: {error}"))

    def on_message_begin(self) -> None:
        """An answer begins."""
        self.status, self.reason, self.fields, self.known = 0, b"", [], {}
        if self._asked is None:  # nobody asked
            self.close()

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
        self._asked = self._loop.create_future()
        await self._asked

    def release(self) -> None:
        """The answer was taken."""
        self._asked = None

    def fail(self, error: Exception) -> None:
        """What was asked for will not come."""
        broken = BrokenError(f"{type(error).__name__}: {error}")
        if self._asked is not None and not self._asked.done():
            self._asked.set_exception(broken)
        elif self.status:
            self.content.fail(broken)

    def is_free(self) -> bool:
        """Whether the next request can go out on it."""
        return self._keeps and not self._lost and not self.transport.is_closing()

    def close(self) -> None:
        """End the connection."""
        self._keeps = False
        self.transport.close()


class Response:
    """The answer of a replica. `content` is its body as it comes, `length` its size when it was told."""

    def __init__(self, upstream: Upstream, url: str, line: Line) -> None:
        self._upstream = upstream
        self._url = url
        self._line = line
        self._upload: asyncio.Task[None] | None = None
        self.status = 0
        self.reason = b""
        self.fields: Fields = []
        self.content: Content
        self.length: int | None = None

    async def start(self, head: Head, written: bytes, data: Data) -> None:
        """Send the request and read the answer's head."""
        line = self._line
        if data is None or isinstance(data, bytes):
            line.transport.write(written + data if data else written)
        else:
            line.transport.write(written)
            self._upload = asyncio.ensure_future(_upload(line, data, chunked=head.length is None))
            self._upload.add_done_callback(self._uploaded)
        await line.ask(bodiless=head.method == "HEAD")
        self.status, self.reason, self.fields, self.content = line.status, line.reason, line.fields, line.content
        told = line.known.get(b"content-length")
        self.length = int(told) if told is not None else None

    def close(self) -> None:
        """The caller has what it wants; the connection is kept when it is at the end of the answer."""
        uploaded = self._upload is None or (self._upload.done() and not self._upload.cancelled())
        if self._upload is not None and not self._upload.done():
            self._upload.cancel()
        self._line.release()
        if uploaded and self.status and self.content.whole and self._line.is_free():
            self._upstream.give_back(self._url, self._line)
        else:
            self._line.close()

    def _uploaded(self, task: asyncio.Task[None]) -> None:
        # whoever reads the answer learns that it will not come
        if not task.cancelled() and (error := task.exception()) is not None:
            self._line.fail(ConnectionError(f"the body broke off: {error}"))


async def _upload(line: Line, data: AsyncIterator[bytes], *, chunked: bool) -> None:
    async for piece in data:
        line.transport.write(b"%x\r\n%b\r\n" % (len(piece), piece) if chunked else piece)
        await line.outlet.drained()
    if chunked:
        line.transport.write(b"0\r\n\r\n")


def _written(url: str, head: Head, data: Data) -> bytes:
    first = b"%b %b HTTP/1.1\r\nHost: %b" % (head.method.encode(), head.target, url.partition("//")[2].encode())
    lines = [first, *head.lines]
    if isinstance(data, bytes):
        lines.append(b"Content-Length: %d" % len(data))
    elif data is None:
        if head.method not in _BODILESS:
            lines.append(b"Content-Length: 0")
    elif head.length is not None:
        lines.append(b"Content-Length: %d" % head.length)
    else:
        lines.append(b"Transfer-Encoding: chunked")
    text = b"\r\n".join(lines)
    # the parser lets no line break through; were there one all the same, it would be a second request
    if text.count(b"\n") != len(lines) or text.count(b"\r") != len(lines) or b"\0" in text:
        raise RefusalError(400, "BadRequest", "the request's head has a line break where none may be", close=True)
    return text + b"\r\n\r\n"
