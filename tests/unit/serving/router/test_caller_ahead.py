"""What callers send before, with and after a head: other protocols, bodies, requests ahead, too much."""

from __future__ import annotations

import asyncio
import socket

import pytest
from tests.unit.serving.router.test_caller import Server, echo, talk

from mlctl.serving.router import caller as caller_module
from mlctl.serving.router.answers import RefusalError, refused, said
from mlctl.serving.router.request import Request

H2C = b"Connection: Upgrade, HTTP2-Settings\r\nUpgrade: h2c\r\nHTTP2-Settings: AAEAAEAAAAIA\r\n"
LAST = b"GET /last HTTP/1.1\r\nHost: e\r\nConnection: close\r\n\r\n"


@pytest.mark.parametrize("apart", [False, True])
@pytest.mark.parametrize(
    "body",
    [
        b"Content-Length: 11\r\n\r\n" + b'{"data":[]}',
        b'Transfer-Encoding: chunked\r\n\r\nb\r\n{"data":[]}\r\n0\r\n\r\n',
    ],
)
def test_a_request_that_would_like_another_protocol_keeps_its_body(body: bytes, apart: bool) -> None:
    async def test(server: Server) -> None:
        one = b"POST /a HTTP/1.1\r\nHost: e\r\n" + H2C + body
        reader, writer = await asyncio.open_connection("127.0.0.1", server.port)
        for piece in one.partition(b"\r\n\r\n") if apart else (one,):
            writer.write(piece)
            await asyncio.sleep(0.05)
        writer.write(one + b"GET /b HTTP/1.1\r\nHost: e\r\n" + H2C + b"\r\n" + LAST)
        answers = await asyncio.wait_for(reader.read(), 10)
        writer.close()
        assert answers.count(b"POST /a b'{\"data\":[]}'") == 2
        assert answers.endswith(b"GET /last b''")
        assert (answers.count(b"HTTP/1.1 200 OK"), answers.count(b"GET /b b''"), server.refusals) == (4, 1, [])

    talk(test, echo)


def test_connect_is_answered_and_ends_the_connection() -> None:
    async def test(server: Server) -> None:
        answer = await server.ask(b"CONNECT a:443 HTTP/1.1\r\nHost: e\r\n\r\n\x16\x03\x01junk")
        assert answer.count(b"HTTP/1.1") == 1
        assert b"\r\nConnection: close\r\n" in answer

    talk(test, echo)


def test_a_head_is_measured_without_what_came_before_it() -> None:
    async def test(server: Server) -> None:
        reader, writer = await asyncio.open_connection("127.0.0.1", server.port)
        writer.write(b"POST /a HTTP/1.1\r\nHost: e\r\nContent-Length: 100000\r\n\r\n" + b"a" * 100_000 + LAST[:10])
        await asyncio.sleep(0.1)
        writer.write(LAST[10:])
        answers = await asyncio.wait_for(reader.read(), 10)
        writer.close()
        assert answers.count(b"HTTP/1.1 200 OK") == 2
        assert server.refusals == []

    talk(test, echo)


@pytest.mark.parametrize("before", [b"", b"GET /a HTTP/1.1\r\nHost: e\r\n\r\n"])
def test_a_whole_head_that_is_too_large_is_refused(before: bytes) -> None:
    async def test(server: Server) -> None:
        answer = await server.ask(before + b"GET /b HTTP/1.1\r\nHost: e\r\nX: " + b"a" * 120_000 + b"\r\n\r\n")
        assert b"HTTP/1.1 431 " in answer
        assert b"GET /b" not in answer
        assert answer.count(b"HTTP/1.1 200") == (1 if before else 0)

    talk(test, echo)


@pytest.mark.parametrize("start", [b"0\r\nX: ", b"0\r\n", b"3;"])
def test_trailers_and_extensions_without_end_are_refused(start: bytes) -> None:
    async def test(server: Server) -> None:
        filler = b"Y: 1\r\n" if start == b"0\r\n" else b"a"
        head = b"POST /a HTTP/1.1\r\nHost: e\r\nTransfer-Encoding: chunked\r\n\r\n" + start
        reader, writer = await asyncio.open_connection("127.0.0.1", server.port)
        writer.write(head)
        for _ in range(20):
            writer.write(filler * 10_000)
            await asyncio.sleep(0.01)
        assert (await asyncio.wait_for(reader.readline(), 10)).startswith(b"HTTP/1.1 431 ")
        writer.close()

    talk(test, echo)


def test_the_next_request_waits_until_the_answer_before_it_is_taken() -> None:
    served = []

    async def handle(request: Request) -> None:
        served.append(request.path)
        request.caller.send(request, said(200, "text/plain", b"x" * 8_000_000))

    async def test(server: Server) -> None:
        with socket.create_connection(("127.0.0.1", server.port)) as peer:
            peer.sendall(b"GET /a HTTP/1.1\r\nHost: e\r\n\r\n" * 50)
            await asyncio.sleep(0.5)
            assert len(served) == 1
            peer.setblocking(False)
            loop, taken = asyncio.get_running_loop(), 0
            while taken < 16_100_000:
                taken += len(await loop.sock_recv(peer, 1_000_000))
            assert 2 < len(served) < 50

    talk(test, handle)


def test_who_sends_ahead_and_takes_nothing_is_left(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(caller_module, "_LIMITS", dict.fromkeys(caller_module._LIMITS, 0.3))
    monkeypatch.setattr(caller_module, "_SWEEP_SECONDS", 0.02)

    async def handle(request: Request) -> None:
        request.caller.send(request, said(200, "text/plain", b"x" * 8_000_000))

    async def test(server: Server) -> None:
        with socket.create_connection(("127.0.0.1", server.port)) as peer:
            peer.sendall(b"GET /a HTTP/1.1\r\nHost: e\r\n\r\n" * 50)
            while not server.callers.open:
                await asyncio.sleep(0.01)
            while server.callers.open:
                await asyncio.sleep(0.01)
        assert server.callers.busy == 0

    talk(test, handle)


def test_a_body_that_was_not_taken_does_not_stop_the_connection() -> None:
    async def handle(request: Request) -> None:
        if request.method == "POST":  # answered once the body is here, without a look at it
            while not request.content.whole:
                await asyncio.sleep(0.01)
            request.caller.send(request, refused(RefusalError(401, "Unauthorized", "no key")))
        else:
            request.caller.send(request, said(200, "text/plain", b"here"))

    async def test(server: Server) -> None:
        body = b"a" * 300_000
        reader, writer = await asyncio.open_connection("127.0.0.1", server.port)
        for _ in range(3):
            writer.write(b"POST /a HTTP/1.1\r\nHost: e\r\nContent-Length: %d\r\n\r\n" % len(body) + body)
            assert b"401" in await asyncio.wait_for(reader.readuntil(b"\r\n\r\n"), 10)
            await asyncio.wait_for(reader.readuntil(b"}}"), 10)
        writer.write(LAST)
        assert (await asyncio.wait_for(reader.read(), 10)).endswith(b"here")
        writer.close()

    talk(test, handle)


@pytest.mark.parametrize(
    ("head", "status"),
    [
        (b"GET /a HTTP/2.0\r\nHost: e\r\n\r\n", 505),
        (b"GET /a HTTP/0.9\r\nHost: e\r\n\r\n", 505),
        (b"POST /a HTTP/1.1\r\nHost: e\r\nTransfer-Encoding: gzip, chunked\r\n\r\n0\r\n\r\n", 501),
        (b"POST /a HTTP/1.1\r\nHost: e\r\nTransfer-Encoding: gzip\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n", 501),
        (b"GET /a HTTP/1.1\r\nX: 1\r\n\r\n", 400),
        (b"GET /a HTTP/1.1\r\nHost: e\r\nhost: f\r\n\r\n", 400),
    ],
)
def test_what_http_forbids_or_nobody_needs_is_refused(head: bytes, status: int) -> None:
    async def test(server: Server) -> None:
        answer = await server.ask(b"GET /first HTTP/1.1\r\nHost: e\r\n\r\n" + head + LAST)
        assert answer.count(b"\r\n\r\n") == 2
        assert answer.index(b"GET /first") < answer.index(b"HTTP/1.1 %d " % status)
        assert [refused[1] for refused in server.refusals] == [status]

    talk(test, echo)


def test_http_1_0_needs_no_host_and_is_told_that_its_connection_stays() -> None:
    async def test(server: Server) -> None:
        answer = await server.ask(b"GET /a HTTP/1.0\r\nConnection: keep-alive\r\n\r\nGET /b HTTP/1.0\r\n\r\n")
        first, _, second = answer.partition(b"GET /a b''")
        assert b"\r\nConnection: keep-alive\r\n" in first
        assert b"\r\nConnection: close\r\n" in second

    talk(test, echo)


def test_the_next_requests_version_changes_nothing_about_an_answer() -> None:
    async def handle(request: Request) -> None:
        await asyncio.sleep(0.05)  # the next one is here
        request.caller.begin(request, said(200, "text/plain", b""), None)
        await request.caller.pass_on(request.path.encode())
        request.caller.end()

    async def test(server: Server) -> None:
        answer = await server.ask(b"GET /new HTTP/1.1\r\nHost: e\r\n\r\nGET /old HTTP/1.0\r\n\r\n")
        new, old = answer.split(b"HTTP/1.1 200 OK\r\n")[1:]
        assert new.endswith(b"\r\n\r\n4\r\n/new\r\n0\r\n\r\n")
        assert old.endswith(b"\r\n\r\n/old")

    talk(test, handle)
