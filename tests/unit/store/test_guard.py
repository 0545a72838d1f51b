from __future__ import annotations

import os
import threading
from pathlib import Path

import pytest

from mlctl.errors import UnavailableError
from mlctl.store.guard import Guard


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "content/lock"


def is_free(path: Path) -> bool:
    """Whether somebody may remove now."""
    try:
        with Guard(path, patience=0).alone():
            return True
    except UnavailableError:
        return False


def test_a_block_keeps_others_from_removing(path: Path) -> None:
    guard = Guard(path)
    with guard.adding(), guard.adding(), Guard(path).adding():
        guard.keep()
        assert not is_free(path)
    assert is_free(path)


def test_what_is_kept_is_kept_until_released(path: Path) -> None:
    guard = Guard(path)
    guard.keep()
    guard.keep()
    with guard.adding():
        pass
    assert not is_free(path)
    guard.release()
    guard.release()
    assert is_free(path)
    guard.keep()
    del guard
    assert is_free(path)


def test_a_block_of_one_thread_does_not_stand_for_another(path: Path) -> None:
    guard = Guard(path)
    with guard.adding():
        thread = threading.Thread(target=guard.keep)
        thread.start()
        thread.join()
    assert not is_free(path)


def test_nobody_adds_while_somebody_removes(path: Path) -> None:
    late = Guard(path, patience=0)
    with Guard(path).alone(), pytest.raises(UnavailableError, match="'mlctl gc' is removing from"), late.adding():
        pass
    with Guard(path, patience=0).adding():
        pass


def test_a_process_that_ends_holds_nothing(path: Path) -> None:
    guard = Guard(path)
    guard.keep()
    reading, writing = os.pipe()
    child = os.fork()
    if child == 0:
        mine = Guard(path)
        mine.keep()
        os.write(writing, b"x")
        os.kill(os.getpid(), 9)
    assert os.read(reading, 1) == b"x"
    os.waitpid(child, 0)
    assert not is_free(path)
    guard.release()
    assert is_free(path)


def test_a_file_system_without_locks_adds_and_does_not_remove(path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(descriptor: int, kind: int) -> None:
        raise OSError(95, "Operation not supported")

    monkeypatch.setattr("fcntl.flock", refuse)
    with Guard(path).adding():
        pass
    with pytest.raises(UnavailableError, match="has no locks"), Guard(path).alone():
        pass
