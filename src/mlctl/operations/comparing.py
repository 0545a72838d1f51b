"""Two jobs side by side: every fact in which they differ, from their code to their metrics."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from mlctl.entities.job import JobRecord
from mlctl.operations.jobs import JobDesk
from mlctl.spec.rules.secret_patterns import masked, names_secret, without_secrets

if TYPE_CHECKING:
    from mlctl.store.content import ContentStore
    from mlctl.store.trees import StoredEntry

Facts = dict[str, Any]
"""Key -> value, of one section of one job."""


@dataclass(frozen=True, slots=True)
class Difference:
    """One fact: None where a job does not have it. `difference`: right less left, for metrics."""

    section: str
    key: str
    left: Any
    right: Any
    difference: float | None = None


@dataclass(frozen=True, slots=True)
class Comparison:
    """What two jobs do not share. `code_diff` is a unified diff of the text files, empty unless it was asked for."""

    left: str
    right: str
    equal: bool
    differences: list[Difference]
    code_diff: str = ""


@dataclass(frozen=True, slots=True)
class _Job:
    """Everything that is compared. `spec` is what was submitted (see `backends.submitted`)."""

    desk: JobDesk
    record: JobRecord
    plan: Mapping[str, Any]

    @property
    def spec(self) -> Mapping[str, Any]:
        return self.plan.get("spec") or self.record.document


def compare(desk: JobDesk, left: str, right: str, *, code: bool = False) -> Comparison:
    """What differs between two jobs. `code`: with the lines of the code, too. Raises NotFoundError."""
    jobs = [_Job(desk, desk.backend_of(name).jobs.get(name), desk.store.jobs.plan(name)) for name in (left, right)]
    found = [row for section, facts in _SECTIONS.items() for row in _rows(section, facts(jobs[0]), facts(jobs[1]))]
    text = "".join(_code_lines(jobs[0], jobs[1])) if code else ""
    return Comparison(left, right, not found, found, without_secrets(text))


def _rows(section: str, left: Facts, right: Facts) -> Iterator[Difference]:
    for key in dict.fromkeys([*left, *right]):
        one, other = left.get(key), right.get(key)
        if one == other or (one != one and other != other):  # noqa: PLR0124  # a metric may be no number twice
            continue
        change = None if section != "metrics" or one is None or other is None else other - one
        yield Difference(section, key, _safe(key, one), _safe(key, other), change)


def _safe(key: str, value: Any) -> Any:
    """A value as it may be shown."""
    if not isinstance(value, str):
        return value
    return masked(value) if names_secret(key) else without_secrets(value)


def _outcome(job: _Job) -> Facts:
    error = job.record.error or {}
    return {"status": job.record.status, "exit_code": job.record.exit_code, "error": error.get("code")}


def _spec_facts(*keys: str) -> Callable[[_Job], Facts]:
    return lambda job: _flat({key: job.spec[key] for key in keys if key in job.spec})


def _compute(job: _Job) -> Facts:
    return {"compute": job.record.compute, "backend": job.record.backend}


def _labels(job: _Job) -> Facts:
    """What people wrote about the job; a display name that is only the job's own name is none."""
    record = job.record
    display = record.display_name if record.display_name != record.name else None
    return {
        "experiment_name": record.experiment_name,
        "display_name": display,
        "description": record.description,
        **{f"tags.{key}": value for key, value in record.tags.items()},
    }


def _git(job: _Job) -> Facts:
    words = ("mlflow.source.git.repoURL", "mlflow.source.git.branch", "mlflow.source.git.commit", "azureml.git.dirty")
    known = job.record.properties
    return {word.rpartition(".")[2]: known[word] for word in words if word in known}


def _inputs(job: _Job) -> Facts:
    given = job.record.document.get("inputs") or {}
    return _flat({name: value for name, value in given.items() if isinstance(value, Mapping)})


def _parameters(job: _Job) -> Facts:
    given = job.record.document.get("inputs") or {}
    return {name: value for name, value in given.items() if not isinstance(value, Mapping)}


def _variables(job: _Job) -> Facts:
    return dict(job.spec.get("environment_variables") or {})


def _environment(job: _Job) -> Facts:
    """The parts of an environment, with one key for each package."""
    given = job.spec.get("environment")
    if not isinstance(given, Mapping):
        return {"reference": given}
    conda = given.get("conda_file") or {}
    facts = _flat({key: value for key, value in given.items() if key != "conda_file"})
    if given.get("build"):
        facts["build.content"] = job.plan.get("build_digest")
    facts |= {"channels": ", ".join(map(str, conda["channels"]))} if conda.get("channels") else {}
    for item in conda.get("dependencies") or ():
        lines = item.get("pip") or () if isinstance(item, Mapping) else (item,)
        where = "pip" if isinstance(item, Mapping) else "conda"
        facts |= {f"{where} {_package(str(line))}": str(line) for line in lines}
    return facts


def _package(line: str) -> str:
    found = re.match(r"(?:[\w.-]+::)?([A-Za-z0-9_.-]+)", line)
    return found[1].lower().replace("_", "-") if found and not line.startswith("-") else line


def _code(job: _Job) -> Facts:
    return {path: entry.digest or entry.target for path, entry in _code_files(job).items()}


def _code_files(job: _Job) -> dict[str, StoredEntry]:
    digest = job.plan.get("code_digest")
    if not digest:
        return {}
    return {entry.path: entry for entry in job.desk.store.content.entries(digest)}


def _outputs(job: _Job) -> Facts:
    """How the outputs are declared, and the files that were written, each with its digest."""
    from mlctl.assets.places import output_places

    store, name = job.desk.store, job.record.name
    places = {"default": store.job_folder(name) / "artifacts" / "outputs", **output_places(name, store)}
    declared = {key: value for key, value in _flat(job.spec.get("outputs") or {}).items() if value is not None}
    return {**declared, **{key: digest for output, place in places.items() for key, digest in _files(output, place)}}


def _files(output: str, place: Path) -> Iterator[tuple[str, str]]:
    paths = sorted(place.rglob("*")) if place.is_dir() and not place.is_symlink() else [place]
    for path in paths:
        if path.is_file() and not path.is_symlink():
            inside = "" if path == place else f"/{path.relative_to(place).as_posix()}"
            yield f"{output}{inside}", _digest(path)


def _digest(path: Path) -> str:
    import hashlib

    digest = hashlib.sha256()
    with path.open("rb") as file:
        while chunk := file.read(1024 * 1024):
            digest.update(chunk)
    return digest.hexdigest()


def _metrics(job: _Job) -> Facts:
    name = job.record.name
    return {metric.key: metric.value for metric in job.desk.backend_of(name).jobs.metrics(name)}


_SECTIONS: dict[str, Callable[[_Job], Facts]] = {
    "status": _outcome,
    "metrics": _metrics,
    "parameters": _parameters,
    "inputs": _inputs,
    "code": _code,
    "git": _git,
    "command": _spec_facts("command"),
    "environment": _environment,
    "variables": _variables,
    "compute": _compute,
    "resources": _spec_facts("resources", "distribution", "limits", "services", "identity", "queue_settings"),
    "outputs": _outputs,
    "labels": _labels,
}
"""In the order in which they are told: what came out first, then why."""


def _flat(value: Mapping[str, Any], prefix: str = "") -> Facts:
    """Maps within maps as one map with dotted keys."""
    flat: Facts = {}
    for key, item in value.items():
        if isinstance(item, Mapping):
            flat |= _flat(item, f"{prefix}{key}.")
        else:
            flat[f"{prefix}{key}"] = item
    return flat


_LARGEST_TEXT = 1024 * 1024


def _code_lines(left: _Job, right: _Job) -> Iterator[str]:
    """A unified diff of the files that differ; of those that are no text, a line that says so."""
    from difflib import unified_diff

    files = [_code_files(job) for job in (left, right)]
    content = left.desk.store.content
    for path in sorted({*files[0], *files[1]}):
        entries = [found.get(path) for found in files]
        if entries[0] == entries[1]:
            continue
        texts = [_text(content, entry) for entry in entries]
        names = [
            f"{job.record.name}/{path}" if entry else "/dev/null"
            for job, entry in zip((left, right), entries, strict=True)
        ]
        if texts[0] is None or texts[1] is None:
            yield f"Files {names[0]} and {names[1]} differ\n"
            continue
        for line in unified_diff(texts[0], texts[1], names[0], names[1]):
            yield line if line.endswith("\n") else f"{line}\n\\ No newline at end of file\n"


def _text(content: ContentStore, entry: StoredEntry | None) -> list[str] | None:
    """The lines of a stored file; None when it is no text, or too large for one that people read."""
    if entry is None or entry.kind != "file":
        return []
    if entry.size > _LARGEST_TEXT:
        return None
    try:
        return content.shelves.place("files", entry.digest).read_text(encoding="utf-8").splitlines(keepends=True)
    except (UnicodeDecodeError, OSError):  # no text, or lost from the store
        return None
