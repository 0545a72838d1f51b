"""The start-up gate: what each command may load.

Modules outside the standard library and the list below make a command slow for everybody, so adding one is a decision
that shows in a diff of this file. Times are measured by `nox -s bench`; modules do not depend on the machine.
"""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

BASE = {"mlctl", "typer", "annotated_doc", "shellingham", "typing_extensions"}
"""What typer itself brings."""

HEAVY_STANDARD = {
    "asyncio", "concurrent", "ctypes", "email", "http", "multiprocessing", "sqlite3", "ssl", "tarfile", "unittest",
    "urllib.request", "xml", "zipfile",
}  # fmt: skip
"""Parts of the standard library that cost more than a few milliseconds."""

STORE = {"sqlite3"}

COMMANDS: dict[str, set[str]] = {
    "--help": set(),
    "--version": set(),
    "job --help": STORE,
    "job create --help": STORE,
    "compute --help": set(),
    "compute create --help": set(),
    "workspace create --help": set(),
    "job list": STORE,
    "job list --query length(@) -o tsv": STORE | {"jmespath"},
    "job list -o table": STORE,
    "compute list": STORE,
    "datastore --help": set(),
    "datastore list": STORE,
    "connection list": STORE,
    "workspace list": STORE,
    "workspace verify": STORE,
    "gc --plan": STORE,
    "workspace show -o yaml": STORE | {"cython_runtime", "yaml"},
    "registry create --help": STORE,
    "registry list": STORE,
    "config list": set(),
    "config get core.output": set(),
    "configure --list-defaults": set(),
    "version": set(),
    "__complete -- job sh": STORE,
    "__complete -- compute show -n ": STORE,
}
"""Command -> what it may load beyond the base."""

# `-X importtime` would tell the same, but only as text
_DUMP = """
import atexit, os, sys
before = set(sys.modules)
def dump():
    names = sorted(set(sys.modules) - before)
    with open(os.environ["MODULES"], "w") as file:
        file.write("\\n".join(names))
atexit.register(dump)
from mlctl.start import run
run()
"""


@pytest.mark.parametrize("command", COMMANDS)
def test_a_command_loads_what_it_needs_and_no_more(command: str, tmp_path: Path) -> None:
    loaded = _modules(command.split(" "), tmp_path)
    allowed = BASE | COMMANDS[command]
    tops = {name.partition(".")[0] for name in loaded if not name.startswith("_")}
    foreign = tops - set(sys.stdlib_module_names) - allowed
    heavy = {name for name in HEAVY_STANDARD - allowed if name in loaded}
    assert not foreign, f"mlctl {command} loads {sorted(foreign)}"
    assert not heavy, f"mlctl {command} loads {sorted(heavy)}"


def test_root_help_imports_no_group(tmp_path: Path) -> None:
    own = {name for name in _modules(["--help"], tmp_path) if name.startswith("mlctl")}
    assert own == {
        "mlctl", "mlctl.cli", "mlctl.cli.groups", "mlctl.cli.lazy", "mlctl.context", "mlctl.errors", "mlctl.output",
        "mlctl.output.streams", "mlctl.start",
    }  # fmt: skip


def test_a_group_imports_no_other_group(tmp_path: Path) -> None:
    loaded = _modules(["compute", "list"], tmp_path)
    assert "mlctl.cli.compute" in loaded
    assert not loaded & {"mlctl.cli.job", "mlctl.cli.workspace", "mlctl.backends.local", "mlctl.backends.docker"}


def _modules(words: list[str], home: Path) -> set[str]:
    place = home / "modules"
    environ = {**os.environ, "MLCTL_HOME": str(home), "MODULES": str(place)}
    done = subprocess.run(
        [sys.executable, "-c", _DUMP, *words], env=environ, cwd=home, capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stderr
    return set(place.read_text().splitlines())
