"""Registry YAML becomes checked data."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from mlctl.spec.overrides import override_document
from mlctl.spec.problems import Problem
from mlctl.spec.reader import read_file
from mlctl.spec.validate import check, refuse_if_any

KEYS = ("name", "description", "display_name", "tags")
"""What a registry on this machine has of it."""


def load_registry(
    path: Path, *, overrides: Sequence[str] = (), fields: Mapping[str, Any] | None = None
) -> tuple[dict[str, Any], list[Problem]]:
    """The checked keys of the registry in the file at `path`, and warnings.

    Keys about Azure resources are checked; each has a warning, because a registry in a folder has no use for them.
    Raises InvalidSpecError with every problem, NotFoundError.
    """
    document = read_file(path)
    override_document(document, overrides, fields or {})
    checked = check(document, "registry")
    refuse_if_any(document, checked.problems)
    data, warnings = checked.data, checked.warnings
    for key in data:
        if key not in KEYS and key != "$schema":
            message = f"'{key}' is about Azure resources, a registry in a folder does not use it"
            warnings.append(document.warning("ignored", (key,), message, hint=f"keep '{key}' for Azure"))
    return {key: data[key] for key in KEYS if data.get(key) is not None}, warnings
