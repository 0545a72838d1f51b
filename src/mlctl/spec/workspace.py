"""Workspace YAML becomes checked data."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from mlctl.errors import UnsupportedError
from mlctl.spec.document import Document
from mlctl.spec.overrides import override_document
from mlctl.spec.problems import Problem
from mlctl.spec.reader import read_file
from mlctl.spec.schema import load_schema, resolve
from mlctl.spec.validate import check, refuse_if_any

_OTHER_KINDS = ("hub", "project")


def load_workspace(
    path: Path | None, *, overrides: Sequence[str] = (), fields: Mapping[str, Any] | None = None
) -> tuple[dict[str, Any], list[Problem]]:
    """The checked keys of the workspace in the file at `path` (None: all from options), and warnings.

    Keys about Azure resources are checked and returned; each has a warning, because a workspace that is a folder has
    no use for them. Raises InvalidSpecError with every problem, UnsupportedError for hubs and projects, NotFoundError.
    """
    document = Document({}, {}, "the command line") if path is None else read_file(path)
    override_document(document, overrides, fields or {})
    _refuse_other_kinds(document)
    data, problems, warnings, _ = check(document, "workspace")
    refuse_if_any(document, problems)
    return data, [*warnings, *_azure_only(document, data)]


def _refuse_other_kinds(document: Document) -> None:
    kind = document.data.get("kind")
    if isinstance(kind, str) and kind.lower() in _OTHER_KINDS:
        source, line, column = document.locate(("kind",))
        where = f"{source}:{line}:{column}" if line else source
        raise UnsupportedError(
            f"{where}: a workspace of kind '{kind}' exists on Azure only",
            hint="remove 'kind' for a plain workspace",
            details={"kind": kind},
        )


def _azure_only(document: Document, data: Mapping[str, Any]) -> list[Problem]:
    root = load_schema("workspace")
    warnings = []
    for key in data:
        if resolve(root["properties"].get(key, {}), root).get("x-azure"):
            message = f"'{key}' is about Azure resources, a workspace on this machine does not use it"
            hint = f"remove '{key}', or keep it for Azure"
            warnings.append(document.warning("ignored", (key,), message, hint=hint))
    return warnings
