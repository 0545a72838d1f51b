"""Compute YAML becomes a checked `Compute`."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from mlctl.entities.compute import Compute
from mlctl.errors import UnsupportedError
from mlctl.spec.document import Document
from mlctl.spec.overrides import override_document
from mlctl.spec.problems import Problem, did_you_mean
from mlctl.spec.reader import read_file
from mlctl.spec.validate import check, refuse_if_any

BACKENDS = {"local": "local", "docker": "docker"}
"""Type of compute -> the back end that runs its jobs."""

OTHER_TYPES = (
    "amlcompute", "computeinstance", "kubernetes", "virtualmachine", "synapsespark", "aisc", "aks", "databricks",
    "datafactory", "datalakeanalytics", "hdinsight",
)  # fmt: skip
"""Compute types of az that no back end here has."""


def load_compute(
    path: Path | None, *, overrides: Sequence[str] = (), fields: Mapping[str, Any] | None = None
) -> tuple[Compute, list[Problem]]:
    """The compute in the file at `path` (None: everything comes from options), and warnings.

    `overrides` and `fields` as for a job. `settings` of the result holds what only the back end needs (`host`).
    Raises InvalidSpecError with every problem, UnsupportedError for a type without back end, NotFoundError.
    """
    document = Document({}, {}, "the command line") if path is None else read_file(path)
    override_document(document, overrides, fields or {})
    kind = _type(document)
    data, problems, warnings, _ = check(document, f"{kind}Compute")
    refuse_if_any(document, problems)
    shared = ("name", "type", "description", "tags", "max_concurrent")
    compute = Compute(
        name=data["name"],
        type=kind,
        backend=BACKENDS[kind],
        max_concurrent=data.get("max_concurrent"),
        description=data.get("description"),
        tags=dict(data.get("tags") or {}),
        settings={key: value for key, value in data.items() if key not in shared and key != "$schema"},
    )
    return compute, warnings


def _type(document: Document) -> str:
    """The type in lower case; az does not mind the case of this one."""
    path = ("type",)
    kind = document.data.get("type")
    if isinstance(kind, str) and kind.lower() in BACKENDS:
        return kind.lower()
    source, line, column = document.locate(path)
    available = ", ".join(BACKENDS)
    if isinstance(kind, str) and kind.lower() in OTHER_TYPES:
        where = f"{source}:{line}:{column}" if line else source
        raise UnsupportedError(
            f"{where}: no back end here has computes of type '{kind}'",
            hint=f"available: {available}; a local compute of the same name lets specs that name it run here",
            details={"type": kind, "available": list(BACKENDS)},
        )
    if kind is None:
        problem = document.problem("missing_key", path, "'type' is missing", hint=f"add 'type: …', one of: {available}")
    else:
        hint = did_you_mean(str(kind), [*BACKENDS, *OTHER_TYPES], otherwise=f"use one of: {available}")
        problem = document.problem("not_allowed", path, f"'type' cannot be '{kind}'", value=kind, hint=hint)
    refuse_if_any(document, [problem])
    raise AssertionError
