"""Conda files as requirements of the Python package index, under a reviewed map of names (`conda_packages.json`).

A conda package is in the map under its own or another name, is left out because wheels or the environment bring it, or
is an error that names it. Version forms are those of conda's "match specification" (`name=1.2`, `name 1.2.*`,
`channel::name>=1,<2=build`).
"""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import cache
from pathlib import Path
from typing import Any

from mlctl.entities.environment import Requirements
from mlctl.environments.pip_lines import expand_pip_lines
from mlctl.environments.python_versions import parse_python_request
from mlctl.errors import InvalidSpecError

_SPEC = re.compile(
    r"(?:(?P<channel>[^\s:]+)::)?(?P<name>[A-Za-z0-9_][A-Za-z0-9_.+-]*)\s*(?:\[(?P<keys>[^\]]*)\])?(?P<version>.*)"
)
_CLAUSE = re.compile(r"(==|!=|>=|<=|~=|=|>|<)?\s*([0-9A-Za-z][0-9A-Za-z.!+_-]*?)(\.?\*)?")


@dataclass(frozen=True, slots=True)
class CondaPackages:
    """The map. `names`: conda name -> PyPI name. `ignored`, `unavailable`: conda name -> why, in words."""

    names: Mapping[str, str]
    ignored: Mapping[str, str]
    unavailable: Mapping[str, str]


@dataclass(slots=True)
class _Collected:
    python: str | None = None
    packages: list[str] = field(default_factory=list)
    ignored: dict[str, list[str]] = field(default_factory=dict)
    problems: list[str] = field(default_factory=list)


@cache
def load_conda_packages() -> CondaPackages:
    """The built-in map."""
    data = json.loads(Path(__file__).with_name("conda_packages.json").read_bytes())
    return CondaPackages(
        names={**{name: _dashed(name) for name in data["same"]}, **data["renamed"]},
        ignored={name: why for why, names in data["ignored"].items() for name in names},
        unavailable={name: why for why, names in data["unavailable"].items() for name in names},
    )


def requirements_from_conda(
    conda: Mapping[str, Any],
    *,
    origin: str,
    source: Path | None = None,
    names: Mapping[str, str | None] | None = None,
) -> Requirements:
    """What a parsed conda file asks for.

    `origin`: words for messages. `source`: the file it came from; `-r` and paths of its pip part are relative to its
    folder, and its lines are named in errors. `names`: the user's own map of conda names, which wins; None leaves a
    package out. Raises InvalidSpecError with every package that cannot be had.
    """
    dependencies = conda.get("dependencies") or []
    if not isinstance(dependencies, list):
        raise InvalidSpecError(
            f"{origin}: 'dependencies' is no list", hint="write `dependencies:` and one `- name` a line"
        )
    found = _Collected()
    pip_lines: list[str] = []
    for entry in dependencies:
        if isinstance(entry, str):
            _collect(entry, found, names or {})
        elif isinstance(entry, dict) and set(entry) == {"pip"}:
            pip_lines += _pip_part(entry["pip"], found)
        else:
            found.problems.append(f"{entry!r}: neither a conda package nor a `pip:` list")
    found.packages += expand_pip_lines(pip_lines, folder=source.parent if source else None, problems=found.problems)
    if found.problems:
        raise _refuse(found.problems, origin, source)
    return Requirements(
        python=found.python, packages=tuple(found.packages), origin=origin, warnings=_warnings(conda, found, origin)
    )


def convert_version(text: str) -> str:
    """A conda version as PEP 440 text: `=1.2` -> `==1.2.*`, `=1.2=build` -> `==1.2.*`, `>=1,<2` as it is.

    Raises ValueError for what PEP 440 cannot say.
    """
    text = re.sub(r"([<>=!~,])\s+|\s+(?=,)", r"\1", text.strip())
    if not text or text == "*":
        return ""
    if "|" in text:
        raise ValueError("alternatives (`|`) cannot be expressed for the package index")
    fuzzy = text.startswith("=") and not text.startswith("==")
    # the build string comes after a further `=`, or after a space
    head, *build = re.split(r"(?<=[\w*])\s*=(?!=)\s*|(?<=[\w*])\s+(?![<>=!~])", text)
    if len(build) > 1:
        raise ValueError(f"'{text}' is no version")
    return ",".join(filter(None, (_convert_clause(clause.strip(), fuzzy=fuzzy) for clause in head.split(","))))


def _convert_clause(clause: str, *, fuzzy: bool) -> str:
    if clause.lstrip("=") == "*":
        return ""
    match = _CLAUSE.fullmatch(clause)
    if match is None:
        raise ValueError(f"'{clause}' is no version")
    operator, version, star = match.groups()
    if operator == "=" and re.search(r"[a-z]", version, re.IGNORECASE):
        return f"=={version}"  # a pre-release: PEP 440 knows no `==2.0rc1.*`
    if star or (operator == "=" and fuzzy):
        if operator in (None, "=", "=="):
            return f"=={version}.*"
        # `>=1.2.*` is conda for `>=1.2`
        return f"!={version}.*" if operator == "!=" else f"{operator}{version}"
    return f"{operator or '=='}{version}"


def _collect(entry: str, found: _Collected, own_names: Mapping[str, str | None]) -> None:
    """Sort one conda dependency into `found`."""
    match = _SPEC.fullmatch(entry.strip())
    if match is None:
        found.problems.append(f"{entry}: not a conda package")
        return
    name = match["name"].lower()
    version = match["version"]
    if match["keys"]:
        keys = dict(re.findall(r"(\w+)\s*=\s*['\"]?([^'\"]+?)['\"]?\s*(?:,\s*(?=\w+\s*=)|$)", match["keys"]))
        version = keys.get("version", version)
    try:
        wanted = convert_version(version)
        if name == "python":
            found.python = _python_request(wanted)
            return
    except (ValueError, InvalidSpecError) as error:
        found.problems.append(f"{entry}: {error}")
        return
    target, reason = _look_up(name, own_names)
    if target:
        found.packages.append(f"{target}{wanted}")
    elif reason.startswith("!"):
        found.problems.append(f"{entry}: {reason[1:]}")
    elif reason:
        found.ignored.setdefault(reason, []).append(name)


def _look_up(name: str, own_names: Mapping[str, str | None]) -> tuple[str | None, str]:
    """(PyPI name, ""), or (None, why it is left out; with `!` in front why it cannot be had)."""
    table = load_conda_packages()
    dashed = _dashed(name)
    for key in (name, dashed):
        if key in own_names:
            return own_names[key], "" if own_names[key] else "the table of environments.map says so"
    for key in (name, dashed):
        if key in table.names:
            return table.names[key], ""
        if key in table.ignored:
            return None, table.ignored[key]
        if key in table.unavailable:
            return None, f"!{table.unavailable[key]}; not on the package index"
    return None, "!not in the map of conda names"


def _python_request(version: str) -> str | None:
    """`==3.10.*` as "3.10", a range as it is."""
    request = version.removesuffix(".*").removeprefix("==") if "," not in version else version.replace(".*", "")
    if not request:
        return None
    parse_python_request(request)
    return request


def _pip_part(entry: Any, found: _Collected) -> list[str]:
    lines = [entry] if isinstance(entry, str) else entry or []
    if not isinstance(lines, list):
        found.problems.append("`pip:` is no list")
        return []
    wrong = [line for line in lines if not isinstance(line, str)]
    found.problems += [f"{line!r}: not a line for pip" for line in wrong]
    return [line for line in lines if isinstance(line, str)]


def _warnings(conda: Mapping[str, Any], found: _Collected, origin: str) -> tuple[str, ...]:
    warnings = [
        f"{origin}: {', '.join(names)} left out: {why}" for why, names in found.ignored.items() if names != ["pip"]
    ]
    if conda.get("variables"):
        warnings.append(f"{origin}: `variables` are not set; put them into the job's environment_variables")
    return tuple(warnings)


def _refuse(problems: list[str], origin: str, source: Path | None) -> InvalidSpecError:
    """One error for all packages, with their lines where the file is at hand."""
    try:
        lines = source.read_text(encoding="utf-8").splitlines() if source else []
    except (OSError, UnicodeDecodeError):
        lines = []
    shown = []
    for problem in problems:
        entry = problem.partition(": ")[0]
        number = next(
            (index for index, line in enumerate(lines, 1) if re.match(rf"\s*-\s*['\"]?{re.escape(entry)}", line)), 0
        )
        shown.append(f"  line {number}: {problem}" if number else f"  {problem}")
    return InvalidSpecError(
        f"{origin} cannot be installed from the package index:\n" + "\n".join(shown),
        hint="run the job with the docker back end, move a package to the `pip:` part, or give its name on the package "
        "index under `conda_packages` in the file that setting environments.map names (null leaves it out)",
    )


def _dashed(name: str) -> str:
    return name.replace("_", "-")
