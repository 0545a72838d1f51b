"""The router in front of replicas that break the rules: what their callers get."""

from __future__ import annotations

import contextlib
import re
import socket
import threading
import time
from collections.abc import Iterator

import pytest
from tests.live.endpoints import Endpoint, Processes, until

from mlctl.serving.routes import Deployment

GOOD = b"HTTP/1.1 200 OK\r\nContent-Length: 4\r\n\r\ngood"
SAID = {
    b"nothing": b"HTTP/1.1 304 Not Modified\r\nContent-Length: 2000000\r\n\r\n",
    b"posing": b"HTTP/1.1 200 OK\r\nMs-AzureML-Model-Error-StatusCode: 7\r\nms-azureml-model-error-reason: x\r\n"
    b"Content-Length: 2\r\n\r\nok",
    b"posing500": b"HTTP/1.1 500 Odd\r\nMs-AzureML-Model-Error-StatusCode: 7\r\nms-azureml-model-error-reason: x\r\n"
    b"Content-Length: 2\r\n\r\nno",
    b"endless": b"HTTP/1.1 200 OK\r\nTransfer-Encoding: gzip\r\n\r\nok",
    b"early": b"HTTP/1.1 413 Large\r\nContent-Length: 2\r\n\r\nno",
}


class Replica:
    """Says what the request's query asks for; to `early` and `endless` without a look at the body."""

    def __init__(self) -> None:
        self._listening = socket.create_server(("127.0.0.1", 0))
        self._listening.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 8192)
        self.url = f"http://127.0.0.1:{self._listening.getsockname()[1]}"
        self._taken: list[socket.socket] = []
        threading.Thread(target=self._accept, daemon=True).start()

    def close(self) -> None:
        self._listening.close()
        for one in self._taken:
            one.close()

    def _accept(self) -> None:
        with contextlib.suppress(OSError):
            while True:
                taken, _ = self._listening.accept()
                self._taken.append(taken)
                threading.Thread(target=self._serve, args=(taken,), daemon=True).start()

    def _serve(self, taken: socket.socket) -> None:
        with contextlib.suppress(OSError):
            rest = b""
            while True:
                while b"\r\n\r\n" not in rest:
                    piece = taken.recv(65536)
                    if not piece:
                        return
                    rest += piece
                head, _, rest = rest.partition(b"\r\n\r\n")
                asked = re.search(rb"say=(\w+)", head)
                what = asked[1] if asked else b""
                taken.sendall(SAID.get(what, GOOD))
                if what in (b"early", b"endless"):
                    return
                told = re.search(rb"(?i)content-length: (\d+)", head)
                missing = int(told[1]) if told else 0
                while len(rest) < missing:
                    rest += taken.recv(65536)
                rest = rest[missing:]


@pytest.fixture(scope="module")
def endpoint(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Endpoint]:
    processes, replica = Processes(), Replica()
    one = Endpoint(tmp_path_factory.mktemp("router") / "iris", processes)
    limits = {"max_concurrent_requests_per_instance": 4, "request_timeout_ms": 1500}
    one.set(Deployment("blue", (replica.url,), 100, **limits))
    one.router()
    yield one
    replica.close()
    processes.close()


class Connection:
    """A caller that keeps its connection."""

    def __init__(self, endpoint: Endpoint) -> None:
        self._key = endpoint.keys.primary.encode()
        self.socket = socket.create_connection(("127.0.0.1", endpoint.routes.port), 5)
        self._file = self.socket.makefile("rb")

    def send(self, say: bytes, body: bytes = b"{}") -> None:
        head = b"POST /score?say=%b HTTP/1.1\r\nHost: e\r\nAuthorization: Bearer %b\r\nContent-Length: %d\r\n\r\n"
        self.socket.sendall(head % (say, self._key, len(body)) + body)

    def head(self) -> tuple[int, list[tuple[str, str]]]:
        status = int(self._file.readline().split()[1])
        fields = []
        while line := self._file.readline().rstrip(b"\r\n"):
            name, _, value = line.decode().partition(": ")
            fields.append((name.lower(), value))
        return status, fields

    def answer(self) -> tuple[int, list[tuple[str, str]], bytes]:
        status, fields = self.head()
        return status, fields, self._file.read(int(dict(fields)["content-length"]))

    def __enter__(self) -> Connection:
        return self

    def __exit__(self, *_: object) -> None:
        self._file.close()
        self.socket.close()

    def rest(self) -> bytes:
        return self._file.read()


def test_an_answer_without_the_body_that_it_announced_leaves_the_connection_in_step(endpoint: Endpoint) -> None:
    with Connection(endpoint) as caller:
        caller.send(b"nothing")
        status, fields, body = caller.answer()
        assert (status, dict(fields)["ms-azureml-model-error-statuscode"], body) == (424, "304", b"")
        caller.send(b"good")
        assert caller.answer()[::2] == (200, b"good")


@pytest.mark.parametrize(("say", "status", "told"), [(b"posing", 200, []), (b"posing500", 424, ["model_error", "500"])])
def test_a_replica_cannot_say_what_the_router_says(
    endpoint: Endpoint, say: bytes, status: int, told: list[str]
) -> None:
    with Connection(endpoint) as caller:
        caller.send(say)
        found, fields, _ = caller.answer()
        said = sorted((value for name, value in fields if name.startswith("ms-azureml-model-error")), reverse=True)
        assert (found, said) == (status, told)


def test_an_answer_before_a_large_body_was_read_does_not_stop_its_caller(endpoint: Endpoint) -> None:
    for size in (1_500_000, 4_000_000, 12_000_000):
        with Connection(endpoint) as caller:
            sending = threading.Thread(target=_send_all, args=(caller, b"early", b"x" * size), daemon=True)
            sending.start()
            status, fields, body = caller.answer()
            assert (status, body) == (424, b"no")
            sending.join(5)
            assert not sending.is_alive()
            if ("connection", "close") in [(name.lower(), value) for name, value in fields]:
                assert caller.rest() == b""
            else:
                caller.send(b"good")
                # 408: the system took the body for a replica that reads none, which is out of the router's sight
                assert caller.answer()[0] in (200, 408)
    assert endpoint.ask().status == 200


def _send_all(caller: Connection, say: bytes, body: bytes) -> None:
    with contextlib.suppress(OSError):
        caller.send(say, body)


@pytest.mark.parametrize("size", [2, 12_000_000])
def test_an_answer_without_end_ends_with_its_time(endpoint: Endpoint, size: int) -> None:
    with Connection(endpoint) as caller:
        began = time.monotonic()
        sending = threading.Thread(target=_send_all, args=(caller, b"endless", b"x" * size), daemon=True)
        sending.start()
        assert caller.head()[0] == 200
        with contextlib.suppress(ConnectionResetError):
            assert b"0\r\n\r\n" not in caller.rest()  # nobody takes it for whole
        assert 1 < time.monotonic() - began < 4
        sending.join(5)
        assert not sending.is_alive()
    until(lambda: endpoint.metric("mlctl_requests_running", deployment="blue") == 0)
