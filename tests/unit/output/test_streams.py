"""stdout and stderr: bytes as they are, nothing that fails because of what is written."""

from __future__ import annotations

import io
import os

import pytest

from mlctl.errors import UnavailableError
from mlctl.output.streams import Level, Say, Streams


def stream(encoding: str = "utf-8") -> io.TextIOWrapper:
    return io.TextIOWrapper(io.BytesIO(), encoding=encoding)


def written(target: io.TextIOWrapper) -> bytes:
    buffer = target.buffer
    assert isinstance(buffer, io.BytesIO)
    return buffer.getvalue()


def test_odd_text_never_fails() -> None:
    out = stream("ascii")
    Streams(out).write_result("é😀\n")
    assert written(out) == b"\\xe9\\U0001f600\n"


def test_bytes_that_came_in_as_surrogates_go_out_as_they_were() -> None:
    out = stream()
    Streams(out).write_result("x\udcff\n")
    Streams(out).write_output(b"\xfe\n")
    assert written(out) == b"x\xff\n\xfe\n"


def test_ascii_only_tells_narrow_encodings() -> None:
    assert Streams(stream("ascii")).ascii_only
    assert not Streams(stream("utf-8")).ascii_only


def test_full_disk_is_one_clear_sentence() -> None:
    with open("/dev/full", "w") as full, pytest.raises(UnavailableError, match="No space left"):
        Streams(full).write_result("x" * 10)


def test_closed_pipe_is_a_broken_pipe_and_can_be_abandoned() -> None:
    reader, writer = os.pipe()
    os.close(reader)
    with os.fdopen(writer, "w") as closed:
        streams = Streams(closed, stream())
        with pytest.raises(BrokenPipeError):
            streams.write_result("x")
        streams.abandon()


@pytest.mark.parametrize(
    ("level", "expected"),
    [
        (Level.ERROR, ["e", "hint: h"]),
        (Level.WARNING, ["e", "hint: h", "warning: w", "n"]),
        (Level.INFO, ["e", "hint: h", "warning: w", "n", "i"]),
        (Level.DEBUG, ["e", "hint: h", "warning: w", "n", "i", "debug: d"]),
    ],
)
def test_levels(level: Level, expected: list[str]) -> None:
    err = stream()
    say = Say(Streams(stream(), err), level=level)
    say.error("e")
    say.hint("h")
    say.warning("w")
    say.note("n")
    say.info("i")
    say.debug("d")
    assert written(err).decode().splitlines() == expected


def test_progress_is_silent_without_a_terminal() -> None:
    err = stream()
    with Say(Streams(stream(), err)).progress("working") as update:
        update("still working")
    assert written(err) == b""
