"""Settings: option > variable (MLCTL_*, then AZURE_DEFAULTS_*/AZURE_CORE_*) > project file > user file > default.

The one place that reads environment variables. Each value knows where it came from. The project file is
`.mlctl/config` in the working directory or the nearest folder above it, the user file is `<home>/config`. An empty
value counts as not set, at every level. A relative path in a file is relative to the folder of that file.
"""

from __future__ import annotations

import os
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import NamedTuple

from mlctl.errors import UsageError
from mlctl.settings.file import read_entries
from mlctl.settings.keys import KEYS, Setting, check_value, find_setting, parse_flag

__all__ = ["KEYS", "Setting", "Settings", "Value", "load"]

PROJECT_FILE = Path(".mlctl", "config")


class Value(NamedTuple):
    """A value and where it came from: `--workspace-name`, `MLCTL_WORKSPACE`, `/path/config:3` or `default`."""

    value: str | None
    source: str


@dataclass(frozen=True, slots=True)
class Settings:
    """All settings of one call. Immutable.

    `environ` is the caller's environment, for what has to be handed on to jobs. `user_file` and `project_file` are the
    config files (the user's may not exist yet). `warnings` name the lines of these files that mean nothing.
    """

    home: Path
    user_file: Path
    project_file: Path | None
    environ: Mapping[str, str] = field(repr=False)
    warnings: tuple[str, ...] = ()
    _overrides: Mapping[str, Value] = field(default_factory=dict)
    _files: Mapping[str, Value] = field(default_factory=dict)

    def get(self, key: str) -> Value:
        """The value of `key`; for flags and the like as text. Raises UsageError for an unknown key."""
        setting = find_setting(key)
        if setting.key == "home":
            return self._home()
        given = self._overrides.get(setting.key)
        if given is not None:
            return given
        return _from_environ(setting, self.environ) or self._files.get(setting.key) or Value(setting.default, "default")

    def text(self, key: str) -> str | None:
        """The value as text (a choice in lower case); None when there is none. Raises UsageError for a bad choice."""
        value = self._checked(key)
        return value.lower() if value and find_setting(key).kind == "choice" else value

    def flag(self, key: str) -> bool:
        """Whether the flag is on; not set means off. Raises UsageError when it is no flag word."""
        return bool(parse_flag(self._checked(key) or "no"))

    def integer(self, key: str) -> int | None:
        """The value as a whole number, None when not set. Raises UsageError when it is none."""
        value = self._checked(key)
        return int(value) if value else None

    def number(self, key: str) -> float | None:
        """The value as a number, None when not set. Raises UsageError when it is none."""
        value = self._checked(key)
        return float(value) if value else None

    def pairs(self, key: str) -> dict[str, str]:
        """The value `a=b c=d` as a mapping, in order. Raises UsageError when a word has no `=`."""
        words = (self._checked(key) or "").split()
        return {name: value for name, _, value in (word.partition("=") for word in words)}

    def items(self) -> list[tuple[str, Value]]:
        """Every known key with its value, in key order."""
        return [(key, self.get(key)) for key in sorted(KEYS)]

    def with_overrides(self, overrides: Mapping[str, str], source: str) -> Settings:
        """The same settings with some values on top; `source` says where they came from (`--workspace-name`)."""
        given = {key: _value(find_setting(key), text, source, Path()) for key, text in overrides.items() if text}
        return replace(self, _overrides={**self._overrides, **given})

    def _checked(self, key: str) -> str | None:
        value = self.get(key)
        if value.value:
            check_value(find_setting(key), value.value, value.source)
        return value.value

    def _home(self) -> Value:
        if "home" in self._overrides:
            return self._overrides["home"]
        return Value(str(self.home), "MLCTL_HOME" if self.environ.get("MLCTL_HOME") else "default")


def load(
    *, overrides: Mapping[str, str] | None = None, environ: Mapping[str, str] | None = None, cwd: Path | None = None
) -> Settings:
    """Read the variables and both config files.

    Raises UsageError for a file that is no INI and for an unknown key in `overrides`, AuthError for a file that may
    not be read. An unknown key in a file is a warning.
    """
    environ = dict(os.environ) if environ is None else environ
    folder = _folder(cwd)
    home = _home_folder((overrides or {}).get("home") or environ.get("MLCTL_HOME") or "~/.mlctl", folder, environ)
    user_file = home / "config"
    project_file = _find_project_file(folder, user_file)
    files: dict[str, Value] = {}
    warnings: list[str] = []
    for path in (user_file, project_file):
        if path is not None:
            values, notes = _from_file(path)
            files.update(values)
            warnings.extend(notes)
    settings = Settings(home, user_file, project_file, environ, tuple(warnings), {}, files)
    return settings.with_overrides(overrides, "option") if overrides else settings


def _folder(cwd: Path | None) -> Path | None:
    try:
        return cwd or Path.cwd()
    except FileNotFoundError:
        return None  # the working directory was removed under us; that is no reason to fail


def _home_folder(text: str, folder: Path | None, environ: Mapping[str, str]) -> Path:
    if text.startswith("~/") and environ.get("HOME"):
        return Path(environ["HOME"]) / text[2:]
    path = Path(text).expanduser()
    return path if path.is_absolute() or folder is None else folder / path


def _find_project_file(folder: Path | None, user_file: Path) -> Path | None:
    """The nearest `.mlctl/config` upwards; the user's own file, met on the way, is not a project's."""
    if folder is None:
        return None
    for place in (folder, *folder.parents):
        candidate = place / PROJECT_FILE
        if candidate.is_file():
            same = user_file.exists() and candidate.samefile(user_file)
            return None if same else candidate
    return None


def _from_file(path: Path) -> tuple[dict[str, Value], list[str]]:
    values: dict[str, Value] = {}
    notes = []
    for entry in read_entries(path):
        source = f"{path}:{entry.line}"
        try:
            setting = find_setting(entry.key)
        except UsageError as error:
            notes.append(f"{source}: {error.message} is left out; {error.hint}")
            continue
        if entry.value:
            values[setting.key] = _value(setting, entry.value, source, path.parent)
    return values, notes


def _from_environ(setting: Setting, environ: Mapping[str, str]) -> Value | None:
    for name in setting.variables:
        text = environ.get(name)
        if text:
            # no-color.org: any value but the empty one means on
            return _value(setting, "true" if name == "NO_COLOR" else text, name, Path())
    return None


def _value(setting: Setting, text: str, source: str, base: Path) -> Value:
    if setting.kind == "path":
        text = str(Path(base, Path(text).expanduser()).absolute())
    return Value(text, source)
