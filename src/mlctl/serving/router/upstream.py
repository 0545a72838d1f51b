"""Connections to replicas: kept open and used again, or opened anew where a server closes them.

Azure ML's scoring server closes each connection after its answer unless it is told otherwise, so opening one is half of
what a request costs here. A server that says nothing and closes all the same would take a request along that is on its
way; once it did so, its connections are used once each. Requests are written as they are.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from dataclasses import dataclass
from urllib.parse import urlsplit

from mlctl.serving.router.answers import Fields, RefusalError
from mlctl.serving.router.clock import timeout
from mlctl.serving.router.flow import Content
from mlctl.serving.router.line import BrokenError, Line

CONNECT_SECONDS = 2.0
# shorter than the 2 s after which gunicorn closes idle connections: a request never meets a closing one
IDLE_SECONDS = 1.5
_DISTRUST_SECONDS = 600.0
"""How long no connection to a replica is kept after it closed one earlier than IDLE_SECONDS, without a word."""
_BODILESS = ("GET", "HEAD", "DELETE", "OPTIONS", "TRACE")
_IDEMPOTENT = ("GET", "HEAD", "OPTIONS")
"""May go out again when a connection that was kept ended before a byte of the answer came."""

Data = bytes | AsyncIterator[bytes] | None


class NotConnectedError(Exception):
    """The replica took no connection: nothing was sent."""


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
        self._distrusted: dict[str, float] = {}

    async def send(self, url: str, head: Head, data: Data) -> Response:
        """Send a request to the server at `url`; the caller closes the response.

        Raises NotConnectedError when nothing was sent, BrokenError when the connection broke later.
        """
        written = _written(url, head, data)
        line = self._take(url)
        if line is not None:
            try:
                return await self._sent(url, line, head, written, data)
            except BrokenError:
                if not line.heard:  # the replica closed it while the request was on its way
                    self._distrust(url)
                if line.heard or head.method not in _IDEMPOTENT or not isinstance(data, bytes | None):
                    raise
        return await self._sent(url, await self._connected(url), head, written, data)

    def give_back(self, url: str, line: Line) -> None:
        """Keep a connection for the next request to `url`, unless its replica closes them by itself."""
        if url in self._distrusted:
            line.close()
            return
        self._idle.setdefault(url, []).append((line, self._loop.time()))

    def sweep(self) -> None:
        """Close what was idle for too long."""
        if self._distrusted:
            now = self._loop.time()
            self._distrusted = {url: until for url, until in self._distrusted.items() if until > now}
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

    async def _sent(self, url: str, line: Line, head: Head, written: bytes, data: Data) -> Response:
        response = Response(self, url, line)
        try:
            await response.start(head, written, data)
        except BaseException:
            response.close()
            raise
        return response

    def _take(self, url: str) -> Line | None:
        lines = self._idle.get(url)
        while lines:
            line, since = lines.pop()
            if line.is_quiet() and since >= self._loop.time() - IDLE_SECONDS:
                return line
            line.close()
        return None

    def _distrust(self, url: str, idle: float = 0.0) -> None:
        if idle > IDLE_SECONDS:  # that is its right; this process was late to close it
            return
        self._distrusted[url] = self._loop.time() + _DISTRUST_SECONDS

    async def _connected(self, url: str) -> Line:
        parts = urlsplit(url)
        try:
            async with timeout(CONNECT_SECONDS):
                _, line = await self._loop.create_connection(
                    lambda: Line(self._loop, lambda idle: self._distrust(url, idle)),
                    parts.hostname or "",
                    parts.port or 80,
                )
        except (OSError, asyncio.TimeoutError) as error:
            raise NotConnectedError(str(error)) from error
        return line


class Response:
    """The answer of a replica. `content` is its body as it comes, `length` its size when it was told."""

    def __init__(self, upstream: Upstream, url: str, line: Line) -> None:
        self._upstream = upstream
        self._url = url
        self._line = line
        self._upload: asyncio.Task[None] | None = None
        self._early = False
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
        # whether the replica reads the rest of such a request, nobody knows
        self._early = line.transport.get_write_buffer_size() > 0 or not (self._upload is None or self._upload.done())
        self.status, self.reason, self.fields, self.content = line.status, line.reason, line.fields, line.content
        told = line.known.get(b"content-length")
        self.length = int(told) if told is not None else None
        if self.status in (204, 304):  # they have no body, whatever they say
            self.length = 0

    def close(self) -> None:
        """The caller has what it wants; the connection is kept when it is at the end of the answer."""
        uploaded = self._upload is None or (self._upload.done() and not self._upload.cancelled())
        if self._upload is not None and not self._upload.done():
            self._upload.cancel()
        self._line.release()
        if uploaded and not self._early and self.status and self.content.whole and self._line.is_free():
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
