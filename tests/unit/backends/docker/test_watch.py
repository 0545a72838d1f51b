"""How a container ended, also when the engine went away."""

from __future__ import annotations

import threading
from pathlib import Path
from typing import Any

import pytest

from mlctl.backends.docker.client import EngineGoneError
from mlctl.backends.docker.watch import Watch
from mlctl.backends.supervised.runner import Exit
from mlctl.errors import NotFoundError

GONE = EngineGoneError("cannot wait for the container: connection refused")


class FakeEngine:
    """Answers `wait` from a list; the last answer stays. `state` is the container's afterwards."""

    def __init__(self, *answers: Any, state: Any = None, words: str = "") -> None:
        self._answers = list(answers)
        self._state = state or {}
        self._words = words

    def again(self) -> FakeEngine:
        return self

    def close(self) -> None:
        """Nothing is open."""

    def wait(self, _container: str) -> int:
        answer = self._answers.pop(0) if len(self._answers) > 1 else self._answers[0]
        if isinstance(answer, Exception):
            raise answer
        return int(answer)

    def inspect(self, _container: str) -> dict[str, Any]:
        return {"State": self._state}

    def words(self, _container: str) -> str:
        return self._words


def _wait(engine: FakeEngine, record: Path, *, stopping: bool = False, patience: float = 0.0) -> Exit:
    stop = threading.Event()
    if stopping:
        stop.set()
    return Watch(engine, "c", 3, record, patience, threading.Event(), stop).wait()  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("engine", "record", "expected"),
    [
        (FakeEngine(0), "code 0\n", (0, None)),
        (FakeEngine(4), "code 4\n", (4, None)),
        (FakeEngine(137), "memory oom_kill 1\ncode 137\n", (137, "OutOfMemory")),
        (FakeEngine(1), "memory oom_kill 2\ncode 1\n", (1, "OutOfMemory")),
        (FakeEngine(0), "memory oom_kill 2\ncode 0\n", (0, None)),
        (FakeEngine(137, state={"OOMKilled": True}), "", (137, "OutOfMemory")),
        (FakeEngine(137), "", (137, "Killed")),
        (FakeEngine(2, words="mlctl: cannot create log"), "", (2, "ContainerFailed")),
        (FakeEngine(127, state={"Error": "no entry"}), "", (127, "ContainerFailed")),
        (FakeEngine(NotFoundError("gone")), "", (None, "EngineLost")),
        (FakeEngine(NotFoundError("gone")), "code 5\n", (5, None)),
        (FakeEngine(GONE), "", (None, "EngineLost")),
        (FakeEngine(GONE), "code 6\n", (6, None)),
        (FakeEngine(ValueError("a bug")), "", (None, "EngineLost")),
    ],
)
def test_endings(tmp_path: Path, engine: FakeEngine, record: str, expected: tuple[int | None, str | None]) -> None:
    file = tmp_path / "record"
    if record:
        file.write_text(record)
    found = _wait(engine, file)
    assert (found.rank, found.code, found.reason) == (3, *expected)
    assert bool(found.message) == bool(found.reason)


def test_an_engine_that_comes_back_still_knows_the_end(tmp_path: Path) -> None:
    assert _wait(FakeEngine(GONE, 137), tmp_path / "none", patience=0.05).reason == "EngineLost"
    (tmp_path / "record").write_text("code 9\n")
    assert _wait(FakeEngine(GONE, 9), tmp_path / "record", patience=0.05) == Exit(3, 9)


def test_a_job_that_was_told_to_end_needs_no_reason(tmp_path: Path) -> None:
    assert _wait(FakeEngine(137), tmp_path / "none", stopping=True) == Exit(3, 137)
