"""Fixtures for tests that run the installed program: a home of their own, and one environment cache for all."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path
from typing import Any

import pytest

_SLOW = ("contract", "scripts", "live")
"""Folders whose tests come after all others, in this order."""

HELLO = "command: echo hello\nenvironment:\n  image: library/python:latest\n"


class Mlctl:
    """The program as a user calls it, with a home of its own."""

    def __init__(self, home: Path, folder: Path) -> None:
        self.home = home
        self.folder = folder
        self.environ = {**os.environ, "MLCTL_HOME": str(home)}
        for name in [name for name in self.environ if name.startswith(("MLCTL_", "AZURE_")) and name != "MLCTL_HOME"]:
            del self.environ[name]

    @property
    def workspace(self) -> Path:
        """Folder of the default workspace."""
        return self.home / "workspaces" / "default"

    def start(self, *words: str, **options: Any) -> subprocess.Popen[bytes]:
        """The call, running."""
        pipes = {"stdout": subprocess.PIPE, "stderr": subprocess.PIPE}
        return subprocess.Popen(
            [sys.executable, "-m", "mlctl", *words], env=self.environ, cwd=self.folder, **{**pipes, **options}
        )

    def __call__(self, *words: str, code: int = 0, timeout: float = 120) -> subprocess.CompletedProcess[str]:
        """The call, ended; its exit code must be `code`."""
        done = subprocess.run(
            [sys.executable, "-m", "mlctl", *words],
            env=self.environ,
            cwd=self.folder,
            capture_output=True,
            encoding="utf-8",
            errors="backslashreplace",
            check=False,
            timeout=timeout,
        )
        assert done.returncode == code, (
            f"exit {done.returncode}, not {code}\n{done.stdout[-3000:]}\n{done.stderr[-3000:]}"
        )
        return done

    def json(self, *words: str, code: int = 0, timeout: float = 120) -> Any:
        """What the call wrote to stdout, which must be one JSON document and nothing else."""
        return json.loads(self(*words, code=code, timeout=timeout).stdout)

    def job(self, command: str, **more: Any) -> Path:
        """A job file with that command; further keys are put in as they are. JSON is YAML."""
        data = {"command": command, "environment": {"image": "library/python:latest"}, **more}
        path = self.folder / "job.yml"
        path.write_text(json.dumps(data))
        return path

    def run(self, command: str, *words: str, code: int = 0, **more: Any) -> Any:
        """Create the job, wait for it, and give it back as JSON."""
        return self.json("job", "create", "-f", str(self.job(command, **more)), "--stream", *words, code=code)

    def log(self, name: str) -> str:
        """The job's log."""
        return self("job", "stream", "-n", name, "--no-follow").stdout


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Fast tests first."""
    tests = Path(__file__).parent

    def place(item: pytest.Item) -> int:
        folder = item.path.relative_to(tests).parts[0] if item.path.is_relative_to(tests) else ""
        return _SLOW.index(folder) + 1 if folder in _SLOW else 0

    items.sort(key=place)


@pytest.fixture(autouse=True, scope="session")
def interruptible() -> None:
    """A shell that starts a command in the background makes it, and all below it, deaf to Ctrl-C."""
    signal.signal(signal.SIGINT, signal.default_int_handler)


@pytest.fixture(scope="session")
def cache(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Environments are built once for the whole run."""
    return tmp_path_factory.mktemp("cache")


@pytest.fixture
def mlctl(tmp_path: Path, cache: Path) -> Iterator[Mlctl]:
    """The program with a fresh home; whatever it left running is ended after the test."""
    home = tmp_path / "home"
    home.mkdir()
    (home / "cache").symlink_to(cache)
    folder = tmp_path / "project"
    folder.mkdir()
    yield Mlctl(home, folder)
    end_processes_of(home)


def end_processes_of(home: Path) -> None:
    """Kill supervisors and jobs that belong to `home`."""
    needle = os.fsencode(home)
    for entry in Path("/proc").glob("[0-9]*"):
        with suppress(OSError):
            text = (entry / "cmdline").read_bytes() + (entry / "environ").read_bytes()
            if int(entry.name) != os.getpid() and needle in text:
                os.kill(int(entry.name), signal.SIGKILL)
