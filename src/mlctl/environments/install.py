"""Makes one virtual environment and installs into it: the slow part of `builder`, loaded only when building."""

from __future__ import annotations

import os
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import BinaryIO

from mlctl.entities.environment import Requirements
from mlctl.environments.failures import explain_failure
from mlctl.environments.interpreters import Interpreter
from mlctl.environments.pip_settings import uv_environment
from mlctl.environments.process import Outcome, run_logged, write_line
from mlctl.environments.uv import find_uv, obtain_uv
from mlctl.errors import UnavailableError
from mlctl.settings import Settings

Check = Callable[[], None] | None

# lines that pip allows in a requirements file and uv wants as options, or does by itself
_AS_OPTIONS = {"--pre": ["--prerelease=allow"], "--no-deps": ["--no-deps"], "--prefer-binary": [], "--upgrade": []}
_SEEDS = ("pip", "setuptools")


def install_environment(
    folder: Path,
    requirements: Requirements,
    interpreter: Interpreter,
    *,
    cache: Path,
    settings: Settings,
    arguments: Sequence[str],
    log: BinaryIO,
    check: Check = None,
) -> None:
    """Build the environment in `folder`, which must not exist. Raises InvalidSpecError, UnavailableError, OSError.

    It gets a pip (and, as from Python's own venv, setuptools before 3.12) out of the interpreter's ensurepip, which
    needs no network.
    """
    folder.parent.mkdir(parents=True, exist_ok=True)
    uv = obtain_uv(cache, settings, log, check=check) if requirements.packages else find_uv(cache, settings)
    environ = uv_environment(settings, cache)

    def run(*command: str) -> Outcome:
        return run_logged(command, log, environ=environ, cwd=folder.parent, check=check)

    if uv is None:
        _create_plainly(folder, interpreter, run)
        return
    outcome = run(str(uv), "venv", "--quiet", "--no-project", "--python", interpreter.executable, str(folder))
    if outcome.code != 0:
        raise explain_failure(outcome.lines, requirements, interpreter.version)
    install = [str(uv), "pip", "install", "--python", str(folder / "bin" / "python"), "--compile-bytecode"]
    if requirements.packages:
        lines, options = split_options(requirements.packages)
        listing = folder / "requirements.txt"
        listing.touch(mode=0o600)  # an index address may hold a password
        listing.write_text("\n".join(lines) + "\n", encoding="utf-8")
        outcome = run(*install, *options, *arguments, "-r", str(listing))
        if outcome.code != 0:
            raise explain_failure(outcome.lines, requirements, interpreter.version)
    _seed(folder, interpreter, install, run)


def download_python(request: str, cache: Path, settings: Settings, log: BinaryIO, check: Check = None) -> None:
    """Let uv download a Python for `request`. A failure is told in the log only: the nearest Python does then."""
    uv = obtain_uv(cache, settings, log, check=check)
    environ = {**uv_environment(settings, cache), "UV_PYTHON_DOWNLOADS": "manual"}
    outcome = run_logged(
        [str(uv), "python", "install", "--no-bin", request], log, environ=environ, cwd=cache, check=check
    )
    if outcome.code != 0:
        write_line(log, f"warning: uv could not download Python {request}")


def split_options(packages: Sequence[str]) -> tuple[list[str], list[str]]:
    """(lines for a requirements file, options for uv's command line)."""
    lines, options = [], []
    for line in packages:
        words = line.replace("=", " ", 1).split() if line.startswith("--") else [line]
        if words[0] in _AS_OPTIONS:
            options += _AS_OPTIONS[words[0]]
        elif words[0] == "--trusted-host" and len(words) > 1:
            options += ["--allow-insecure-host", words[1]]
        else:
            lines.append(line)
    return lines, options


def _create_plainly(folder: Path, interpreter: Interpreter, run: Callable[..., Outcome]) -> None:
    """Without uv, and without packages to install: Python's own venv."""
    outcome = run(interpreter.executable, "-I", "-m", "venv", str(folder))
    if outcome.code != 0:
        raise UnavailableError(
            f"Python {interpreter.version} ({interpreter.executable}) makes no virtual environment\n{outcome.text}",
            hint='install uv (pip install "mlctl[uv]"), or the venv package of your system (apt install python3-venv)',
        )


def _seed(folder: Path, interpreter: Interpreter, install: list[str], run: Callable[..., Outcome]) -> None:
    """Give the environment pip and, where Python brings it, setuptools, unless the packages did so already."""
    packages = folder / "lib" / f"python{interpreter.minor}" / "site-packages"
    missing = [name for name in _SEEDS if not any(packages.glob(f"{name}-*.dist-info"))]
    wheels = [
        os.fspath(wheel)
        for name in missing
        for wheel in (sorted(Path(interpreter.wheels).glob(f"{name}-*.whl"))[-1:] if interpreter.wheels else ())
    ]
    if wheels:
        run(*install, "--quiet", "--offline", "--no-config", "--no-deps", "--no-index", *wheels)
    if not any(packages.glob("pip-*.dist-info")):
        outcome = run(*install, "--quiet", "pip")
        if outcome.code != 0:
            raise UnavailableError(
                f"the environment gets no pip: Python {interpreter.version} brings none, and none can be fetched\n"
                + outcome.text,
                hint="install the venv package of your system (apt install python3-venv), or check the network",
            )
