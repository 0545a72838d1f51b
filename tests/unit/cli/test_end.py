"""How the process ends: at once, and with nothing left undone."""

from __future__ import annotations

import subprocess
import sys

START = "import atexit, sys, threading, time; from mlctl.cli import run; sys.argv = ['mlctl', '--version']; "


def ended(code: str) -> subprocess.CompletedProcess[str]:
    """What a program wrote that did something and then was mlctl."""
    return subprocess.run([sys.executable, "-c", START + code], capture_output=True, text=True, check=False)


def test_what_was_registered_for_the_end_is_called_once() -> None:
    done = ended("atexit.register(print, 'registered'); run()")
    assert (done.returncode, done.stderr) == (0, "")
    assert done.stdout.splitlines()[1:] == ["registered"]


def test_the_interpreter_is_not_taken_apart() -> None:
    kept = "class Kept:\n    def __del__(self): print('freed')\n"
    code = START + f"exec({kept!r}); kept = Kept(); "
    done = subprocess.run([sys.executable, "-c", code + "run()"], capture_output=True, text=True, check=False)
    assert "freed" not in done.stdout
    usual = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)
    assert "freed" in usual.stdout


def test_a_thread_that_still_runs_is_waited_for() -> None:
    wait = "time.sleep(0.2), print('thread')"
    done = ended(f"threading.Thread(target=lambda: ({wait})).start(); run()")
    assert done.returncode == 0
    assert done.stdout.splitlines()[1:] == ["thread"]


def test_the_code_of_an_error_is_that_of_the_process() -> None:
    done = ended("sys.argv = ['mlctl', 'no-such-command']; run()")
    assert done.returncode == 2
    assert "no-such-command" in done.stderr
