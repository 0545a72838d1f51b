from __future__ import annotations

import multiprocessing
import os
import signal
from multiprocessing.connection import Connection
from pathlib import Path

import pytest

from mlctl.environments.locks import hold_lock


def hold_until_told(path: Path, pipe: Connection) -> None:
    with hold_lock(path):
        pipe.send("held")
        pipe.recv()


@pytest.fixture
def holder(tmp_path: Path) -> tuple[multiprocessing.Process, Connection]:
    here, there = multiprocessing.Pipe()
    process = multiprocessing.get_context("fork").Process(target=hold_until_told, args=(tmp_path / "a" / "lock", there))
    process.start()
    assert here.recv() == "held"
    return process, here  # type: ignore[return-value]


def test_a_second_process_waits_and_says_so_once(
    tmp_path: Path, holder: tuple[multiprocessing.Process, Connection]
) -> None:
    process, pipe = holder
    said: list[str] = []
    with hold_lock(tmp_path / "a" / "lock", waiting=lambda: (said.append("waiting"), pipe.send("go"))[0]):
        assert said == ["waiting"]
    process.join()


def test_the_lock_of_a_killed_process_is_free(
    tmp_path: Path, holder: tuple[multiprocessing.Process, Connection]
) -> None:
    process, _ = holder
    os.kill(process.pid or 0, signal.SIGKILL)
    process.join()
    with hold_lock(tmp_path / "a" / "lock", waiting=lambda: pytest.fail("it is held")):
        pass


def test_waiting_can_be_given_up(tmp_path: Path, holder: tuple[multiprocessing.Process, Connection]) -> None:
    process, pipe = holder

    def give_up() -> None:
        raise InterruptedError

    with pytest.raises(InterruptedError), hold_lock(tmp_path / "a" / "lock", check=give_up):
        pytest.fail("it is held")
    pipe.send("go")
    process.join()
