"""How a listening socket passes from process to process; here, from thread to thread."""

from __future__ import annotations

import socket
import threading
from pathlib import Path

import pytest

from mlctl.errors import ConflictError, UnavailableError
from mlctl.serving.port import DOOR, READY, find_predecessor, listen, serves, share


def door(folder: Path, listening: socket.socket, heard: list[bytes]) -> threading.Thread:
    """What a router does for one who asks."""
    waiting = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
    waiting.bind(str(folder / DOOR))
    waiting.listen(1)

    def give() -> None:
        with waiting, waiting.accept()[0] as connection:
            socket.send_fds(connection, [b"port"], [listening.fileno()])
            heard.append(connection.recv(16))

    thread = threading.Thread(target=give)
    thread.start()
    return thread


def test_a_port_stays_open_as_long_as_one_of_its_holders_lives(tmp_path: Path) -> None:
    assert share(tmp_path) is None
    listening, heard = listen("127.0.0.1", 0), []  # type: ignore[var-annotated]
    port = listening.getsockname()[1]
    giving = door(tmp_path, listening, heard)
    held = share(tmp_path)
    giving.join()
    listening.close()
    assert heard == [b""]  # the router goes on
    assert held is not None
    with held, socket.create_connection(("127.0.0.1", port), 1):
        assert serves(held, "127.0.0.1", port)
        assert not serves(held, "127.0.0.1", port + 1)
        assert not serves(held, "0.0.0.0", port)
        with pytest.raises(ConflictError, match=f"port {port} on 127.0.0.1 is taken"):
            listen("127.0.0.1", port)
    with pytest.raises(ConnectionRefusedError):
        socket.create_connection(("127.0.0.1", port), 1)


def test_a_predecessor_is_told_that_another_serves(tmp_path: Path) -> None:
    heard: list[bytes] = []
    with listen("127.0.0.1", 0) as listening:
        giving = door(tmp_path, listening, heard)
        found = find_predecessor(tmp_path)
        assert found is not None
        with found.listening:
            found.release()
        giving.join()
    assert heard == [READY]


def test_an_address_that_is_not_ours() -> None:
    with pytest.raises(UnavailableError, match="cannot listen on 203"):
        listen("203.0.113.1", 0)
