from __future__ import annotations

import io
import os
import sys
import time
from pathlib import Path

import pytest

from mlctl.environments.process import mask_secrets, run_logged


def test_both_streams_reach_the_log_line_by_line(tmp_path: Path) -> None:
    log = io.BytesIO()
    script = (
        "import sys; print('one', flush=True); print('two', file=sys.stderr, flush=True); sys.stdout.write('three')"
    )
    outcome = run_logged([sys.executable, "-c", script], log, environ=os.environ, cwd=tmp_path)
    assert outcome.code == 0
    assert outcome.lines == ("one", "two", "three")
    assert log.getvalue().endswith(b"one\ntwo\nthree\n")
    assert log.getvalue().startswith(b"$ ")


def test_exit_code_and_only_the_last_lines_are_kept(tmp_path: Path) -> None:
    log = io.BytesIO()
    script = "for i in range(1000): print('line', i)\nraise SystemExit(3)"
    outcome = run_logged([sys.executable, "-c", script], log, environ=os.environ, cwd=tmp_path)
    assert outcome.code == 3
    assert len(outcome.lines) < 100
    assert outcome.text.endswith("line 998\nline 999")
    assert log.getvalue().count(b"\n") >= 1000


def test_passwords_in_addresses_are_masked(tmp_path: Path) -> None:
    assert (
        mask_secrets("--index-url https://user:secret@example.com/simple")
        == "--index-url https://****@example.com/simple"
    )
    assert mask_secrets("git+https://token@example.com/x and a@b") == "git+https://****@example.com/x and a@b"
    log = io.BytesIO()
    run_logged([sys.executable, "-c", "print('https://u:secret@h/')"], log, environ=os.environ, cwd=tmp_path)
    assert b"secret" not in log.getvalue()


def test_bytes_that_are_no_text_do_no_harm(tmp_path: Path) -> None:
    script = "import os; os.write(1, b'caf\\xe9\\n')"
    outcome = run_logged([sys.executable, "-c", script], io.BytesIO(), environ=os.environ, cwd=tmp_path)
    assert outcome.lines == ("caf\N{REPLACEMENT CHARACTER}",)


def test_giving_up_kills_the_child(tmp_path: Path) -> None:
    def give_up() -> None:
        if (tmp_path / "started").exists():
            raise InterruptedError

    script = "import pathlib, time; pathlib.Path('started').touch(); time.sleep(60)"
    started = time.monotonic()
    with pytest.raises(InterruptedError):
        run_logged([sys.executable, "-c", script], io.BytesIO(), environ=os.environ, cwd=tmp_path, check=give_up)
    assert time.monotonic() - started < 20
