"""Models: as files of their own, and inside of deployments."""

from __future__ import annotations

from pathlib import Path

from mlctl.spec.check import SpecCheck
from mlctl.spec.document import KeyPath, dotted
from mlctl.spec.paths import absolute
from mlctl.spec.references import FILE, LOCAL, parse
from mlctl.spec.rules.parts import part, require, text


def check_inline_model(spec: SpecCheck, path: KeyPath) -> None:
    """A model in place of a reference."""
    if isinstance(part(spec, *path), dict):
        check_model(spec, path)


def check_model(spec: SpecCheck, path: KeyPath = ()) -> None:
    """A model has a path, and a local one holds what its type says."""
    place: KeyPath = (*path, "path")
    if not require(spec, place, hint="add 'path: …', the file or folder of the model, or runs:/<run>/<path>"):
        return
    if text(spec, *path, "type") != "mlflow_model":
        return
    folder = _local(spec, place)
    if folder is None:
        return
    given = text(spec, *place)
    kind = spec.library.kind_of(folder)
    if kind == "file":
        message = f"'{dotted(place)}': '{given}' is a file, an MLflow model is a folder"
        hint = "name the folder that holds MLmodel, or write 'type: custom_model'"
        spec.error("wrong_path", place, message, value=given, hint=hint)
    elif kind == "folder" and spec.library.kind_of(folder / "MLmodel") != "file":
        message = f"'{dotted(place)}': there is no MLmodel file in '{given}', so it is not an MLflow model"
        hint = f"name the folder that holds MLmodel{_deeper(spec, folder)}, or write 'type: custom_model'"
        spec.error("missing_path", place, message, value=given, hint=hint)


def needs_environment(spec: SpecCheck, path: KeyPath) -> bool:
    """Whether a model is surely one that is not served without an environment and scoring code.

    What stands behind a reference is not known; MLflow and Triton models bring both along.
    """
    model = part(spec, *path)
    if not isinstance(model, dict) or model.get("type", "custom_model") != "custom_model":
        return False
    given = text(spec, *path, "path")
    if given is None or parse(given).kind not in (LOCAL, FILE):
        return given is not None
    folder = _local(spec, (*path, "path"))
    return folder is not None and spec.library.kind_of(folder / "MLmodel") is None


def _local(spec: SpecCheck, path: KeyPath) -> Path | None:
    """The place of a local path; None when it is remote, or when paths are not to be looked at."""
    given = text(spec, *path)
    if given is None or not spec.options.paths:
        return None
    reference = parse(given)
    return Path(absolute(spec.document, reference.path or "")) if reference.kind in (LOCAL, FILE) else None


def _deeper(spec: SpecCheck, folder: Path) -> str:
    """Where below a folder MLmodel is, when it is one step down."""
    for name in ("model", "mlflow_model", "artifacts"):
        if spec.library.kind_of(folder / name / "MLmodel") == "file":
            return f" ('{name}' in it does)"
    return ""
