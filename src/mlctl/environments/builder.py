"""Builds a Python environment once per machine, and a thin layer over it for each job.

    <cache>/environments/<digest>/                   a virtual environment
    <cache>/environments/<digest>/environment.json   written last: what it holds; without it the folder is rubbish
    <cache>/environments/<digest>.lock               held while it is built

The digest covers packages, interpreter and machine. A virtual environment has absolute paths in it, so it is built in
place rather than renamed.
"""

from __future__ import annotations

import contextlib
import errno
import hashlib
import json
import os
import re
import shlex
import shutil
import sys
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import BinaryIO

from mlctl.entities.environment import Requirements
from mlctl.environments.interpreters import Choice, Interpreter, find_interpreter
from mlctl.environments.overlay import Overlay, create_overlay
from mlctl.errors import UnavailableError
from mlctl.settings import Settings

_FORMAT = 1
_MARKER = "environment.json"
_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]*")


@dataclass(frozen=True, slots=True)
class BuiltEnvironment:
    """An environment that is ready. `folder`: absolute. `python_version`: "3.11.7". `interpreter`: what it stands on.

    `warnings`: those of the requirements, and what had to be taken instead of what was asked. `cached`: it was there.
    """

    folder: Path
    python_version: str
    warnings: tuple[str, ...]
    cached: bool
    interpreter: str

    @property
    def python(self) -> Path:
        """The environment's own interpreter. Jobs use that of an overlay instead."""
        return self.folder / "bin" / "python"


class EnvironmentBuilder:
    """Builds environments below `cache`; many processes may use the same cache at once."""

    def __init__(self, cache: Path, settings: Settings) -> None:
        self._cache = cache.resolve()  # several homes may share a cache through links
        self._settings = settings
        self._arguments = tuple(shlex.split(settings.text("environments.pip_arguments") or ""))

    def ensure(
        self, requirements: Requirements, log: BinaryIO, *, check: Callable[[], None] | None = None
    ) -> BuiltEnvironment:
        """The environment for `requirements`, built first if it is not there yet.

        `log` takes what was asked for and what uv says. `check` is called a few times a second while something is
        built or waited for, and may raise to give up. Raises InvalidSpecError when packages cannot be had (named),
        UnavailableError for network, disk and missing Python.
        """
        with _disk_errors(requirements.origin):
            choice = self._choose_python(requirements, log, check)
            warnings = requirements.warnings + ((choice.warning,) if choice.warning else ())
            folder = self._folder(requirements, choice.interpreter)
            cached = is_complete(folder)
            if cached:
                with contextlib.suppress(OSError):  # a cache that others own
                    os.utime(folder / _MARKER)  # when it was last used: 'mlctl gc --caches' looks at it
                _say(log, f"Environment for {requirements.origin}: ready in {folder}")
            else:
                cached = self._build_locked(folder, requirements, choice, log, check)
        return BuiltEnvironment(folder, choice.interpreter.version, warnings, cached, choice.interpreter.executable)

    def overlay(self, built: BuiltEnvironment, target: Path) -> Overlay:
        """A job's own environment `target` over a built one; see `mlctl.environments.overlay`."""
        with _disk_errors(str(target)):
            return create_overlay(
                built.folder, target.absolute(), interpreter=built.interpreter, version=built.python_version
            )

    def _choose_python(self, requirements: Requirements, log: BinaryIO, check: Callable[[], None] | None) -> Choice:
        environ = self._settings.environ
        choice = find_interpreter(requirements.python, cache=self._cache, environ=environ)
        if choice.warning and requirements.python and self._settings.flag("environments.python_downloads"):
            from mlctl.environments.install import download_python

            download_python(requirements.python, self._cache, self._settings, log, check)
            choice = find_interpreter(requirements.python, cache=self._cache, environ=environ)
        return choice

    def _folder(self, requirements: Requirements, interpreter: Interpreter) -> Path:
        parts = {
            "format": _FORMAT,
            "packages": normalise_packages(requirements.packages),
            "arguments": self._arguments,
            "python": [interpreter.version, interpreter.executable],
            "machine": [sys.platform, os.uname().machine],
        }
        digest = hashlib.sha256(json.dumps(parts, sort_keys=True).encode()).hexdigest()[:32]
        return self._cache / "environments" / digest

    def _build_locked(
        self,
        folder: Path,
        requirements: Requirements,
        choice: Choice,
        log: BinaryIO,
        check: Callable[[], None] | None,
    ) -> bool:
        """Build under the lock; True when another process had done it meanwhile."""
        from mlctl.environments.install import install_environment
        from mlctl.environments.locks import hold_lock

        def tell_waiting() -> None:
            _say(log, f"Environment for {requirements.origin}: another process is building it; waiting")

        with hold_lock(folder.with_suffix(".lock"), waiting=tell_waiting, check=check):
            if is_complete(folder):
                _say(log, f"Environment for {requirements.origin}: ready in {folder}")
                return True
            started = time.monotonic()
            _announce(log, requirements, choice)
            shutil.rmtree(folder, ignore_errors=True)
            try:
                install_environment(
                    folder, requirements, choice.interpreter,
                    cache=self._cache, settings=self._settings, arguments=self._arguments, log=log, check=check,
                )  # fmt: skip
                _write_marker(folder, requirements, choice.interpreter)
            except BaseException:
                shutil.rmtree(folder, ignore_errors=True)
                raise
            _say(log, f"Environment ready after {time.monotonic() - started:.1f} s in {folder}")
        return False


def is_complete(folder: Path) -> bool:
    """Whether the environment in `folder` was built to its end, stands where it was built, and its Python is there."""
    try:
        facts = json.loads((folder / _MARKER).read_bytes())
        return facts["folder"] == str(folder) and Path(facts["interpreter"]).exists()
    except (OSError, ValueError, KeyError, TypeError):
        return False


@dataclass(frozen=True, slots=True)
class CachedEnvironment:
    """An environment in the cache, built to its end or not. `last_used`: seconds since the epoch."""

    folder: Path
    last_used: float


def cached_environments(cache: Path) -> list[CachedEnvironment]:
    """The environments below `cache`, longest unused first."""
    found = []
    for folder in (cache.resolve() / "environments").glob("*/"):
        marker = folder / _MARKER
        found.append(CachedEnvironment(folder, (marker if marker.exists() else folder).stat().st_mtime))
    return sorted(found, key=lambda environment: environment.last_used)


def remove_environment(folder: Path) -> None:
    """Remove an environment. One that is being built waits. Raises OSError."""
    from mlctl.environments.locks import hold_lock

    with hold_lock(folder.with_suffix(".lock")):
        (folder / _MARKER).unlink(missing_ok=True)  # from here on it is no environment
        shutil.rmtree(folder)


def normalise_packages(packages: tuple[str, ...]) -> list[str]:
    """Lines in a form that differs only when the environment would: spaces and case of names gone, names sorted.

    Options keep their order and come first. A local file or folder gets a stamp of its contents.
    """
    options, names = [], set()
    for line in packages:
        text = " ".join(line.split())
        if not text or text.startswith("#"):
            continue
        path = _local_path(text)
        if text.startswith("-") or path is not None:
            options.append(f"{text} {_stamp(path)}" if path else text)
        else:
            name = _NAME.match(text)
            end = name.end() if name else 0
            names.add(re.sub(r"[-_.]+", "-", text[:end]).lower() + re.sub(r"\s+(?!;)", "", text[end:]))
    return options + sorted(names)


def _local_path(line: str) -> Path | None:
    """The file or folder that a requirement line installs from, if it does so."""
    words = line.split()
    place = (
        words[1]
        if words[0] in ("--editable", "--constraint", "--find-links", "-e", "-c", "-r") and len(words) > 1
        else words[-1]
    )
    place = place.removeprefix("file://")
    return Path(place.partition("[")[0]) if place.startswith("/") else None


def _stamp(path: Path) -> str:
    """What a file holds, or newest change and number of files of a folder: a changed project is another environment."""
    if path.is_file():
        return hashlib.sha256(path.read_bytes()).hexdigest()
    newest, count = 0, 0
    for folder, folders, files in os.walk(path):
        folders[:] = [name for name in folders if not name.startswith(".") and name != "__pycache__"]
        for name in files:
            with contextlib.suppress(OSError):
                newest = max(newest, Path(folder, name).stat().st_mtime_ns)
                count += 1
    return f"{newest} {count}"


def _announce(log: BinaryIO, requirements: Requirements, choice: Choice) -> None:
    interpreter = choice.interpreter
    _say(log, f"Environment for {requirements.origin}: building it, once for this machine")
    for warning in (*requirements.warnings, *((choice.warning,) if choice.warning else ())):
        _say(log, f"warning: {warning}")
    _say(log, f"Python {requirements.python or '(any)'}: {interpreter.version} at {interpreter.executable}")
    for line in requirements.packages:
        _say(log, f"  {line}")


def _say(log: BinaryIO, text: str) -> None:
    from mlctl.environments.process import write_line

    write_line(log, text)


def _write_marker(folder: Path, requirements: Requirements, interpreter: Interpreter) -> None:
    from mlctl.environments.process import mask_secrets

    facts = {
        "folder": str(folder),
        "interpreter": interpreter.executable,
        "python": interpreter.version,
        "origin": requirements.origin,
        "packages": [mask_secrets(line) for line in requirements.packages],
        "built_at": time.time(),
    }
    temporary = folder / f"{_MARKER}.new"
    temporary.write_text(json.dumps(facts, indent=1), encoding="utf-8")
    temporary.replace(folder / _MARKER)


@contextlib.contextmanager
def _disk_errors(subject: str) -> Iterator[None]:
    """Full, read-only and forbidden disks as UnavailableError."""
    try:
        yield
    except OSError as error:
        if error.errno in (errno.ENOSPC, errno.EDQUOT):
            raise UnavailableError(
                f"no space left on the disk for the environment of {subject}",
                hint="free some space, or move mlctl's home (MLCTL_HOME) to a larger disk",
            ) from error
        if error.errno in (errno.EACCES, errno.EPERM, errno.EROFS):
            raise UnavailableError(
                f"cannot write '{error.filename}' for the environment of {subject}: {error.strerror}",
                hint="give yourself the right to write there, or set MLCTL_HOME to a folder of your own",
            ) from error
        raise
