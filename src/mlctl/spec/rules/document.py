"""What the document says about itself."""

from __future__ import annotations

from mlctl.spec.check import SpecCheck
from mlctl.spec.detection import claimed_kind, refine


def check_document_kind(spec: SpecCheck) -> None:
    """Warn when `$schema` names another kind than the document is checked as."""
    named = spec.document.data.get("$schema") if isinstance(spec.document.data, dict) else None
    if not isinstance(named, str):
        return
    claimed = claimed_kind(named)
    if claimed is None or claimed.name == spec.kind.name or refine(claimed, spec.document.data).name == spec.kind.name:
        return
    if claimed.family == spec.kind.family and claimed.family != "job":
        return
    message = f"'$schema' names {named.rpartition('/')[2]}, but this is read as a {spec.kind.title}"
    hint = f"$schema is for editors and is never read; write {spec.kind.name}.schema.json"
    spec.warn("schema_hint", ("$schema",), message, value=named, hint=hint)
