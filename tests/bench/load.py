"""A load generator: `python load.py URL --body FILE [--header LINE]… [--connections N] [--seconds S | --count N]
[--rate R]`; prints one JSON object.

With `--rate` it is an open loop: request i is due at i/rate and its latency counts from then, so that a server that
stalls is not spared the requests that would have come meanwhile. Without, each connection sends its next request as
soon as the answer is there. Keep-alive is used as far as the server goes along; a connection that the server announced
to close is opened anew. A request fails when its status is not 200 or its connection breaks; nothing is sent twice.

The exchange itself is written on asyncio's protocols, as the generator must cost less than what it measures.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import statistics
import time
from collections import Counter
from pathlib import Path
from urllib.parse import urlsplit


class Connection(asyncio.Protocol):
    """One connection, one request at a time."""

    def __init__(self) -> None:
        self.transport: asyncio.Transport | None = None
        self.answer: asyncio.Future[tuple[int, bytes]] | None = None
        self.buffer = b""
        self.usable = True

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        assert isinstance(transport, asyncio.Transport)
        self.transport = transport

    def data_received(self, data: bytes) -> None:
        self.buffer += data
        head, separator, body = self.buffer.partition(b"\r\n\r\n")
        if not separator:
            return
        lowered = head.lower()
        start = lowered.find(b"content-length:")
        if start < 0:
            self._finish(ConnectionError("the answer has no Content-Length"))
        elif len(body) >= int(lowered[start + 15 :].split(b"\r\n", 1)[0]):
            self.usable = b"connection: close" not in lowered and not lowered.startswith(b"http/1.0")
            self.buffer = b""
            self._finish((int(head[9:12]), head))

    def connection_lost(self, exc: Exception | None) -> None:
        self.usable = False
        self._finish(exc or ConnectionError("the connection ended without an answer"))

    def _finish(self, result: tuple[int, bytes] | Exception) -> None:
        if self.answer is not None and not self.answer.done():
            if isinstance(result, Exception):
                self.answer.set_exception(result)
            else:
                self.answer.set_result(result)

    async def ask(self, request: bytes) -> tuple[int, bytes]:
        self.answer = asyncio.get_running_loop().create_future()
        assert self.transport is not None
        self.transport.write(request)
        return await self.answer


class Load:
    """The whole run."""

    def __init__(self, url: str, body: bytes, headers: list[str], connections: int) -> None:
        parts = urlsplit(url)
        assert parts.hostname is not None
        self.address = (parts.hostname, parts.port or 80)
        target = (parts.path or "/") + (f"?{parts.query}" if parts.query else "")
        lines = [f"POST {target} HTTP/1.1", f"Host: {parts.netloc}", f"Content-Length: {len(body)}", *headers]
        if not any(one.lower().startswith("content-type:") for one in headers):
            lines.append("Content-Type: application/json")
        self.request = "\r\n".join(lines).encode() + b"\r\n\r\n" + body
        self.connections = connections
        self.idle: list[Connection] = []
        self.statuses: Counter[str] = Counter()
        self.deployments: Counter[str] = Counter()
        self.latencies: list[float] = []

    async def one(self, due: float) -> None:
        now = asyncio.get_running_loop().time
        try:
            connection = self.idle.pop() if self.idle else await self.connect()
            if not connection.usable:
                connection = await self.connect()
            status, head = await connection.ask(self.request)
            self.statuses[str(status)] += 1
            start = head.lower().find(b"azureml-model-deployment:")
            if start >= 0:
                self.deployments[head[start + 25 :].split(b"\r\n", 1)[0].strip().decode()] += 1
            self.latencies.append(now() - due)
            if connection.usable:
                self.idle.append(connection)
            elif connection.transport is not None:
                connection.transport.close()
        except OSError as error:
            self.statuses[f"{type(error).__name__}: {error}"] += 1

    async def connect(self) -> Connection:
        _, connection = await asyncio.get_running_loop().create_connection(Connection, *self.address)
        return connection

    async def closed_loop(self, seconds: float, count: int | None) -> None:
        now = asyncio.get_running_loop().time
        end, left = now() + seconds, count if count is not None else 10**9

        async def caller() -> None:
            nonlocal left
            while left > 0 and now() < end:
                left -= 1
                await self.one(now())

        await asyncio.gather(*(caller() for _ in range(self.connections)))

    async def open_loop(self, rate: float, seconds: float) -> None:
        now = asyncio.get_running_loop().time
        start, tasks = now(), []
        for number in range(round(rate * seconds)):
            due = start + number / rate
            await asyncio.sleep(max(0.0, due - now()))
            tasks.append(asyncio.ensure_future(self.one(due)))
        await asyncio.gather(*tasks)


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("url")
    parser.add_argument("--body", type=Path, required=True)
    parser.add_argument("--header", action="append", default=[])
    parser.add_argument("--connections", type=int, default=1)
    parser.add_argument("--seconds", type=float, default=10**6)
    parser.add_argument("--count", type=int)
    parser.add_argument("--rate", type=float)
    given = parser.parse_args()
    load = Load(given.url, given.body.read_bytes(), given.header, given.connections)
    began = time.monotonic()
    if given.rate:
        asyncio.run(load.open_loop(given.rate, given.seconds))
    else:
        asyncio.run(load.closed_loop(given.seconds, given.count))
    took = time.monotonic() - began
    times = sorted(load.latencies) or [0.0]
    result = {
        "requests": sum(load.statuses.values()),
        "failed": sum(count for status, count in load.statuses.items() if status != "200"),
        "statuses": load.statuses,
        "deployments": load.deployments,
        "per_second": len(load.latencies) / took,
        "median_ms": statistics.median(times) * 1000,
        "p95_ms": times[int(len(times) * 0.95)] * 1000 if len(times) > 1 else times[0] * 1000,
    }
    print(json.dumps(result))


if __name__ == "__main__":
    main()
