"""Connections to replicas: kept open and used again, or opened anew where a server closes them.

Azure ML's scoring server closes each connection after its answer, so opening one is half of what a request costs here.
aiohttp's client does much that a router has no use for (cookies, redirects, names with several addresses, proxies):
this one writes the request itself and leaves the reading of answers to aiohttp's protocol and its parser.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from dataclasses import dataclass
from urllib.parse import urlsplit

import aiohttp
from aiohttp.client_proto import ResponseHandler
from aiohttp.http_exceptions import HttpProcessingError
from aiohttp.streams import StreamReader
from multidict import CIMultiDict, CIMultiDictProxy

from mlctl.serving.router.answers import RefusalError
from mlctl.serving.router.clock import timeout

CONNECT_SECONDS = 2.0
# shorter than the 2 s after which gunicorn closes idle connections: a request never meets a closing one
IDLE_SECONDS = 1.5
_BODILESS = ("GET", "HEAD", "DELETE", "OPTIONS", "TRACE")

Data = bytes | AsyncIterator[bytes] | None


class NotConnectedError(Exception):
    """The replica took no connection: nothing was sent."""


@dataclass(frozen=True, slots=True)
class Head:
    """What goes before the body: `target` is path and query as they were sent, or the deployment's own path.

    `headers` has a Content-Length only for a body that is streamed and whose size is known.
    """

    method: str
    target: str
    headers: CIMultiDict[str]


class Upstream:
    """The connections to all replicas, by address."""

    def __init__(self) -> None:
        self._loop = asyncio.get_running_loop()
        self._idle: dict[str, list[tuple[ResponseHandler, float]]] = {}

    async def send(self, url: str, head: Head, data: Data) -> Response:
        """Send a request to the server at `url`; the caller closes the response.

        Raises NotConnectedError when nothing was sent, aiohttp's ClientError when the connection broke later.
        """
        written = _written(url, head, data)
        protocol = self._take(url)
        if protocol is None:  # not `or`: an idle one is falsy, as a queue without messages
            protocol = await self._connected(url)
        response = Response(self, url, protocol)
        try:
            await response.start(head, written, data)
        except BaseException:
            response.close()
            raise
        return response

    def give_back(self, url: str, protocol: ResponseHandler) -> None:
        """Keep a connection for the next request to `url`."""
        self._idle.setdefault(url, []).append((protocol, self._loop.time()))

    def sweep(self) -> None:
        """Close what was idle for too long."""
        oldest = self._loop.time() - IDLE_SECONDS
        for url, connections in list(self._idle.items()):
            for protocol, since in connections:
                if since < oldest:
                    protocol.close()
            self._idle[url] = [one for one in connections if one[1] >= oldest]
            if not self._idle[url]:
                del self._idle[url]

    def close(self) -> None:
        """Close everything that is idle."""
        for connections in self._idle.values():
            for protocol, _ in connections:
                protocol.close()
        self._idle.clear()

    def _take(self, url: str) -> ResponseHandler | None:
        connections = self._idle.get(url)
        while connections:
            protocol, since = connections.pop()
            if protocol.is_connected() and not protocol.should_close and since >= self._loop.time() - IDLE_SECONDS:
                return protocol
            protocol.close()
        return None

    async def _connected(self, url: str) -> ResponseHandler:
        parts = urlsplit(url)
        try:
            async with timeout(CONNECT_SECONDS):
                _, protocol = await self._loop.create_connection(
                    lambda: ResponseHandler(self._loop), parts.hostname or "", parts.port or 80
                )
        except (OSError, asyncio.TimeoutError) as error:
            raise NotConnectedError(str(error)) from error
        return protocol


class Response:
    """The answer of a replica. `content` is its body as it comes, `length` its size when it was told."""

    def __init__(self, upstream: Upstream, url: str, protocol: ResponseHandler) -> None:
        self._upstream = upstream
        self._url = url
        self._protocol = protocol
        self._upload: asyncio.Task[None] | None = None
        self.status = 0
        self.reason = ""
        self.headers: CIMultiDictProxy[str] = CIMultiDictProxy(CIMultiDict())
        self.content: StreamReader
        self.length: int | None = None

    async def start(self, head: Head, written: bytes, data: Data) -> None:
        """Send the request and read the answer's head."""
        protocol = self._protocol
        protocol.set_response_params(skip_payload=head.method == "HEAD", read_until_eof=True, auto_decompress=False)
        transport = protocol.transport
        if transport is None:
            raise aiohttp.ServerDisconnectedError
        if data is None or isinstance(data, bytes):
            transport.write(written + data if data else written)
        else:
            transport.write(written)
            chunked = "Content-Length" not in head.headers
            self._upload = asyncio.ensure_future(_upload(protocol, data, chunked=chunked))
            self._upload.add_done_callback(self._uploaded)
        while True:
            try:
                message, self.content = await protocol.read()
            except HttpProcessingError as error:
                raise aiohttp.ClientPayloadError(f"the answer is no HTTP: {error.message}") from error
            if message.code >= 200 or message.code == 101:  # others only announce
                break
        self.status, self.reason, self.headers = message.code, message.reason, message.headers
        told = message.headers.get("Content-Length")
        self.length = int(told) if told is not None and told.isdigit() else None

    def close(self) -> None:
        """The caller has what it wants; the connection is kept when it is at the end of the answer."""
        uploaded = self._upload is None or (self._upload.done() and not self._upload.cancelled())
        if self._upload is not None and not self._upload.done():
            self._upload.cancel()
        if uploaded and self.status and self._protocol.is_connected() and not self._protocol.should_close:
            self._upstream.give_back(self._url, self._protocol)
        else:
            self._protocol.close()

    def _uploaded(self, task: asyncio.Task[None]) -> None:
        # whoever reads the answer learns that it will not come
        if not task.cancelled() and (error := task.exception()) is not None:
            self._protocol.set_exception(aiohttp.ClientConnectionError(f"the body broke off: {error}"))


async def _upload(protocol: ResponseHandler, data: AsyncIterator[bytes], *, chunked: bool) -> None:
    async for piece in data:
        if protocol.transport is None:
            return
        protocol.transport.write(b"%x\r\n%b\r\n" % (len(piece), piece) if chunked else piece)
        await protocol._drain_helper()  # the flow control that aiohttp's own writer uses
    if chunked and protocol.transport is not None:
        protocol.transport.write(b"0\r\n\r\n")


def _written(url: str, head: Head, data: Data) -> bytes:
    lines = [f"{head.method} {head.target} HTTP/1.1\r\nHost: {url.partition('//')[2]}"]
    lines += [f"{name}: {value}" for name, value in head.headers.items()]
    if isinstance(data, bytes):
        lines.append(f"Content-Length: {len(data)}")
    elif data is None:
        if head.method not in _BODILESS:
            lines.append("Content-Length: 0")
    elif "Content-Length" not in head.headers:
        lines.append("Transfer-Encoding: chunked")
    text = "\r\n".join(lines)
    # the parser lets no line break through; were there one all the same, it would be a second request
    if text.count("\n") != len(lines) or text.count("\r") != len(lines) or "\0" in text:
        raise RefusalError(400, "BadRequest", "the request's head has a line break where none may be", close=True)
    return f"{text}\r\n\r\n".encode("utf-8", "surrogateescape")
