"""Connections of callers over real sockets: what HTTP allows, and what takes too long."""

from __future__ import annotations

import asyncio
import socket
import struct
from collections.abc import Awaitable, Callable, Coroutine
from typing import Any

import pytest

from mlctl.serving.router import body as body_module
from mlctl.serving.router import caller as caller_module
from mlctl.serving.router.answers import Answer, RefusalError, refused, said
from mlctl.serving.router.body import Body
from mlctl.serving.router.caller import Callers
from mlctl.serving.router.request import Request

Handle = Callable[[Request], Awaitable[None]]
Talk = Callable[["Server"], Coroutine[Any, Any, None]]


class Server:
    """Callers behind a port of loopback, swept as the service sweeps them."""

    def __init__(self, handle: Handle) -> None:
        self.refusals: list[tuple[str, int, str]] = []
        self.callers = Callers(handle, self.refuse)
        self.port = 0

    def refuse(self, client: str, refusal: RefusalError) -> Answer:
        self.refusals.append((client, refusal.status, refusal.code))
        return refused(refusal)

    async def ask(self, sent: bytes) -> bytes:
        """Everything that comes back until the server closes."""
        reader, writer = await asyncio.open_connection("127.0.0.1", self.port)
        writer.write(sent)
        try:
            return await asyncio.wait_for(reader.read(), 10)
        finally:
            writer.close()


def talk(test: Talk, handle: Handle) -> None:
    async def main() -> None:
        server = Server(handle)
        listening = await asyncio.get_running_loop().create_server(server.callers.connected, "127.0.0.1", 0)
        server.port = listening.sockets[0].getsockname()[1]

        async def sweep() -> None:
            while True:
                server.callers.sweep()
                await asyncio.sleep(0.01)

        sweeping = asyncio.ensure_future(sweep())
        try:
            await asyncio.wait_for(test(server), 20)
        finally:
            sweeping.cancel()
            server.callers.close()
            listening.close()
            await asyncio.sleep(0.01)

    asyncio.run(main())


async def echo(request: Request) -> None:
    try:
        body = Body(request, 1_000_000)
        await body.read_ahead()
    except RefusalError as refusal:
        request.caller.send(request, refused(refusal))
        return
    text = f"{request.method} {request.target.decode()} {body.copy()!r}"
    request.caller.send(request, said(200, "text/plain", text.encode()))


@pytest.fixture
def quick(monkeypatch: pytest.MonkeyPatch) -> None:
    """Limits of a blink."""
    monkeypatch.setattr(caller_module, "_LIMITS", dict.fromkeys(caller_module._LIMITS, 0.3))
    monkeypatch.setattr(caller_module, "_SWEEP_SECONDS", 0.02)
    monkeypatch.setattr(body_module, "IDLE_SECONDS", 0.3)
    monkeypatch.setattr(body_module, "WHOLE_SECONDS", 0.5)


def test_requests_that_are_sent_ahead_are_answered_in_order() -> None:
    async def test(server: Server) -> None:
        requests = [b"POST /%d HTTP/1.1\r\nHost: e\r\nContent-Length: 1\r\n\r\n%d" % (n, n) for n in range(5)]
        answer = await server.ask(b"".join(requests) + b"GET /last HTTP/1.1\r\nHost: e\r\nConnection: close\r\n\r\n")
        told = answer.decode()
        places = [told.index(f"POST /{n} b'{n}'") for n in range(5)] + [told.index("GET /last b''")]
        assert places == sorted(places)

    talk(test, echo)


def test_a_body_in_pieces_with_a_trailer() -> None:
    async def test(server: Server) -> None:
        answer = await server.ask(
            b"POST /a HTTP/1.1\r\nHost: e\r\nTransfer-Encoding: chunked\r\nConnection: close\r\n\r\n"
            b"3\r\nabc\r\n2;x=y\r\nde\r\n0\r\nX-Check: 1\r\n\r\n"
        )
        assert b"POST /a b'abcde'" in answer

    talk(test, echo)


@pytest.mark.parametrize(
    ("head", "said"),
    [
        (b"GET /a?b HTTP/1.0\r\n\r\n", b"GET /a?b b''"),
        # as curl --http2 asks: it is not taken up
        (b"GET /a HTTP/1.1\r\nHost: e\r\nConnection: Upgrade, close\r\nUpgrade: h2c\r\n\r\n", b"GET /a b''"),
        (b"GET http://else.where/a?b HTTP/1.1\r\nHost: e\r\nConnection: close\r\n\r\n", b"GET /a?b b''"),
        (b"GET /a?b#c HTTP/1.1\r\nHost: e\r\nConnection: close\r\n\r\n", b"GET /a?b b''"),
    ],
)
def test_what_callers_may_send(head: bytes, said: bytes) -> None:
    async def test(server: Server) -> None:
        answer = await server.ask(head)
        assert answer.startswith(b"HTTP/1.1 200 OK\r\n")
        assert b"\r\nConnection: close\r\n" in answer
        assert answer.endswith(said)

    talk(test, echo)


def test_an_answer_without_a_length_ends_with_the_connection_for_http_1_0() -> None:
    async def handle(request: Request) -> None:
        request.caller.begin(request, said(200, "text/plain", b""), None)
        await request.caller.pass_on(b"one ")
        await request.caller.pass_on(b"two")
        request.caller.end()

    async def test(server: Server) -> None:
        old = await server.ask(b"GET / HTTP/1.0\r\n\r\n")
        assert old.endswith(b"\r\n\r\none two")
        new = await server.ask(b"GET / HTTP/1.1\r\nHost: e\r\nConnection: close\r\n\r\n")
        assert new.endswith(b"\r\n\r\n4\r\none \r\n3\r\ntwo\r\n0\r\n\r\n")
        head = await server.ask(b"HEAD / HTTP/1.1\r\nHost: e\r\nConnection: close\r\n\r\n")
        assert head.startswith(b"HTTP/1.1 200")

    talk(test, handle)


@pytest.mark.parametrize("head", [b"X: " + b"a" * 70_000, b"\r\n".join(b"X%d: 1" % n for n in range(10_000))])
def test_a_head_without_end_is_refused(head: bytes) -> None:
    async def test(server: Server) -> None:
        answer = await server.ask(b"GET / HTTP/1.1\r\nHost: e\r\n" + head)
        assert answer.startswith(b"HTTP/1.1 431 ")
        assert server.refusals == [("127.0.0.1", 431, "HeadTooLarge")]

    talk(test, echo)


def test_junk_after_a_request_is_refused_after_its_answer() -> None:
    async def test(server: Server) -> None:
        answer = await server.ask(b"GET /a HTTP/1.1\r\nHost: e\r\n\r\nhello\r\n\r\n")
        first, second = answer.index(b"HTTP/1.1 200"), answer.index(b"HTTP/1.1 400")
        assert first < second
        assert server.refusals == [("127.0.0.1", 400, "BadRequest")]

    talk(test, echo)


def test_a_body_that_is_no_http_is_refused() -> None:
    async def test(server: Server) -> None:
        answer = await server.ask(b"POST /a HTTP/1.1\r\nHost: e\r\nTransfer-Encoding: chunked\r\n\r\nxyz\r\n")
        assert answer.startswith(b"HTTP/1.1 400 ")

    talk(test, echo)


@pytest.mark.usefixtures("quick")
def test_a_head_byte_by_byte_is_408_while_others_are_served() -> None:
    async def test(server: Server) -> None:
        reader, writer = await asyncio.open_connection("127.0.0.1", server.port)

        async def drip() -> None:
            for byte in b"GET / HTTP/1.1\r\nHost: e\r\nX-Slow: " + b"a" * 1000:
                writer.write(bytes([byte]))
                await asyncio.sleep(0.02)

        dripping = asyncio.ensure_future(drip())
        assert b"200 OK" in await server.ask(b"GET /b HTTP/1.1\r\nHost: e\r\nConnection: close\r\n\r\n")
        answer = await asyncio.wait_for(reader.read(), 5)
        dripping.cancel()
        assert answer.startswith(b"HTTP/1.1 408 ")
        assert server.refusals == [("127.0.0.1", 408, "RequestTimeout")]
        writer.close()

    talk(test, echo)


@pytest.mark.usefixtures("quick")
def test_a_body_byte_by_byte_is_408() -> None:
    async def test(server: Server) -> None:
        reader, writer = await asyncio.open_connection("127.0.0.1", server.port)
        writer.write(b"POST /a HTTP/1.1\r\nHost: e\r\nContent-Length: 1000\r\n\r\n")

        async def drip() -> None:
            while True:
                writer.write(b"a")
                await asyncio.sleep(0.05)  # each of them in time

        dripping = asyncio.ensure_future(drip())
        answer = await asyncio.wait_for(reader.read(), 5)
        dripping.cancel()
        assert answer.startswith(b"HTTP/1.1 408 ")
        assert b"bytes of the body came" in answer
        writer.close()

    talk(test, echo)


@pytest.mark.usefixtures("quick")
def test_who_says_nothing_is_left_without_a_word() -> None:
    async def test(server: Server) -> None:
        assert await server.ask(b"") == b""
        kept = await server.ask(b"GET /a HTTP/1.1\r\nHost: e\r\n\r\n")  # and does not close
        assert kept.count(b"HTTP/1.1") == 1
        assert server.refusals == []

    talk(test, echo)


@pytest.mark.usefixtures("quick")
@pytest.mark.parametrize("more", [b"", b"Connection: close\r\n"])
def test_who_does_not_take_its_answer_is_left(more: bytes) -> None:
    async def handle(request: Request) -> None:
        request.caller.send(request, said(200, "text/plain", b"x" * 64_000_000))

    async def test(server: Server) -> None:
        with socket.create_connection(("127.0.0.1", server.port)) as peer:
            peer.sendall(b"GET / HTTP/1.1\r\nHost: e\r\n" + more + b"\r\n")
            while not server.callers.open:
                await asyncio.sleep(0.01)
            while server.callers.open:
                await asyncio.sleep(0.01)

    talk(test, handle)


def test_an_answer_reaches_who_is_still_sending() -> None:
    async def handle(request: Request) -> None:
        request.caller.send(request, refused(RefusalError(413, "PayloadTooLarge", "too much", close=True)))

    async def test(server: Server) -> None:
        reader, writer = await asyncio.open_connection("127.0.0.1", server.port)
        writer.write(b"POST /a HTTP/1.1\r\nHost: e\r\nContent-Length: 50000000\r\n\r\n")
        for _ in range(50):
            writer.write(b"x" * 100_000)
            await asyncio.sleep(0)
        await asyncio.sleep(0.2)
        assert (await asyncio.wait_for(reader.readline(), 5)).startswith(b"HTTP/1.1 413 ")
        writer.close()

    talk(test, handle)


def test_what_is_done_for_a_caller_ends_with_its_connection() -> None:
    ended = asyncio.Event()

    async def handle(_: Request) -> None:
        try:
            await asyncio.sleep(30)
        finally:
            ended.set()

    async def test(server: Server) -> None:
        _, writer = await asyncio.open_connection("127.0.0.1", server.port)
        writer.write(b"GET /a HTTP/1.1\r\nHost: e\r\n\r\n")
        while not server.callers.busy:
            await asyncio.sleep(0.01)
        peer = writer.get_extra_info("socket")
        peer.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))  # a reset
        writer.transport.abort()
        await asyncio.wait_for(ended.wait(), 5)
        assert server.callers.busy == 0

    talk(test, handle)
