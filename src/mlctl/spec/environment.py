"""The `environment` of a job: a reference, a file, or an inline environment with its conda file and build context.

Files that it names are read here, with marks of their own, so that a mistake in conda.yml is shown in conda.yml.
"""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from mlctl.entities.environment import BuildContext, Environment
from mlctl.errors import InvalidSpecError, MlctlError
from mlctl.spec.document import Document, KeyPath, dotted
from mlctl.spec.library import Library
from mlctl.spec.paths import absolute, beside, kind_of, missing_path
from mlctl.spec.problems import WARNING, Problem
from mlctl.spec.references import ASSET, FILE, INVALID, LOCAL, RESOURCE, Reference, parse
from mlctl.spec.validate import check

_EXAMPLE_IMAGE = "mcr.microsoft.com/azureml/openmpi4.1.0-ubuntu22.04"


class EnvironmentReading:
    """Reads one environment; `problems`, `warnings` and `documents` (the files that it names) grow while it does.

    `library`: files are read through it. `paths` False: nothing is looked for on disk, and what depends on it is left
    out. `serves`: the environment is a deployment's, which has a name and routes.
    """

    def __init__(self, *, library: Library | None = None, paths: bool = True, serves: bool = False) -> None:
        self.library = library or Library()
        self.paths = paths
        self.serves = serves
        self.problems: list[Problem] = []
        self.warnings: list[Problem] = []
        self.documents: list[Document] = []

    def read(self, document: Document, path: KeyPath, value: Any) -> Environment | None:
        """The environment at `path`; None when there are problems. `value` has passed the schema."""
        if isinstance(value, str):
            return self._by_text(document, path, value)
        return self._inline(document, path, value)

    def _by_text(self, document: Document, path: KeyPath, text: str) -> Environment | None:
        reference = parse(text)
        if reference.kind == FILE:
            return self._by_file(document, path, reference)
        if reference.kind == RESOURCE:
            return Environment(reference=text)
        problem = _reference_problem(document, path, reference)
        if problem:
            self.problems.append(problem)
            return None
        return Environment(reference=text)

    def _by_file(self, document: Document, path: KeyPath, reference: Reference) -> Environment | None:
        if self._is_missing(document, path, reference.path or "", "file"):
            return None
        nested = self._nested(document, path, reference.path or "")
        if nested is None:
            return None
        if {"channels", "dependencies"} & nested.data.keys() and not {"image", "build"} & nested.data.keys():
            message = f"{nested.source} is a conda file, not an environment"
            hint = f"write environment: {{image: …, conda_file: {reference.path}}}"
            self.problems.append(document.problem("invalid_value", path, message, value=reference.text, hint=hint))
            return None
        data, problems, warnings, _ = check(nested, "environment")
        self.problems += problems
        self.warnings += warnings
        # a file of its own may have a name: it is an asset there
        return None if problems else self._inline(nested, (), {k: v for k, v in data.items() if k != "name"})

    def _inline(self, document: Document, path: KeyPath, value: Mapping[str, Any]) -> Environment | None:
        before = len(self.problems)
        self._check_parts(document, path, value)
        build = self._build(document, (*path, "build"), value["build"]) if "build" in value else None
        conda = source = None
        if "conda_file" in value:
            conda, source = self._conda(document, (*path, "conda_file"), value["conda_file"])
        if len(self.problems) > before:
            return None
        return Environment(
            image=value.get("image"),
            build=build,
            conda=None if build else conda,
            conda_source=None if build else source,
            os_type=value.get("os_type", "linux"),
            inference_config=value.get("inference_config"),
        )

    def _check_parts(self, document: Document, path: KeyPath, value: Mapping[str, Any]) -> None:
        label = f"'{dotted(path)}'" if path else "the environment"
        if "image" in value and "build" in value:
            message = f"{label} has both image and build"
            hint = "keep one of the two: build makes the image"
            self.problems.append(document.problem("conflict", (*path, "build"), message, hint=hint, on_key=True))
        elif "image" not in value and "build" not in value:
            message = f"{label} has neither image nor build"
            if "conda_file" in value:
                message = f"{label} has a conda_file without the image it is put on"
            hint = f"add 'image: …', such as {_EXAMPLE_IMAGE}"
            self.problems.append(document.problem("missing_key", (*path, "image"), message, hint=hint))
        elif "build" in value and "conda_file" in value:
            message = f"{label}: conda_file is ignored beside build"
            hint = "install the packages in the Dockerfile"
            self.warnings.append(document.warning("ignored", (*path, "conda_file"), message, hint=hint))
        if self.serves:
            return
        for key, reason in (
            ("name", "an inline environment is not registered"),
            ("inference_config", "it is for endpoints"),
        ):
            if key in value:
                message = f"'{dotted((*path, key))}' is ignored: {reason}"
                hint = f"remove '{key}'"
                self.warnings.append(document.warning("ignored", (*path, key), message, value=value[key], hint=hint))

    def _build(self, document: Document, path: KeyPath, value: Mapping[str, Any]) -> BuildContext | None:
        dockerfile = value.get("dockerfile_path", "Dockerfile")
        text = value.get("path")
        if text is None:
            hint = "add 'path: …' (the folder with the Dockerfile)"
            message = f"'{dotted((*path, 'path'))}' is missing"
            self.problems.append(document.problem("missing_key", (*path, "path"), message, hint=hint))
            return None
        reference = parse(text)
        if reference.kind not in (LOCAL, FILE):
            return BuildContext(path=text, dockerfile_path=dockerfile)
        folder = Path(absolute(document, reference.path or ""))
        if not self._is_missing(document, (*path, "path"), text, "folder") and self._lacks(folder / dockerfile):
            key = "dockerfile_path" if "dockerfile_path" in value else "path"
            message = f"'{dotted((*path, key))}': there is no file '{dockerfile}' in '{text}'"
            hint = f"looked for {folder / dockerfile}; name it with dockerfile_path"
            self.problems.append(document.problem("missing_path", (*path, key), message, value=value[key], hint=hint))
        return BuildContext(path=str(folder), dockerfile_path=dockerfile)

    def _conda(self, document: Document, path: KeyPath, value: Any) -> tuple[dict[str, Any] | None, str | None]:
        if isinstance(value, dict):
            self._check_conda(document, path, value)
            return value, document.place
        reference = parse(value)
        text = reference.path or ""
        if reference.kind == FILE:
            message = f"'{dotted(path)}': '{value}' is a local path, which stands here without 'file:'"
            self.problems.append(
                document.problem("invalid_reference", path, message, value=value, hint=f"write {reference.path}")
            )
        elif reference.kind != LOCAL:
            message = f"'{dotted(path)}' must be a local file, not '{value}'"
            hint = "copy the conda file beside the spec and name it"
            self.problems.append(document.problem("invalid_value", path, message, value=value, hint=hint))
        elif not self._is_missing(document, path, text, "file"):
            nested = self._nested(document, path, text)
            if nested is not None:
                self._check_conda(nested, (), nested.data)
                return nested.data, nested.place
        return None, None

    def _check_conda(self, document: Document, path: KeyPath, data: Mapping[str, Any]) -> None:
        """The shape of a conda environment file: `dependencies` is a list of text and one `pip` list of text."""
        key: KeyPath = (*path, "dependencies")
        dependencies = data.get("dependencies")
        if not isinstance(dependencies, list):
            message = "a conda file needs 'dependencies', a list of packages"
            hint = "write 'dependencies:' with a list such as '- python=3.11'"
            self.problems.append(document.problem("missing_key", key, message, value=dependencies, hint=hint))
            return
        for index, item in enumerate(dependencies):
            if isinstance(item, dict) and list(item) == ["pip"] and isinstance(item["pip"], list):
                here: KeyPath = (*key, index, "pip")
                for number, line in enumerate(item["pip"]):
                    self._check_package(document, (*here, number), line)
            else:
                self._check_package(document, (*key, index), item)

    def _check_package(self, document: Document, path: KeyPath, item: Any) -> None:
        if isinstance(item, str) and item.strip():
            return
        message = f"'{dotted(path)}' is not a package"
        hint = "write text such as 'python=3.11' or 'numpy>=1.26'; pip packages go into a list under '- pip:'"
        if isinstance(item, dict) and len(item) == 1:
            name = next(iter(item))
            mark = document.marks.get((*path, name))
            if mark is not None and mark.raw:
                hint = f"write '{name}={mark.raw}', or give the list under '- pip:'"
        self.problems.append(document.problem("invalid_value", path, message, value=item, hint=hint))

    def _is_missing(self, document: Document, path: KeyPath, text: str, what: str) -> bool:
        """Whether no such file or folder can be looked at; told, unless paths do not count."""
        missing = self.library.kind_of(absolute(document, parse(text).path or "")) != what
        if missing and self.paths:
            self.problems.append(missing_path(document, path, text, what=what))
        return missing

    def _lacks(self, place: Path) -> bool:
        return self.paths and self.library.kind_of(place) != "file"

    def _nested(self, document: Document, path: KeyPath, text: str) -> Document | None:
        """A file that this document names, read; its problems are kept with its own lines."""
        place = absolute(document, text)
        try:
            nested = self.library.read(place, source=beside(document, text))
        except InvalidSpecError as error:
            if path[-1:] == ("conda_file",) and [found.code for found in error.problems] == ["empty"]:
                # az takes an empty conda file, and installs nothing
                self.warnings.append(error.problems[0]._replace(severity=WARNING))
            else:
                self.problems += error.problems
            return None
        except MlctlError as error:
            self.problems.append(document.problem("missing_path", path, error.message, value=text, hint=error.hint))
            return None
        self.warnings += nested.warnings
        self.documents.append(nested)
        return nested


def _place(document: Document) -> str:
    """Absolute path of a document's file; paths inside a conda file (`-r requirements.txt`) start beside it."""
    return document.place


def _reference_problem(document: Document, path: KeyPath, reference: Reference) -> Problem | None:
    text, label = reference.text, f"'{dotted(path)}'"
    if reference.kind == ASSET:
        if reference.asset_type not in (None, "environments"):
            message, hint = f"{label}: '{text}' names {reference.asset_type}", "name an environment"
        elif not reference.is_pinned and reference.registry is None:
            message = f"{label}: '{text}' lacks a version"
            hint = f"write {text}:<version> or {text}@latest"
        else:
            return None
    elif reference.kind == LOCAL:
        message = f"{label}: '{text}' is not a reference to an environment"
        hint = f"for an image write 'environment: {{image: {text}}}', for a registered one azureml:<name>:<version>"
        if kind_of(absolute(document, text)) == "file":
            hint = f"for a file write file:{text}"
    elif reference.kind == INVALID:
        message = f"{label}: '{text}' is not a reference: {reference.problem}"
        hint = "write azureml:<name>:<version>, azureml://registries/… or file:<path>"
    else:
        message, hint = (
            f"{label}: '{text}' is not an environment",
            "write azureml:<name>:<version>, or image: and build:",
        )
    return document.problem("invalid_reference", path, message, value=text, hint=hint)
