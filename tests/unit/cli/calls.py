"""Calls of the command line inside the test's process."""

from __future__ import annotations

import io
import json
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any, NamedTuple
from unittest.mock import patch

from mlctl.cli import main
from mlctl.context import Context
from mlctl.output.streams import Streams
from mlctl.settings import load


class Answer(NamedTuple):
    """What a call gave; bytes that are no UTF-8 show as surrogates."""

    code: int
    out: str
    err: str

    @property
    def json(self) -> Any:
        """The result document."""
        return json.loads(self.out)


Call = Callable[..., Answer]


def run_words(*words: str, environ: Mapping[str, str], cwd: Path) -> Answer:
    """One command line, with exactly these variables."""
    out, err = (io.TextIOWrapper(io.BytesIO(), encoding="utf-8") for _ in range(2))
    context = Context(settings=load(environ=environ, cwd=cwd), streams=Streams(out, err))
    with patch("sys.stdout", out):  # the parser writes its help to the process's own stdout
        code = main(list(words), context=context)
    return Answer(code, _text(out), _text(err))


def _text(stream: io.TextIOWrapper) -> str:
    stream.flush()
    buffer = stream.buffer
    assert isinstance(buffer, io.BytesIO)
    return buffer.getvalue().decode("utf-8", "surrogateescape")
