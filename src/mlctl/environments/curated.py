"""Azure ML's curated environments by name: the reviewed table `curated.json` and the user's own.

The images behind these names live in a registry that many machines do not reach and hold much that only works inside
Azure. The table says what a script needs of them: Python version and packages, taken from the environments' published
definitions (repository Azure/azureml-assets). Versions have environment markers so that a Python that is newer than the
image's gets the first versions with ready-made wheels. `mlflow-skinny` stands in the place of MLflow, as in the images
themselves: azureml-mlflow depends on it, and it is a twentieth of the size. It is MLflow 2, which published scripts are
written for: MLflow 3 wants `skops` to log a scikit-learn model, and keeps models outside the run's artifacts.
"""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

from mlctl.errors import InvalidSpecError, NotFoundError

CURATED_IMAGES = "mcr.microsoft.com/azureml/curated/"

_REGISTRY = re.compile(
    r"azureml://registries/[^/]+/environments/(?P<name>[^/]+)(?:/(?:labels|versions)/(?P<tag>[^/]+))?"
)
_SHORT = re.compile(r"(?:azureml:)?(?P<name>[A-Za-z0-9][\w.+-]*)(?:[:@](?P<tag>[\w.+-]+))?")
_IMAGE = re.compile(r"mcr\.microsoft\.com/azureml/(?:curated/)?(?P<name>[^/:@]+)(?::(?P<tag>[\w.-]+))?(?:@sha256:\w+)?")
_PYTHON = re.compile(r"-py(?P<major>3)\.?(?P<minor>\d{1,2})(?=-|$)")
_FLAVOUR = re.compile(r"-(?:ubuntu[\d.]+|cuda[\d.]+|cpu|gpu|profiler)(?=-|$)")


@dataclass(frozen=True, slots=True)
class CuratedEnvironment:
    """One environment. `python`: version such as "3.10". `packages`: PEP 508 lines. `image`: for docker, with tag.

    `names`: the official names. `note`: what is not there, as a sentence. `about`: what it is.
    """

    name: str
    python: str | None
    packages: tuple[str, ...]
    image: str | None = None
    names: tuple[str, ...] = ()
    note: str | None = None
    about: str = ""


@dataclass(frozen=True, slots=True)
class CuratedTable:
    """The built-in environments and the user's, which win; `conda_packages` are the user's own conda names."""

    environments: Mapping[str, CuratedEnvironment]
    own: Mapping[str, CuratedEnvironment] = field(default_factory=dict)
    conda_packages: Mapping[str, str | None] = field(default_factory=dict)

    def lookup(self, reference: str) -> CuratedEnvironment | None:
        """The environment that a reference of a spec or an image name means; None when it is in neither table.

        Forms: `azureml://registries/<r>/environments/<n>/labels/latest` or `…/versions/<v>`, `azureml:<n>@latest`,
        `azureml:<n>:<v>`, `<n>`, with or without `AzureML-` before the name and images below mcr.microsoft.com/azureml.
        A Python version in the name (`-py38`) wins over the table's.
        """
        name, tag = split_reference(reference)
        if not name:
            return None
        for key in (f"{name}:{tag}", name):
            if key in self.own:
                return self.own[key]
        official = name[len("azureml-") :] if name.lower().startswith("azureml-") else name
        found = self.own.get(official) or self.environments.get(short_name(official))
        if found is None or found.name in self.own:
            return found
        match = _PYTHON.search(official.lower())
        return replace(
            found,
            name=official,
            python=f"{match['major']}.{match['minor']}" if match else found.python,
            image=_image(official if official in found.names else found.names[0], tag),
        )

    def names(self) -> list[str]:
        """Every official and own name, sorted."""
        official = {name for environment in self.environments.values() for name in environment.names}
        return sorted(official | set(self.own))


def split_reference(reference: str) -> tuple[str, str | None]:
    """(name, version or label) of a reference or image; ("", None) for other text."""
    for form in (_REGISTRY, _IMAGE, _SHORT):
        match = form.fullmatch(reference.strip())
        if match:
            return match["name"], match["tag"]
    return "", None


def short_name(name: str) -> str:
    """A name without Python, CUDA and operating system: `sklearn-0.24-ubuntu18.04-py37-cpu` -> `sklearn-0.24`."""
    return _FLAVOUR.sub("", _FLAVOUR.sub("", _PYTHON.sub("", name.lower())))


def load_table(user_file: Path | None = None) -> CuratedTable:
    """The table, with the user's file (setting environments.map; YAML or JSON of the same shape) on top.

    Raises NotFoundError when the file is missing, InvalidSpecError when it is wrong.
    """
    data = json.loads(Path(__file__).with_name("curated.json").read_bytes())
    table = CuratedTable(_read_environments(data, "curated.json"))
    if user_file is None:
        return table
    own = _read_user_file(user_file)
    where = str(user_file)
    names = own.get("conda_packages") or {}
    if not isinstance(names, dict) or not all(value is None or isinstance(value, str) for value in names.values()):
        raise _wrong(where, "conda_packages", "a mapping of conda names to names on the package index, or to null")
    unknown = set(own) - {"environments", "conda_packages", "groups"}
    if unknown:
        raise _wrong(
            where, sorted(unknown)[0], "not known here; there may be `environments`, `conda_packages`, `groups`"
        )
    conda_packages = {str(name).lower(): value for name, value in names.items()}
    return replace(table, own=_read_environments(own, where), conda_packages=conda_packages)


def _read_user_file(path: Path) -> dict[str, Any]:
    if not path.is_file():
        raise NotFoundError(
            f"setting environments.map names '{path}', which is no file", hint="mlctl config unset environments.map"
        )
    from mlctl.spec.reader import read_file

    return dict(read_file(path).data)


def _read_environments(data: Mapping[str, Any], where: str) -> dict[str, CuratedEnvironment]:
    groups = data.get("groups") or {}
    entries = data.get("environments") or {}
    if not isinstance(entries, dict) or not isinstance(groups, dict):
        raise _wrong(where, "environments", "a mapping of names to environments")
    return {str(name): _read_environment(str(name), entry, groups, where) for name, entry in entries.items()}


def _read_environment(name: str, entry: Any, groups: Mapping[str, Any], where: str) -> CuratedEnvironment:
    key = f"environments.{name}"
    if not isinstance(entry, dict):
        raise _wrong(where, key, "a mapping with `python`, `packages`, `image`")
    unknown = set(entry) - {"python", "packages", "includes", "image", "names", "note", "about"}
    if unknown:
        raise _wrong(where, f"{key}.{sorted(unknown)[0]}", "not known here")
    packages: list[str] = []
    given = entry.get("packages") or []
    if not isinstance(given, list) or not all(isinstance(line, str) for line in given):
        raise _wrong(where, f"{key}.packages", "a list of requirement lines")
    for group in entry.get("includes") or ():
        if group not in groups:
            raise _wrong(where, f"{key}.includes", f"'{group}' is not among `groups`")
        packages += groups[group]
    packages = [*given, *packages]
    python = entry.get("python")
    if python is not None and not isinstance(python, str):
        raise _wrong(where, f"{key}.python", f'a version in quotes, such as "3.10" (read as {python!r})')
    return CuratedEnvironment(
        name, python, tuple(packages), entry.get("image"), tuple(entry.get("names") or (name,)),
        entry.get("note"), entry.get("about", ""),
    )  # fmt: skip


def _image(name: str, tag: str | None) -> str:
    folder = CURATED_IMAGES if not name.endswith("-inference") else CURATED_IMAGES.removesuffix("curated/")
    return f"{folder}{name}:{tag or 'latest'}"


def _wrong(where: str, key: str, expected: str) -> InvalidSpecError:
    return InvalidSpecError(f"{where}: {key}: {expected}", hint="docs/reference/curated-environments.md has an example")
