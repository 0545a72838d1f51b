"""What works on this machine: a list of checks, each with what to do when it fails. Nothing here raises."""

from __future__ import annotations

import os
import shutil
import sys
from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from pathlib import Path

from mlctl.backends import KNOWN
from mlctl.backends.base import Backend
from mlctl.errors import MlctlError
from mlctl.settings import Settings
from mlctl.store.workspaces import WorkspaceStore

LITTLE_SPACE = 2 * 1024**3
"""Free bytes below which environments with a large framework do not fit."""

OLDEST_SQLITE = (3, 24)
"""The store needs upserts and WAL."""


@dataclass(frozen=True, slots=True)
class Check:
    """One thing that was looked at. `hint` is empty when it is fine."""

    name: str
    ok: bool
    detail: str
    hint: str = ""


def examine(
    settings: Settings, open_store: Callable[[], WorkspaceStore], connect: Callable[[str], Backend]
) -> list[Check]:
    """Every check, in the order to read them. `open_store` and `connect` may raise; that is then the finding."""
    checks = [
        _guarded("python", _python),
        _guarded("home", lambda: _home(settings.home)),
        _guarded("disk", lambda: _disk(settings.home)),
        _guarded("settings", lambda: _settings(settings)),
        _guarded("workspace", lambda: _workspace(open_store())),
        _guarded("uv", lambda: _uv(settings)),
        _guarded("git", _git),
    ]
    checks += [_guarded(f"backend {name}", partial(_backend, name, connect)) for name in sorted(KNOWN)]
    extras = sorted({known.extra for known in KNOWN.values() if known.extra} | {"uv"})
    checks += [_guarded(f"extra {extra}", partial(_extra, extra)) for extra in extras]
    checks.append(_guarded("tracking", lambda: _tracking(settings, open_store())))
    return checks


def _guarded(name: str, look: Callable[[], tuple[bool, str, str]]) -> Check:
    try:
        ok, detail, hint = look()
    except MlctlError as error:
        return Check(name, ok=False, detail=error.message, hint=error.hint or "")
    except Exception as error:  # a check that breaks is a finding, not the end of the report
        return Check(name, ok=False, detail=f"{type(error).__name__}: {error}", hint="mlctl doctor --debug")
    return Check(name, ok, detail, hint)


def _python() -> tuple[bool, str, str]:
    version = ".".join(str(part) for part in sys.version_info[:3])
    return True, f"{version} at {sys.executable}", ""


def _home(home: Path) -> tuple[bool, str, str]:
    try:
        home.mkdir(parents=True, exist_ok=True)
        probe = home / f".doctor-{os.getpid()}"
        probe.write_bytes(b"")
        probe.unlink()
    except OSError as error:
        return False, f"{home} cannot be written: {error.strerror}", "set MLCTL_HOME to a folder of yours"
    return True, f"{home} can be written", ""


def _disk(home: Path) -> tuple[bool, str, str]:
    place = next(folder for folder in (home, *home.parents) if folder.exists())
    free = shutil.disk_usage(place).free
    hint = "" if free >= LITTLE_SPACE else f"free some space, or remove {home / 'cache'}: it is rebuilt when needed"
    return not hint, f"{free / 1024**3:.1f} GiB free at {place}", hint


def _settings(settings: Settings) -> tuple[bool, str, str]:
    files = [str(path) for path in (settings.project_file, settings.user_file) if path and path.exists()]
    if settings.warnings:
        return False, "; ".join(settings.warnings), "remove or rename these lines; all keys: mlctl config list"
    return True, f"read from {', '.join(files)}" if files else "no config file", ""


def _workspace(store: WorkspaceStore) -> tuple[bool, str, str]:
    version = str(store.database.read("SELECT sqlite_version() AS version")[0]["version"])
    detail = f"{store.name} in {store.folder}, sqlite {version}"
    if tuple(int(part) for part in version.split(".")[:2]) < OLDEST_SQLITE:
        return False, detail, f"sqlite {'.'.join(map(str, OLDEST_SQLITE))} or later is needed: take a newer Python"
    return True, detail, ""


def _uv(settings: Settings) -> tuple[bool, str, str]:
    from mlctl.environments.uv import find_uv

    found = find_uv(settings.home / "cache", settings)
    return True, str(found) if found else "not here yet; fetched with pip when first needed", ""


def _git() -> tuple[bool, str, str]:
    found = shutil.which("git")
    # jobs run without git; they only lack the commit in their properties
    return True, found or "not here; jobs will not know their commit", ""


def _backend(name: str, connect: Callable[[str], Backend]) -> tuple[bool, str, str]:
    health = connect(name).health()
    facts = ", ".join(f"{key} {value}" for key, value in health.facts.items())
    return health.ok, (facts or "ready") if health.ok else health.reason, "" if health.ok else health.hint


def _extra(extra: str) -> tuple[bool, str, str]:
    from importlib.util import find_spec

    # an extra is a wish, not a fault; the back-end check says when one is missed
    there = find_spec(extra) is not None
    return True, "installed" if there else f'not installed; pip install "mlctl[{extra}]"', ""


def _tracking(settings: Settings, store: WorkspaceStore) -> tuple[bool, str, str]:
    from mlctl.operations.workspaces import tracking_uri
    from mlctl.store.signed_addresses import printable

    value = settings.get("tracking.uri")
    source = "the workspace's own" if not value.value else f"from {value.source}"
    return True, f"{printable(tracking_uri(str(store.folder), settings))} ({source})", ""
