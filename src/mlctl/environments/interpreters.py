"""Finding a Python interpreter to build on: never a virtual environment, never mlctl's own.

Directories are listed rather than asked through `uv python find` first: shims of version managers on PATH may be there
and not work, and uv stops at them. What was found is kept in `<cache>/interpreters.json`, so that a second look costs
one `stat`.
"""

from __future__ import annotations

import hashlib
import json
import os
import re
import sys
from collections.abc import Iterator, Mapping
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from mlctl.environments.python_versions import accepts_python, rank_nearest
from mlctl.errors import UnavailableError

_NAME = re.compile(r"python3\.(\d+)")
_OLDEST_MINOR = 7
_PROBE_SECONDS = 30
_CONDA_FOLDERS = ("miniconda3", "miniforge3", "mambaforge", "anaconda3")
_PROBE = """
import json, os, sys, sysconfig
wheels = sysconfig.get_config_var("WHEEL_PKG_DIR") or ""
if not wheels:
    wheels = os.path.join(sysconfig.get_path("stdlib"), "ensurepip", "_bundled")
print(json.dumps({
    "version": list(sys.version_info[:3]),
    "final": sys.version_info[3] == "final",
    "usable": sys.implementation.name == "cpython" and sys.prefix == sys.base_prefix
              and not sysconfig.get_config_var("Py_GIL_DISABLED"),
    "executable": sys.executable,
    "wheels": wheels if os.path.isdir(wheels) else "",
}))
"""


@dataclass(frozen=True, slots=True)
class Interpreter:
    """A Python of this machine. `version`: "3.11.7". `wheels`: folder with the pip wheel of its ensurepip, or ""."""

    executable: str
    version: str
    wheels: str = ""

    @property
    def minor(self) -> str:
        """Major and minor version: "3.11"."""
        return ".".join(self.version.split(".")[:2])


@dataclass(frozen=True, slots=True)
class Choice:
    """The interpreter for a request; `warning` says so when it is not what was asked for."""

    interpreter: Interpreter
    warning: str | None = None


def base_interpreter() -> str:
    """The Python that mlctl's own environment was made with; before 3.11 the interpreter itself does not say."""
    told = getattr(sys, "_base_executable", None) or sys.executable
    if told != sys.executable or sys.prefix == sys.base_prefix:
        return str(told)
    version = f"python{sys.version_info[0]}.{sys.version_info[1]}"
    beside = [Path(sys.base_prefix) / "bin" / name for name in (version, "python3", "python")]
    return next((str(path) for path in beside if path.exists()), str(told))


def find_interpreter(request: str | None, *, cache: Path, environ: Mapping[str, str]) -> Choice:
    """The Python for `request` ("3.10", ">=3.9,<3.12"), or mlctl's own base interpreter for None.

    When none fits, the nearest newer minor version, else the nearest older one, with a warning. Raises
    UnavailableError when there is no usable Python at all, InvalidSpecError when `request` is no version.
    """
    own = base_interpreter()
    key = request or f"own {own}"
    remembered = _recall(cache, key, environ)
    if remembered is not None:
        return remembered
    choice = _choose(request, own, environ)
    if choice is None:
        raise UnavailableError(
            "no usable Python found on this machine to build an environment with",
            hint="install Python 3, or let uv download one: mlctl config set environments.python_downloads=yes",
        )
    _remember(cache, key, choice, environ)
    return choice


def probe_interpreter(executable: str) -> tuple[Interpreter, bool] | None:
    """Ask an interpreter about itself: (facts, is a final release). None when it does not run or cannot be used."""
    import subprocess

    try:
        answer = subprocess.run(
            [executable, "-I", "-c", _PROBE], capture_output=True, timeout=_PROBE_SECONDS, check=True, cwd="/"
        )
        facts = json.loads(answer.stdout)
    except (OSError, subprocess.SubprocessError, ValueError):
        return None
    if not facts["usable"] or not facts["executable"]:
        return None
    version = ".".join(str(part) for part in facts["version"])
    return Interpreter(facts["executable"], version, facts["wheels"]), facts["final"]


def list_candidates(environ: Mapping[str, str]) -> dict[int, list[str]]:
    """Paths of interpreters by minor version, in the order of preference. Only looks at names; runs nothing."""
    candidates: dict[int, list[str]] = {}
    seen: set[str] = set()
    for folder in _folders(environ):
        try:
            names = sorted(os.listdir(folder))  # noqa: PTH208 - names only; this runs before every job
        except OSError:
            continue
        for name in names:
            match = _NAME.fullmatch(name)
            if match and int(match[1]) >= _OLDEST_MINOR:
                path = folder / name
                real = os.path.realpath(path)
                if real not in seen:
                    seen.add(real)
                    candidates.setdefault(int(match[1]), []).append(str(path))
    return candidates


def _folders(environ: Mapping[str, str]) -> Iterator[Path]:
    """Folders that may hold interpreters, the best first; the same folder may come twice."""
    home = Path(environ.get("HOME") or Path.home())
    data = Path(environ.get("XDG_DATA_HOME") or home / ".local" / "share")
    on_path = [Path(folder) for folder in environ.get("PATH", "").split(os.pathsep) if folder]
    yield from (folder for folder in on_path if not _is_excluded(folder))
    yield from (Path("/usr/local/bin"), Path("/usr/bin"), Path("/opt/homebrew/bin"))
    for root, pattern in (
        (Path(environ.get("UV_PYTHON_INSTALL_DIR") or data / "uv" / "python"), "cpython-*/bin"),
        (Path(environ.get("PYENV_ROOT") or home / ".pyenv"), "versions/*/bin"),
        (home / ".asdf" / "installs" / "python", "*/bin"),
        (data / "mise" / "installs" / "python", "*/bin"),
        (Path("/opt"), "python*/bin"),
        (Path("/Library/Frameworks/Python.framework/Versions"), "*/bin"),
        # last: these belong to conda, whose own libraries come along
        (Path("/opt"), "*conda*/bin"),
        *((home / name, pattern) for name in _CONDA_FOLDERS for pattern in ("bin", "envs/*/bin")),
    ):
        yield from (folder for folder in _matches(root, pattern) if not _is_excluded(folder))


def _matches(root: Path, pattern: str) -> list[Path]:
    try:
        return sorted(root.glob(pattern))
    except OSError:
        return []  # of somebody else, and not to be looked into


def _is_excluded(folder: Path) -> bool:
    """Shims only pretend to be a Python, and a virtual environment belongs to somebody."""
    # os.path: a folder of somebody else that may not be looked into is no error here, as Path.exists has it
    return "shims" in folder.parts or os.path.exists(folder.parent / "pyvenv.cfg")  # noqa: PTH110


def _choose(request: str | None, own: str, environ: Mapping[str, str]) -> Choice | None:
    own_facts = probe_interpreter(own)
    if request is None and own_facts is not None:
        return Choice(own_facts[0])
    candidates = list_candidates(environ)
    if own_facts is not None:
        own_minor = int(own_facts[0].version.split(".")[1])
        candidates.setdefault(own_minor, []).insert(0, own)
    if request is None:
        found = _best(None, candidates, sorted(candidates, reverse=True))
        return Choice(found) if found else None
    fitting = [minor for minor in sorted(candidates, reverse=True) if accepts_python(request, (3, minor))]
    found = _best(request, candidates, fitting) or _best(None, candidates, fitting)
    found = found or _best(None, candidates, rank_nearest(request, candidates))
    if found is None:
        return None
    if accepts_python(request, [int(part) for part in found.version.split(".")]):
        return Choice(found)
    return Choice(found, f"Python {request} is not on this machine; Python {found.version} is used instead")


def _best(request: str | None, candidates: Mapping[int, list[str]], minors: list[int]) -> Interpreter | None:
    """The first minor version of `minors` with a usable interpreter, there the newest final patch."""
    for minor in minors:
        probed = [facts for facts in map(probe_interpreter, candidates[minor]) if facts is not None]
        versions = [
            (final, tuple(int(part) for part in interpreter.version.split(".")), interpreter)
            for interpreter, final in probed
        ]
        fitting = [entry for entry in versions if request is None or accepts_python(request, entry[1])]
        if fitting:
            return max(fitting, key=lambda entry: entry[:2])[2]
    return None


def _recall(cache: Path, key: str, environ: Mapping[str, str]) -> Choice | None:
    entry = _read_memory(cache).get(key)
    if not isinstance(entry, dict):
        return None
    try:
        interpreter = Interpreter(**entry["interpreter"])
        if entry["stamp"] != _stamp(interpreter.executable):
            return None
        # a second-best answer holds only as long as nobody installs the Python that was asked for
        if entry["warning"] and entry["candidates"] != _fingerprint(environ):
            return None
    except (OSError, KeyError, TypeError):
        return None
    return Choice(interpreter, entry["warning"])


def _remember(cache: Path, key: str, choice: Choice, environ: Mapping[str, str]) -> None:
    memory = _read_memory(cache)
    memory[key] = {
        "interpreter": asdict(choice.interpreter),
        "warning": choice.warning,
        "stamp": _stamp(choice.interpreter.executable),
        "candidates": _fingerprint(environ),
    }
    cache.mkdir(parents=True, exist_ok=True)
    temporary = cache / f"interpreters.json.{os.getpid()}"
    temporary.write_text(json.dumps(memory, indent=1), encoding="utf-8")
    temporary.replace(cache / "interpreters.json")


def _read_memory(cache: Path) -> dict[str, Any]:
    try:
        memory = json.loads((cache / "interpreters.json").read_bytes())
    except (OSError, ValueError):
        return {}
    return memory if isinstance(memory, dict) else {}


def _stamp(executable: str) -> list[int]:
    status = Path(executable).stat()
    return [status.st_mtime_ns, status.st_size]


def _fingerprint(environ: Mapping[str, str]) -> str:
    paths = sorted(path for group in list_candidates(environ).values() for path in group)
    return hashlib.sha256("\n".join(paths).encode()).hexdigest()[:16]
