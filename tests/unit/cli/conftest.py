"""`call`: the command line inside this process, with a home of its own."""

from __future__ import annotations

from pathlib import Path

import pytest
from tests.unit.cli.calls import Answer, Call, run_words


@pytest.fixture
def call(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Call:
    """`call("workspace", "list", MLCTL_OUTPUT="tsv")` runs one command line in an empty folder."""
    folder = tmp_path / "project"
    folder.mkdir()
    monkeypatch.chdir(folder)

    def run(*words: str, **environ: str) -> Answer:
        variables = {"HOME": str(tmp_path), "MLCTL_HOME": str(tmp_path / "home"), **environ}
        return run_words(*words, environ=variables, cwd=folder)

    return run
