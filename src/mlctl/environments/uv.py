"""The uv program: where it is, and getting it when it is nowhere. It is no dependency: it would triple mlctl's size."""

from __future__ import annotations

import os
import shutil
import sys
from collections.abc import Callable
from pathlib import Path
from typing import BinaryIO

from mlctl.environments.interpreters import base_interpreter, probe_interpreter
from mlctl.environments.locks import hold_lock
from mlctl.environments.process import run_logged, write_line
from mlctl.errors import UnavailableError
from mlctl.settings import Settings

_REQUIREMENT = "uv>=0.5"


def find_uv(cache: Path, settings: Settings) -> Path | None:
    """The uv to use: setting environments.uv, the `uv` package beside mlctl, PATH, `<cache>/tools`; None when nowhere.

    Raises UnavailableError when the setting names a file that is not there.
    """
    chosen = settings.get("environments.uv")
    if chosen.value:
        path = Path(chosen.value).expanduser()
        if not os.access(path, os.X_OK) or path.is_dir():
            raise UnavailableError(f"setting environments.uv names '{path}', which is no program ({chosen.source})")
        return path
    packaged = _packaged_uv()
    if packaged is not None:
        return packaged
    on_path = shutil.which("uv", path=settings.environ.get("PATH", os.defpath))
    if on_path and "shims" not in Path(on_path).parts:
        return Path(on_path)
    fetched = [path for path in (cache / "tools").glob("uv-*/bin/uv") if os.access(path, os.X_OK)]
    return max(fetched, key=lambda path: path.stat().st_mtime, default=None)


def obtain_uv(cache: Path, settings: Settings, log: BinaryIO, *, check: Callable[[], None] | None = None) -> Path:
    """The uv to use; put into `<cache>/tools/uv-<version>` with pip when there is none. Raises UnavailableError."""
    found = find_uv(cache, settings)
    if found is not None:
        return found
    with hold_lock(cache / "tools" / "uv.lock", check=check):
        return find_uv(cache, settings) or _fetch_uv(cache / "tools", settings, log, check)


def _packaged_uv() -> Path | None:
    """The program that the `uv` package brings, wherever pip put it."""
    from importlib import import_module

    try:
        path = Path(import_module("uv").find_uv_bin())
    except (ImportError, AttributeError, FileNotFoundError):
        return None
    return path if os.access(path, os.X_OK) else None


def _fetch_uv(tools: Path, settings: Settings, log: BinaryIO, check: Callable[[], None] | None) -> Path:
    write_line(log, "uv is not on this machine; fetching it with pip, once")
    pip = _find_pip()
    if pip is None:
        raise _no_uv("there is no pip to fetch it with")
    fresh = tools / f"new-{os.getpid()}"
    shutil.rmtree(fresh, ignore_errors=True)
    dropped = ("PIP_TARGET", "PIP_PREFIX", "PIP_USER", "PIP_REQUIRE_VIRTUALENV", "PYTHONHOME", "PYTHONPATH")
    environ = {name: value for name, value in settings.environ.items() if name not in dropped}
    options = ["--no-deps", "--only-binary=:all:", "--disable-pip-version-check", "--no-input", "--progress-bar=off"]
    try:
        outcome = run_logged(
            [*pip, "install", *options, "--target", str(fresh), _REQUIREMENT],
            log, environ=environ, cwd=tools, check=check,
        )  # fmt: skip
        if outcome.code != 0:
            raise _no_uv(next((line for line in reversed(outcome.lines) if line.strip()), "pip failed"))
        facts = next(fresh.glob("uv-*.dist-info"), None)
        if facts is None or not (fresh / "bin" / "uv").exists():
            raise _no_uv("the package that pip fetched has no uv program for this machine")
        place = tools / facts.name.removesuffix(".dist-info")
        shutil.rmtree(place, ignore_errors=True)
        fresh.rename(place)
    finally:
        shutil.rmtree(fresh, ignore_errors=True)
    return place / "bin" / "uv"


def _find_pip() -> list[str] | None:
    """A command that is pip: that of mlctl's environment, else the wheel that ensurepip carries (it runs by itself)."""
    from importlib.util import find_spec

    if find_spec("pip") is not None:
        return [sys.executable, "-m", "pip"]
    own = base_interpreter()
    probed = probe_interpreter(own)
    wheels = sorted(Path(probed[0].wheels).glob("pip-*.whl")) if probed and probed[0].wheels else []
    return [own, str(wheels[-1] / "pip")] if wheels else None


def _no_uv(reason: str) -> UnavailableError:
    return UnavailableError(
        f"uv, which builds environments, is not on this machine and could not be fetched: {reason}",
        hint='pip install "mlctl[uv]", or name an existing one: mlctl config set environments.uv=/path/to/uv',
    )
