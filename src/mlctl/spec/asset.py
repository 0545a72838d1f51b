"""The YAML of a data asset, model, environment or component, or options alone, become a checked spec."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from mlctl.spec.check import SpecCheck, check_document
from mlctl.spec.detection import refine
from mlctl.spec.document import Document
from mlctl.spec.kinds import KINDS, default_kind
from mlctl.spec.overrides import override_document
from mlctl.spec.problems import WARNING
from mlctl.spec.reader import read_file
from mlctl.spec.validate import refuse_if_any

_SHOWN = ("archived", "content", "labels", "job_name")
"""What `show` prints besides the keys of a spec."""


def load_asset(
    family: str,
    path: Path | None,
    *,
    overrides: Sequence[str] = (),
    fields: Mapping[str, Any] | None = None,
    kind: str | None = None,
) -> SpecCheck:
    """The checked spec of that family (data, model, environment, component); `problems` of it are warnings.

    `path` None: all comes from options, and local paths start at the working directory. `overrides` and `fields` as for
    a job. `kind`: the kind that it must be. Raises InvalidSpecError with every problem, NotFoundError.
    """
    document = Document({}, {}, "the command line", folder=str(Path.cwd())) if path is None else read_file(path)
    if "creation_context" in document.data:
        _make_spec(document.data)
    override_document(document, overrides, fields or {})
    fallback = KINDS[kind] if kind else default_kind(family)
    assert fallback is not None, family
    spec = check_document(document, refine(fallback, document.data))
    refuse_if_any(document, [found for found in spec.problems if found.severity != WARNING])
    return spec


def _make_spec(shown: dict[str, Any]) -> None:
    """What `show -o yaml` wrote becomes a spec, as with az: what only `show` says goes, and what is null there."""
    # the flavors of an MLflow model are read from its files
    read = ("mlflow", "signature", "flavors") if "mlflow" in shown else ()
    for key in [key for key, value in shown.items() if key in (*_SHOWN, *read) or value in (None, {})]:
        del shown[key]
