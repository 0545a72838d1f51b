"""What a failed build means to the user, read from uv's last lines. Pure."""

from __future__ import annotations

import re
from collections.abc import Iterable

from mlctl.entities.environment import Requirements
from mlctl.errors import InvalidSpecError, MlctlError, UnavailableError, UsageError

_DISK = re.compile(r"no space left on device|disk quota exceeded", re.IGNORECASE)
_SIGN_IN = re.compile(r"\b(401|403|407)\b.*(unauthori[sz]ed|forbidden|proxy)|authentication", re.IGNORECASE)
_NETWORK = re.compile(
    r"error sending request|failed to (fetch|download)|dns error|connection (refused|reset)|timed out|timeout|"
    r"network (is )?(unreachable|connectivity)|tls|certificate|could not connect|status (client|server) error",
    re.IGNORECASE,
)
_UNSOLVED = re.compile(
    r"no solution found|not found in the (package registry|provided package locations)", re.IGNORECASE
)
_MALFORMED = re.compile(r"couldn't parse|failed to parse|invalid requirement", re.IGNORECASE)
_BUILD = re.compile(r"failed to (?:build|prepare)[^`]*`([^`]+)`", re.IGNORECASE)
_ARGUMENT = re.compile(r"unexpected argument '([^']+)'")
_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]*")
_SHOWN_LINES = 15


def explain_failure(lines: Iterable[str], requirements: Requirements, python: str) -> MlctlError:
    """The error for a failed install.

    UnavailableError for disk and network, UsageError for a wrong option, else InvalidSpecError that names packages.
    """
    shown = [line for line in lines if line.strip()][-_SHOWN_LINES:]
    text = "\n".join(shown)
    tail = f"\n{text}" if text else ""
    return _about_packages(text, tail, requirements, python) or _about_the_machine(text, tail, requirements.origin)


def find_blamed(text: str, packages: Iterable[str]) -> list[str]:
    """The requirement lines whose package name is in the text."""
    words = {_normal(word.rstrip(".-_")) for word in _NAME.findall(text)}
    blamed = []
    for line in packages:
        name = _NAME.match(line)
        if name and _normal(name[0]) in words:
            blamed.append(line)
    return blamed


def _about_packages(text: str, tail: str, requirements: Requirements, python: str) -> MlctlError | None:
    origin = requirements.origin
    if _DISK.search(text):
        return None
    built = _BUILD.search(text)
    if built and not _NETWORK.search(text):
        return InvalidSpecError(
            f"package '{built[1]}' of {origin} has no ready-made wheel for Python {python} and its build failed{tail}",
            hint="take a version with a wheel for this Python, install its compiler, or use the docker back end",
        )
    if not (_UNSOLVED.search(text) or _MALFORMED.search(text)):
        return None
    blamed = ", ".join(f"'{line}'" for line in find_blamed(text, requirements.packages))
    look = f"; look at {blamed}" if blamed else ""
    return InvalidSpecError(
        f"the packages of {origin} cannot be installed together on Python {python}{look}{tail}",
        hint="change the versions (or the Python version), or run the job with the docker back end",
    )


def _about_the_machine(text: str, tail: str, origin: str) -> MlctlError:
    argument = _ARGUMENT.search(text)
    if argument:
        return UsageError(
            f"uv does not take '{argument[1]}'", hint="look at setting environments.pip_arguments: mlctl config list"
        )
    if _DISK.search(text):
        return UnavailableError(
            f"no space left on the disk while building the environment for {origin}",
            hint="free some space, or move mlctl's home (MLCTL_HOME) to a larger disk",
        )
    if _SIGN_IN.search(text):
        return UnavailableError(
            f"the package index refused mlctl while building the environment for {origin}{tail}",
            hint="check the user and token of the index in pip's or uv's configuration",
        )
    if _NETWORK.search(text):
        return UnavailableError(
            f"the package index cannot be reached to build the environment for {origin}{tail}",
            hint="check network, proxy (settings proxy.http, proxy.https) and the index in pip's configuration",
        )
    return InvalidSpecError(f"the environment for {origin} cannot be built{tail}", hint="the build log has every line")


def _normal(name: str) -> str:
    return re.sub(r"[-_.]+", "-", name).lower()
