"""Connections to replicas over real sockets: answers that are odd, and connections that end at a bad moment."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable, Coroutine
from typing import Any

import pytest

from mlctl.serving.router import upstream as upstream_module
from mlctl.serving.router.line import BrokenError
from mlctl.serving.router.upstream import Head, Response, Upstream

OK = b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok"


class Replica:
    """A scoring server that says `said` to each request; an empty piece of it is a pause."""

    def __init__(self, *said: bytes) -> None:
        self.said = said
        self.requests: list[bytes] = []
        self.connections = 0
        self.url = ""
        self.closes = False
        self.writers: list[asyncio.StreamWriter] = []
        self.upstream = Upstream()

    async def serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.connections += 1
        self.writers.append(writer)
        try:
            while True:
                head = await reader.readuntil(b"\r\n\r\n")
                self.requests.append(head.split(b"\r\n")[0])
                for piece in self.said:
                    writer.write(piece)
                    await asyncio.sleep(0 if piece else 0.05)
                if self.closes:
                    break
        except (asyncio.IncompleteReadError, asyncio.LimitOverrunError, ConnectionError):
            pass
        writer.close()

    async def ask(self, method: str = "POST") -> tuple[int, bytes]:
        response = await self.send(method)
        try:
            return response.status, await response.content.read()
        finally:
            response.close()

    async def send(self, method: str = "POST", data: bytes | AsyncIterator[bytes] | None = None) -> Response:
        return await self.upstream.send(self.url, Head(method, b"/score", []), data)


def ask(replica: Callable[[], Replica], test: Callable[[Replica], Coroutine[Any, Any, None]]) -> None:
    async def main() -> None:
        one = replica()
        listening = await asyncio.start_server(one.serve, "127.0.0.1", 0)
        one.url = f"http://127.0.0.1:{listening.sockets[0].getsockname()[1]}"
        try:
            await asyncio.wait_for(test(one), 20)
        finally:
            one.upstream.close()
            for writer in one.writers:
                writer.transport.abort()
            listening.close()
            await asyncio.sleep(0.05)

    asyncio.run(main())


def test_a_connection_is_used_again() -> None:
    async def test(replica: Replica) -> None:
        assert [await replica.ask() for _ in range(3)] == [(200, b"ok")] * 3
        assert replica.connections == 1

    ask(lambda: Replica(OK), test)


SECOND = b"HTTP/1.1 500 Odd\r\nContent-Length: 6\r\n\r\nPOISON"


@pytest.mark.parametrize(
    "said",
    [
        (OK + SECOND,),
        (OK + SECOND[:20],),
        (OK + b"junk",),
        (OK[:-2], b"", OK[-2:] + SECOND[:20]),
        (OK[:-2], b"", OK[-2:] + SECOND),
        (OK, b"", SECOND[:20]),
        (OK, b"", SECOND),
    ],
)
def test_what_comes_after_an_answer_spoils_the_connection_and_not_the_answer(said: tuple[bytes, ...]) -> None:
    async def test(replica: Replica) -> None:
        assert await replica.ask() == (200, b"ok")
        await asyncio.sleep(0.1)
        replica.said = (OK,)
        assert await replica.ask() == (200, b"ok")
        assert replica.connections == 2

    ask(lambda: Replica(*said), test)


@pytest.mark.parametrize("status", [b"204 No Content", b"304 Not Modified"])
def test_an_answer_that_has_no_body_has_no_length(status: bytes) -> None:
    async def test(replica: Replica) -> None:
        response = await replica.send()
        assert (response.length, await response.content.read()) == (0, b"")
        response.close()

    ask(lambda: Replica(b"HTTP/1.1 " + status + b"\r\nContent-Length: 2000000\r\n\r\n"), test)


@pytest.mark.parametrize("said", [b"HTTP/1.1 000 Odd\r\nContent-Length: 0\r\n\r\n", b"hello\r\n\r\n"])
def test_what_is_no_answer_is_told(said: bytes) -> None:
    async def test(replica: Replica) -> None:
        with pytest.raises(BrokenError):
            await replica.ask()

    ask(lambda: Replica(said), test)


def test_a_replica_that_closes_after_each_answer_without_a_word_costs_nothing() -> None:
    async def test(replica: Replica) -> None:
        replica.closes = True
        assert await replica.ask() == (200, b"ok")
        await asyncio.sleep(0.05)  # its end is here before the next request
        for _ in range(20):
            assert await replica.ask() == (200, b"ok")
        assert (replica.connections, len(replica.requests)) == (21, 21)

    ask(lambda: Replica(OK), test)


@pytest.mark.parametrize(("method", "sent"), [("GET", 3), ("HEAD", 3), ("OPTIONS", 3), ("POST", 2), ("DELETE", 2)])
def test_only_what_changes_nothing_is_sent_again_when_a_kept_connection_ends(method: str, sent: int) -> None:
    async def test(replica: Replica) -> None:
        assert await replica.ask() == (200, b"ok")
        replica.said, replica.closes = (), True  # it takes the next request and closes
        asking = asyncio.ensure_future(replica.send(method))
        while len(replica.requests) < 2:
            await asyncio.sleep(0)
        replica.said = (OK,)
        if sent == 3:
            (await asking).close()
        else:
            with pytest.raises(BrokenError):
                await asking
        assert len(replica.requests) == sent
        # and no connection to it is kept from now on
        before = replica.connections
        replica.closes = False
        for _ in range(3):
            assert await replica.ask() == (200, b"ok")
        assert replica.connections == before + 3

    ask(lambda: Replica(OK), test)


@pytest.mark.parametrize("pieces", [2, 200])
def test_an_answer_before_the_body_was_read_gives_no_connection_back(pieces: int) -> None:
    async def body() -> AsyncIterator[bytes]:
        for _ in range(pieces):
            yield b"x" * 100_000
            await asyncio.sleep(0.1 / pieces)

    async def test(replica: Replica) -> None:
        response = await replica.send(data=body())
        assert (response.status, await response.content.read()) == (413, b"")
        await asyncio.sleep(0.3)  # the system has taken two pieces by now, and nobody has read them
        response.close()
        replica.said = (OK,)
        assert await replica.ask() == (200, b"ok")
        assert replica.connections == 2

    ask(lambda: Replica(b"HTTP/1.1 413 Large\r\nContent-Length: 0\r\n\r\n", *[b""] * 10), test)


def test_a_connection_that_was_idle_for_long_may_be_closed_by_its_replica(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(upstream_module, "IDLE_SECONDS", 0.05)

    async def test(replica: Replica) -> None:
        assert await replica.ask() == (200, b"ok")
        await asyncio.sleep(0.1)
        replica.writers[0].close()
        await asyncio.sleep(0.05)
        assert [await replica.ask() for _ in range(3)] == [(200, b"ok")] * 3
        assert replica.connections == 2

    ask(lambda: Replica(OK), test)
