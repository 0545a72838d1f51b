"""What a value of a spec is, as far as back ends differ about it: words that rows of the capability table ask for.

A word is the value itself in lower case, or a form in angle brackets (`<curated>`, `<web folder>`). Facts fill the
`{…}` of a row's reason. Nothing is looked up but the table of curated environments.
"""

from __future__ import annotations

import re
import shlex
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

from mlctl.backends.capabilities import KeyPath
from mlctl.backends.capabilities.command import DOCKER_OPTIONS, DOCKER_SWITCHES
from mlctl.environments.curated import CuratedTable
from mlctl.environments.resolution import python_of_image
from mlctl.spec.references import ASSET, DATASTORE, FILE, GIT, INVALID, JOB_OUTPUT, LOCAL, RESOURCE, RUN, parse

LONGEST_VALUE = 80

_EXPRESSION = re.compile(r"\$\{\{.*\}\}", re.DOTALL)
_VM_SIZE = re.compile(r"(standard|basic)_[a-z0-9_]+", re.IGNORECASE)
_WEB, _BLOB = ("http", "https"), ("wasb", "wasbs", "abfs", "abfss")
_OWN_OUTPUTS = ("artifacts", "default")
_PRINTED_SERVICES = frozenset({"Tracking", "Studio"})
_NO_CLUSTER = ("", "local", "serverless")


@dataclass(frozen=True, slots=True)
class Meaning:
    """`words`: the value and its forms. `facts`: names for the reason."""

    words: frozenset[str]
    facts: dict[str, str] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Spot:
    """A value in its surroundings: `at` below the part's root, the map it stands in, and the part as a whole."""

    at: KeyPath
    value: Any
    parent: Mapping[str, Any]
    part: Mapping[str, Any]
    curated: CuratedTable


def meaning_of(spot: Spot) -> Meaning:
    """The words and facts of one value."""
    value = spot.value
    words, facts = set(), {"value": shown(value), "name": shown(value).removeprefix("azureml:")}
    if isinstance(value, str) and _EXPRESSION.fullmatch(value.strip()):
        words.add("<expression>")
    if isinstance(value, Mapping):
        words.add("<map>")
    elif not isinstance(value, list):
        words.add(str(value).lower())
    for pattern, describe in _DESCRIBERS:
        if _fits(pattern, spot.at):
            more, known = describe(spot)
            words |= set(more)
            facts |= known
    return Meaning(frozenset(words), facts)


def shown(value: Any) -> str:
    """A plain value as it may be shown: on one line, not too long, and without the signature of an address."""
    if isinstance(value, (Mapping, list)):
        return ""
    text = " ".join(str(value).split())
    if "://" in text:
        text = text.partition("?")[0]
    return text if len(text) <= LONGEST_VALUE else text[: LONGEST_VALUE - 1] + "…"


_Found = tuple[tuple[str, ...], dict[str, str]]


def _compute(spot: Spot) -> _Found:
    name = str(spot.value).removeprefix("azureml:")
    return (("<local>",) if name == "local" else ()), {"name": name}


def _identity(spot: Spot) -> _Found:
    word = str(spot.value.get("type", "")).lower() if isinstance(spot.value, Mapping) else ""
    return (("<managed>",) if word.startswith("managed") else ()), {}


def _services(spot: Spot) -> _Found:
    names = set(spot.value) if isinstance(spot.value, Mapping) else set()
    return (("<printed>",) if names <= _PRINTED_SERVICES else ()), {}


def _queue(spot: Spot) -> _Found:
    name = str(spot.part.get("compute") or "").removeprefix("azureml:")
    return (("<named compute>",) if name not in _NO_CLUSTER else ()), {"name": name}


def _path(spot: Spot) -> _Found:
    """Where data is: on this machine, on the web, on a datastore, …"""
    text = str(spot.value)
    reference = parse(text)
    direct = ("<direct>",) if str(spot.parent.get("mode", "")).lower() == "direct" else ()
    datastore = (reference.datastore or "").replace("${{default_datastore}}", "workspaceblobstore")
    facts = {"datastore": datastore, "job": reference.job or ""}
    facts["input"] = str(spot.at[-2]) if len(spot.at) > 1 else ""
    if reference.kind in (LOCAL, FILE):
        return ("<local>", *(("<local, direct>",) if direct else ()), *direct), facts
    return (*_remote_form(spot, reference.kind, reference.registry, text), *direct), facts


def _remote_form(spot: Spot, kind: str, registry: str | None, text: str) -> tuple[str, ...]:
    if kind == ASSET:
        is_short = text.startswith("azureml:") and not text.startswith("azureml://")
        return ("<asset>",) if is_short else ("<registry>",) if registry else ("<elsewhere>", "<registry>")
    if kind in (DATASTORE, JOB_OUTPUT):
        return ("<datastore>",) if kind == DATASTORE else ("<job output>",)
    if kind in (RUN, RESOURCE, INVALID):
        return ("<run>", "<elsewhere>") if kind == RUN else ("<elsewhere>",)
    scheme = text.partition(":")[0].lower()
    if scheme not in (*_WEB, *_BLOB):
        # Azure ML reads its own Gen1 storage, and no bucket of others
        return (
            ("<elsewhere>",) if scheme == "adl" else ("<aws bucket>", "<bucket>") if scheme == "s3" else ("<bucket>",)
        )
    if str(spot.parent.get("type") or "uri_folder").lower() in ("uri_folder", "mltable"):
        return ("<web folder>",) if scheme in _WEB else ("<blob folder>",)
    return ("<web>",) if scheme in _WEB else ("<blob>",)


def _output(spot: Spot) -> _Found:
    path = spot.value.get("path", "") if isinstance(spot.value, Mapping) else ""
    printed = spot.at[-1] == "default" and str(path).startswith("azureml://jobs/")
    return (("<taken name>",) if spot.at[-1] in _OWN_OUTPUTS and not printed else ()), {}


def _code(spot: Spot) -> _Found:
    kind = parse(str(spot.value)).kind
    if kind in (LOCAL, FILE):
        return ("<folder>",), {}
    return ("<git>", "<not a folder>") if kind == GIT else ("<not a folder>",), {}


def _environment(spot: Spot) -> _Found:
    if isinstance(spot.value, Mapping):
        return ("<map>",), {}
    text = str(spot.value)
    reference = parse(text)
    found = spot.curated.lookup(text) if reference.kind == ASSET else None
    if found is not None:
        return ("<curated>",), {"name": found.name, "python": _python(found.python)}
    if reference.kind in (FILE, LOCAL):
        return ("<file>",), {}
    return (("<registry>", "<registered>") if reference.registry else ("<registered>",)), {}


def _image(spot: Spot) -> _Found:
    text = str(spot.value)
    found = spot.curated.lookup(text) if "mcr.microsoft.com/" in text else None
    conda = spot.parent.get("conda_file")
    named = _python_of_conda(conda) or python_of_image(text) or (found.python if found else None)
    facts = {"python": _python(named, conda=isinstance(conda, str))}
    if conda is not None:
        return ("<with conda_file>",), facts
    return (("<curated>",) if found else ()), facts


def _python_of_conda(conda: Any) -> str | None:
    """The Python of an inline conda environment; a file is not opened for it."""
    packages = conda.get("dependencies") if isinstance(conda, Mapping) else None
    for package in packages if isinstance(packages, list) else ():
        match = re.match(r"python\s*=+\s*([\d.]+)", str(package))
        if match:
            return match[1]
    return None


def _python(version: str | None, *, conda: bool = False) -> str:
    if conda:
        return "the Python that conda_file names"
    return f"Python {version}" if version else "this machine's Python"


def _reference(spot: Spot) -> _Found:
    """A component, a model or a job by name or by file."""
    if isinstance(spot.value, Mapping):
        return ("<map>",), {}
    reference = parse(str(spot.value))
    if reference.kind in (FILE, LOCAL):
        return ("<file>", "<local>"), {}
    return (("<registry>",) if reference.registry else ("<registered>",)), {}


def _instances(spot: Spot) -> _Found:
    return (("<distributed>",) if spot.part.get("distribution") else ()), {}


def _instance_type(spot: Spot) -> _Found:
    return (("<vm size>",) if _VM_SIZE.fullmatch(str(spot.value)) else ()), {}


def _docker_args(spot: Spot) -> _Found:
    given = spot.value
    try:
        words = shlex.split(given) if isinstance(given, str) else shlex.split(" ".join(map(str, given or ())))
    except ValueError:
        return (), {}
    while words:
        flag, equals, _ = words.pop(0).partition("=")
        if flag[:2] in DOCKER_OPTIONS and len(flag) > 2 and not flag.startswith("--"):
            continue  # -m64m
        if flag not in DOCKER_OPTIONS | DOCKER_SWITCHES:
            return ("<unusable>",), {"word": flag}
        if flag in DOCKER_OPTIONS and not equals:
            words = words[1:]
    return (), {}


def _traffic(spot: Spot) -> _Found:
    shares = list(spot.value.values()) if isinstance(spot.value, Mapping) else []
    return (("<split>",) if any(str(share) not in ("0", "100") for share in shares) else ()), {}


def _zone(spot: Spot) -> _Found:
    return (("<windows zone>",) if str(spot.value).endswith(" Time") else ()), {}


_DESCRIBERS: tuple[tuple[tuple[str, ...], Callable[[Spot], _Found]], ...] = (
    (("compute",), _compute),
    (("settings", "default_compute"), _compute),
    (("identity",), _identity),
    (("services",), _services),
    (("queue_settings",), _queue),
    (("inputs", "*", "path"), _path),
    (("inputs", "*", "path_on_compute"), _path),
    (("outputs", "*", "path"), _path),
    (("path",), _path),
    (("outputs", "*"), _output),
    (("code",), _code),
    (("build", "path"), _code),
    (("environment",), _environment),
    (("task", "environment"), _environment),
    (("image",), _image),
    (("component",), _reference),
    (("model",), _reference),
    (("job",), _reference),
    (("task", "model"), _reference),
    (("resources", "instance_count"), _instances),
    (("resources", "instance_type"), _instance_type),
    (("instance_type",), _instance_type),
    (("resources", "docker_args"), _docker_args),
    (("traffic",), _traffic),
    (("trigger", "time_zone"), _zone),
)


def _fits(pattern: tuple[str, ...], at: KeyPath) -> bool:
    return len(pattern) == len(at) and all(want in ("*", part) for want, part in zip(pattern, at, strict=True))
